"""What the dossier's pages are made of, and the pages around them. Knows no figure of a proof."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from app.presentation.colours import INK
from app.reports.pdf_text import TEXT_FONT, marked, register_fonts

if TYPE_CHECKING:
    from reportlab.platypus import Flowable, Table

MM = 72 / 25.4
WIDTH = 180 * MM
ACCENT, SOFT, LINE, WASH = "#1F5F7A", "#5B6675", "#DFE3E8", "#F5F7F9"
_FONT_SCALE = 0.9
_MARGIN = 15 * MM
_PADDING = 6  # what ReportLab adds inside a page frame

Style = list[tuple[Any, ...]]


class Markup(str):
    """ReportLab's markup, and not a text to be shown as it is."""


def text(markup: str, *, size: float = 9.5, color: str = INK, align: str = "left", leading: float = 0) -> Flowable:
    """A paragraph of ReportLab's markup."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    style = ParagraphStyle(
        "text",
        fontName=TEXT_FONT,
        fontSize=size * _FONT_SCALE,
        leading=leading or size * 1.38,
        textColor=color,
        alignment={"left": 0, "right": 2}[align],
        splitLongWords=1,
    )
    return Paragraph(markup, style)


def heading(title: str) -> Flowable:
    return text(f"<b>{marked(title.upper())}</b>", size=8, color=ACCENT, leading=13)


def note(markup: str, edge: str, wash: str) -> Table:
    """A paragraph on a tinted ground with a coloured left edge."""
    style: Style = [
        ("BACKGROUND", (0, 0), (-1, -1), wash),
        ("LINEBEFORE", (0, 0), (0, -1), 3, edge),
        ("LEFTPADDING", (0, 0), (-1, -1), 9),
        ("RIGHTPADDING", (0, 0), (-1, -1), 8),
        ("TOPPADDING", (0, 0), (-1, -1), 4.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 5.5),
    ]
    return grid([[text(markup, size=9)]], [WIDTH], style)


def grid(rows: Sequence[Sequence[Any]], widths: Sequence[float], style: Style) -> Table:
    """Parts beside and below each other."""
    from reportlab.platypus import Table

    bare: Style = [("FONTNAME", (0, 0), (-1, -1), TEXT_FONT), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    bare += [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 4)]
    bare += [("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 0)]
    return Table([list(row) for row in rows], list(widths), style=[*bare, *style], hAlign="LEFT")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], shares: Sequence[float]) -> Table:
    """Texts in columns, each a share of the page's width; all but Markup is shown as it is. The header comes again on
    each page."""
    total = sum(shares)
    cells = [[text(f"<b>{marked(cell)}</b>", size=7.5, color=SOFT) for cell in header]] if any(header) else []
    cells += [[_cell(cell) for cell in row] for row in rows]
    style: Style = [("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE), ("BOTTOMPADDING", (0, 0), (-1, -1), 2)]
    made = grid(cells, [WIDTH * share / total for share in shares], style)
    made.repeatRows = 1 if any(header) else 0
    return made


def _cell(words: str) -> Flowable:
    return text(words if isinstance(words, Markup) else marked(words), size=8, leading=10)


def picture(png: bytes, width: float) -> Flowable:
    """As wide as it is told to be."""
    from PIL import Image as Opened
    from reportlab.platypus import Image

    with Opened.open(io.BytesIO(png)) as image:
        across, down = image.size
    return Image(io.BytesIO(png), width, width * down / across, hAlign="LEFT", mask="auto")


def build_pdf(story: Callable[[], list[Flowable]], title: str, foot: str) -> bytes:
    """The document; every page has `foot` and its number at its end. The same story gives the same bytes."""
    from reportlab.platypus import SimpleDocTemplate

    register_fonts()
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=(210 * MM, 297 * MM),
        leftMargin=_MARGIN - _PADDING,
        rightMargin=_MARGIN - _PADDING,
        topMargin=13 * MM,
        bottomMargin=22 * MM,
        title=title,
        author="pulmoscope",
        invariant=1,
    )
    document.build(story(), canvasmaker=_paged(foot))
    return buffer.getvalue()


def _paged(foot: str) -> Any:
    """A canvas that draws the foot of every page at the end, when it is known how many there are."""
    from reportlab.pdfgen.canvas import Canvas

    class PagedCanvas(Canvas):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "initialFontName": TEXT_FONT})
            self._drawn: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 (ReportLab's name)
            self._drawn.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._drawn, 1):
                self.__dict__.update(page)
                _draw_foot(self, foot, f"page {number} of {len(self._drawn)}")
                super().showPage()
            super().save()

    return PagedCanvas


def _draw_foot(canvas: Any, foot: str, page: str) -> None:
    canvas.saveState()
    statement = text(marked(foot), size=7.5, color=SOFT)
    _, height = statement.wrap(WIDTH * 0.86, 20 * MM)
    statement.drawOn(canvas, _MARGIN, 16 * MM - height)
    canvas.setStrokeColor(LINE)
    canvas.line(_MARGIN, 17 * MM, _MARGIN + WIDTH, 17 * MM)
    canvas.setFont(TEXT_FONT, 7.5 * _FONT_SCALE)
    canvas.setFillColor(SOFT)
    canvas.drawRightString(_MARGIN + WIDTH, 16 * MM - 8, page)
    canvas.restoreState()
