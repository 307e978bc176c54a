"""The limits of the model, and the tables of a report, side by side where a page is long enough for that."""

from __future__ import annotations

from itertools import compress, product
from typing import TYPE_CHECKING

from app.presentation.language import tell
from app.reports.content.model import Section
from app.reports.content.slide import ReportContent
from app.reports.pdf.parts import MM, Writer

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

_GAP = 8 * MM
_LABEL_SHARE = 0.24
_NARROW_LABEL_SHARES = (0.43, 0.52, 0.6)  # side by side the one that makes the lower page: languages differ
_COLUMNS_HEIGHT = 220 * MM  # side by side they are no longer: a row of a table is not split
_SHORT = 140 * MM  # all tables stand in two columns that stay shorter: taller ones leave pages half empty
_BAND = 3  # else so many stand beside each other before the next begin below
_CARDS_LANGUAGE = "en"


def details(writer: Writer, content: ReportContent, width: float, scale: float) -> list[Flowable]:
    """What the model's card says of its limits; then figures, slide, run, model, validation and digests."""
    never_shown = ("; ".join(content.never_shown),) if content.never_shown else ()
    return [
        *_list(writer, tell("Limits of the model"), content.limits, content.language, scale),
        *_list(writer, tell("What the model was never shown"), never_shown, content.language, scale),
        *_tables(writer, content, width, scale),
    ]


def _tables(writer: Writer, content: ReportContent, width: float, scale: float) -> list[Flowable]:
    from reportlab.platypus import KeepTogether

    sections = [section for section in content.sections if section.rows]
    together = _columns(writer, sections, width, scale, _SHORT)
    if together is not None:
        return [KeepTogether([*together, *_parts(writer, content.digests, width, _LABEL_SHARE, scale)])]
    bands = [sections[at : at + _BAND] for at in range(0, len(sections), _BAND)]
    parts = [part for band in bands for part in _band(writer, band, width, scale)]
    return [*parts, *_wide(writer, content.digests, width, scale)]


def _band(writer: Writer, band: list[Section], width: float, scale: float) -> list[Flowable]:
    columns = _columns(writer, band, width, scale, _COLUMNS_HEIGHT)
    return [part for one in band for part in _wide(writer, one, width, scale)] if columns is None else columns


def _columns(
    writer: Writer, sections: list[Section], width: float, scale: float, most_height: float
) -> list[Flowable] | None:
    """Tables in two columns of about the same height, pt; None where that is more than `most_height`."""
    narrow = (width - _GAP) / 2

    def laid_out(label_share: float) -> tuple[list[list[Flowable]], float, tuple[bool, ...]]:
        tables = [_parts(writer, section, narrow, label_share, scale) for section in sections]
        return tables, *_halved([sum(part.wrap(narrow, 1e6)[1] for part in table) for table in tables])

    heights = []
    for share in _NARROW_LABEL_SHARES:
        heights.append(laid_out(share)[1])
        _forget(writer, len(sections))
    if min(heights) > most_height:
        return None
    tables, _, of_left = laid_out(_NARROW_LABEL_SHARES[heights.index(min(heights))])
    left, right = (
        [part for table, here in zip(tables, of_left, strict=True) if here == side for part in table]
        for side in (True, False)
    )
    return [writer.grid([[left, "", right]], [narrow, _GAP, narrow], [])]


def _halved(heights: list[float]) -> tuple[float, tuple[bool, ...]]:
    """(height of the taller column, which tables stand in the left one) where both are most alike."""
    return min(
        (max(sum(compress(heights, left)), sum(heights) - sum(compress(heights, left))), left)
        for left in product((True,), *[(True, False)] * (len(heights) - 1))
    )


def _forget(writer: Writer, tables: int) -> None:
    """What was laid out and is not used leaves the structure: a heading and a table each."""
    del writer.tags.root.children[-2 * tables :]


def _wide(writer: Writer, section: Section, width: float, scale: float) -> list[Flowable]:
    """Over the page's width, together with its heading."""
    from reportlab.platypus import KeepTogether

    *together, gap = _parts(writer, section, width, _LABEL_SHARE, scale)
    return [KeepTogether(together), gap]


def _parts(writer: Writer, section: Section, width: float, label_share: float, scale: float) -> list[Flowable]:
    from reportlab.platypus import Spacer

    heading = writer.heading(section.title)
    return [heading, writer.facts(section.rows, width, label_share, scale), Spacer(1, 4 * MM * scale)]


def _list(writer: Writer, title: str, items: tuple[str, ...], language: str, scale: float) -> list[Flowable]:
    """A card's own words, which are English in every report."""
    from reportlab.platypus import KeepTogether, Spacer

    if not items:
        return []
    heading = writer.heading(title)
    lines = writer.items(items, "" if language == _CARDS_LANGUAGE else _CARDS_LANGUAGE)
    return [KeepTogether([heading, *lines]), Spacer(1, 4 * MM * scale)]
