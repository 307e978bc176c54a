"""What an ImageDescription may say in a copy: Aperio's list of fields, ImageJ's lines, the mark of a drawn slide.

Numbers must parse and lie within bounds, words must be known here; see `wsi.metadata`. XML is `xml_texts`' affair.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from wsi.deidentify.plan import Removed
from wsi.deidentify.source import words_in
from wsi.metadata import SYNTHETIC_MARK, number
from wsi.spacing import PLAUSIBLE_MPP

Cleaned = tuple[bytes, tuple[Removed, ...]]
"""What the copy says, and what it does not say any more."""

_SIZE = r"\d{1,7}x\d{1,7}"
_APERIO_PART = (
    r"(?:Aperio Image Library(?: v\d{1,2}(?:\.\d{1,3}){0,3})? ?\r?\n)?"
    rf"{_SIZE}(?: \[\d{{1,7}},\d{{1,7}} {_SIZE}\])?"
    rf"(?: \(\d{{1,5}}x\d{{1,5}}\))?(?: -> {_SIZE}(?: -)?)?(?: (?:JPEG|J2K)/[A-Z]{{2,4}}(?: Q=\d{{1,3}})?)? ?"
)
_APERIO_HEAD = re.compile(
    rf"(?=Aperio){_APERIO_PART}(?:;{_APERIO_PART})*|"
    rf"Aperio layout, {SYNTHETIC_MARK}(?:\r\n{_SIZE} \(\d{{1,5}}x\d{{1,5}}\) JPEG/YCC Q=\d{{1,3}})?"
)
_APERIO_KEYS = {"AppMag": (0.1, 200.0), "MPP": PLAUSIBLE_MPP}
_APERIO_NAMES = re.compile(
    "AppMag|MPP|StripeWidth|ScanScope ID|Filename|Title|Date|Time|Time Zone|User|Parmset|Left|Top|"
    "LineCameraSkew|LineAreaXOffset|LineAreaYOffset|Focus Offset|DSR ID|ImageID|Barcode|OriginalWidth|"
    "OriginalHeight|Originalheight|Filtered|ICC Profile|Exposure Time|Exposure Scale|DisplayColor|"
    "SessonMode|Rack|Slide|ScannerType|Gamma|PatientID|CaseID"
)
_PLAIN_NUMBER = re.compile(r"\d{1,3}(?:\.\d{1,8})?")
_IMAGEJ = {
    "ImageJ": re.compile(r"\d[\w.]{0,8}|"),
    **dict.fromkeys(("images", "slices", "channels", "frames"), re.compile(r"\d{1,5}")),
    **dict.fromkeys(("hyperstack", "loop"), re.compile("true|false")),
    "mode": re.compile("grayscale|composite|color"),
    **dict.fromkeys(("unit", "yunit"), re.compile(r"[µμ]m|\\u00B5m|um|microns?|nm|mm|cm|inch|pixel")),
    **dict.fromkeys(("min", "max", "spacing"), re.compile(r"-?\d{1,6}(?:\.\d{1,6})?")),
}


def clean_aperio(text: bytes) -> Cleaned:
    """The head of sizes and codec, magnification and pixel size."""
    head, *fields = text.decode("latin-1").split("|")
    removed, kept = [], [head]
    if not _APERIO_HEAD.fullmatch(head):
        kept = ["Aperio Image Library"]
        removed.append(Removed("Aperio header", _values(re.split(r"[;\r\n]+", head))))
    for field in fields:
        key, _, value = (part.strip() for part in field.partition("="))
        as_written = field in (f"{key} = {value}", f"{key}={value}")
        if key in _APERIO_KEYS and _is_number(value, _APERIO_KEYS[key]) and as_written:
            kept.append(field)
        elif field.strip(" \r\n\0;"):
            removed.append(Removed(f"Aperio {_named(key)}", _values([field, value, *_other_name(key)])))
    return "|".join(kept).encode("latin-1"), tuple(removed)


def clean_imagej(text: bytes) -> Cleaned:
    """Lines of ImageJ that tell sizes and units."""
    kept, removed = [], []
    for line in text.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition("=")
        if key in _IMAGEJ and _IMAGEJ[key].fullmatch(value):
            kept.append(f"{line}\n")
        elif line.strip():
            removed.append(Removed("ImageJ description", _values([line, key, value])))
    return "".join(kept).encode(), tuple(removed)


def clean_plain(text: bytes) -> Cleaned:
    """Nothing, but that a slide was drawn by us."""
    mark = SYNTHETIC_MARK.encode()
    kept = mark if text.startswith(mark) else b""
    rest = text[len(kept) :]
    return kept, (Removed("ImageDescription", words_in(rest) + _values(_pieces(rest))),) if rest.strip() else ()


def clean_nothing(text: bytes) -> Cleaned:
    return b"", (Removed("ImageDescription", words_in(text)),) if text.strip() else ()


Cleaner = Callable[[bytes], Cleaned]


def _is_number(text: str, bounds: tuple[float, float]) -> bool:
    return _PLAIN_NUMBER.fullmatch(text) is not None and number(text, *bounds) is not None


def _named(key: str) -> str:
    return key if _APERIO_NAMES.fullmatch(key) else "field of another name"


def _other_name(key: str) -> tuple[str, ...]:
    return () if _APERIO_NAMES.fullmatch(key) else (key,)


def _pieces(text: bytes) -> Iterator[str]:
    yield from re.split(r"[|;=\r\n\t]+", text[: 1 << 20].decode("utf-8", "replace"))


def _values(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text.strip() for text in texts if text.strip())
