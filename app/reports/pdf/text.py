"""Text from outside as ReportLab's markup: which font shows which letter. Lays nothing out.

All fonts are embedded, as far as they are used, so that a page looks alike everywhere and in many years: Bitstream
Vera, which comes with ReportLab, for Western European text; DejaVu Sans, of the same drawing, for Greek, Cyrillic,
Arabic, Hebrew, ...; Droid Sans Fallback for Chinese, Japanese and Korean.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from app.presentation.charts import FONT_FOLDER
from app.presentation.right_to_left import as_seen

TEXT_FONT, SIGN_FONT = "Vera", "DejaVuSans"
_TEXT_FILES = {0: "Vera.ttf", 1: "VeraBd.ttf"}  # by whether they are bold
_FURTHER = (SIGN_FONT, "DroidSansFallback")  # in order of preference


def marked(text: str) -> str:
    """Paragraph markup that shows `text` as it is; a letter that no font has is told by its number: ``\\u0e01``."""
    if _is_standard(text):
        return _escaped(text)
    told = (_told(mark) for mark in as_seen(unicodedata.normalize("NFC", text)))
    runs = groupby((mark for part in told for mark in part), key=_font_of)
    return "".join(
        f'<font name="{font}">{_escaped("".join(run))}</font>' if font else _escaped("".join(run)) for font, run in runs
    )


def _is_standard(text: str) -> bool:
    glyphs = _fonts()[TEXT_FONT]
    return all(ord(mark) in glyphs for mark in text)


def _escaped(text: str) -> str:
    return escape(text, {"'": "&#39;", '"': "&#34;"})


def _told(mark: str) -> str:
    """The mark, or a plainer form of it, or its number."""
    for form in (mark, unicodedata.normalize("NFKC", mark)):
        if all(_font_of(one) is not None for one in form):
            return form
    return f"\\u{ord(mark):04x}"


def _font_of(mark: str) -> str | None:
    """The font's name, "" for the standard one, None where no font has the letter."""
    if _is_standard(mark):
        return ""
    return next((name for name in _FURTHER if ord(mark) in _fonts()[name]), None)


def register_fonts() -> None:
    """Makes the fonts known to ReportLab, by their names."""
    _fonts()


@functools.cache
def _fonts() -> Mapping[str, Mapping[int, Any]]:
    """Registers the fonts and returns the letters that each has."""
    from reportlab.lib.fonts import addMapping
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    found: dict[str, Mapping[int, Any]] = {}
    for bold, file in _TEXT_FILES.items():
        font = TTFont(file.removesuffix(".ttf"), file)
        pdfmetrics.registerFont(font)
        addMapping(TEXT_FONT, bold, 0, font.fontName)
        found.setdefault(TEXT_FONT, font.face.charToGlyph)
    for name in _FURTHER:
        font = TTFont(name, str(FONT_FOLDER / f"{name}.ttf"))
        pdfmetrics.registerFont(font)
        for bold in (0, 1):
            addMapping(name, bold, 0, name)
        found[name] = font.face.charToGlyph
    return found
