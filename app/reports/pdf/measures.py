"""What was measured of called tumour: a table of figures, each with what it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.presentation.language import tell
from app.presentation.measured import MEASURES_NOTE, MEASURES_TITLE
from app.reports.content.slide import ReportContent
from app.reports.pdf.parts import MM, SOFT, Style, Writer, rows_apart
from app.reports.pdf.text import marked

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

_WIDTHS = (0.26, 0.2, 0.54)
_SIZE, _LEADING = 8, 9.8


def measures(writer: Writer, content: ReportContent, width: float, scale: float) -> list[Flowable]:
    """The table on one page, with the sentence that holds for all of it; nothing where nothing was measured."""
    from reportlab.platypus import KeepTogether, Spacer

    if not content.measures:
        return []
    heading = writer.heading(tell(MEASURES_TITLE))
    rows = []
    with writer.within("Table"):
        with writer.within("TR"):
            names = (tell("Measure"), tell("Figure"), tell("What it is not"))
            rows.append([writer.cell(marked(name), "TH", scope="Column", size=7.5, color=SOFT) for name in names])
        for one in content.measures:
            with writer.within("TR"):
                rows.append(
                    [
                        writer.cell(marked(one.title), "TH", scope="Row", size=_SIZE, leading=_LEADING),
                        writer.cell(f"<b>{marked(one.value)}</b>", "TD", size=_SIZE, leading=_LEADING),
                        writer.cell(marked(one.is_not), "TD", size=_SIZE, leading=_LEADING, color=SOFT),
                    ]
                )
    rule: Style = [*rows_apart(scale), ("RIGHTPADDING", (0, 0), (-1, -1), 6)]
    table = writer.grid(rows, [width * share for share in _WIDTHS], rule)
    note = writer.text(marked(tell(MEASURES_NOTE)), size=7.5, color=SOFT)
    return [KeepTogether([heading, table, Spacer(1, 2), note]), Spacer(1, 4 * MM * scale)]
