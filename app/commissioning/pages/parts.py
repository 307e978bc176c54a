"""What the dossier's pages have beside those of reports: tables of several columns, and sections. Knows no figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.reports.pdf.document import WIDTH
from app.reports.pdf.parts import LINE, MM, SOFT, Style, Writer
from app.reports.pdf.text import marked

if TYPE_CHECKING:
    from reportlab.platypus import Flowable, Table

_ROOM = 45 * MM  # a section begins on a page of its own where less than this is left


class Markup(str):
    """ReportLab's markup, and not a text to be shown as it is."""


def table(writer: Writer, header: Sequence[str], rows: Sequence[Sequence[str]], shares: Sequence[float]) -> Table:
    """Texts in columns, each a share of the page's width; all but Markup is shown as it is. The header comes again on
    each page."""
    total, cells = sum(shares), []
    with writer.within("Table"):
        if any(header):
            with writer.within("TR"):
                cells.append([_head(writer, cell) for cell in header])
        for row in rows:
            with writer.within("TR"):
                cells.append([_cell(writer, cell) for cell in row])
    style: Style = [("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE), ("BOTTOMPADDING", (0, 0), (-1, -1), 2)]
    style.append(("RIGHTPADDING", (0, 0), (-1, -1), 4))
    made = writer.grid(cells, [WIDTH * share / total for share in shares], style)
    made.spaceAfter = 1.2 * MM  # a line of text may follow
    made.repeatRows = 1 if any(header) else 0
    return made


def section(heading: Flowable, parts: Sequence[Flowable]) -> list[Flowable]:
    """`heading` was made before the parts, so that it is read before them."""
    from reportlab.platypus import CondPageBreak, Spacer

    return [CondPageBreak(_ROOM), heading, *parts, Spacer(1, 5 * MM)]


def _head(writer: Writer, words: str) -> Flowable:
    return writer.cell(f"<b>{marked(words)}</b>", "TH", scope="Column", size=7.5, color=SOFT)


def _cell(writer: Writer, words: str) -> Flowable:
    return writer.cell(words if isinstance(words, Markup) else marked(words), "TD", size=8, leading=10)
