"""The document around a story: page size, the foot of each page, structure, archive; knows no figure of a result."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import SimpleDocTemplate

from app.presentation.language import tell
from app.reports.content.options import ReportOptions
from app.reports.pdf.archive import make_archival, with_line_ends
from app.reports.pdf.parts import FONT_SCALE, LINE, MM, SOFT, Writer
from app.reports.pdf.tags import marked_as, write_structure
from app.reports.pdf.text import TEXT_FONT, marked, register_fonts
from wsi.text import plain

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

PAGE = (210 * MM, 297 * MM)
MARGIN = 15 * MM
WIDTH = PAGE[0] - 2 * MARGIN
_TOP, _FOOT = 12 * MM, 22 * MM
_FRAME_PADDING = 6  # what ReportLab adds inside a page frame
# How much of a last page is used: where it is less, the story is laid out again, a little tighter.
_NEARLY_EMPTY, _WELL_USED = 0.3, 0.7
_SCALES = (1.0, 0.9, 0.8)
_FOOT_NAME = 44

Story = Callable[[Writer, float], "list[Flowable]"]


class Named(Protocol):
    """What every page tells: of what and of when it is, and that it is for research use."""

    @property
    def slide_id(self) -> str: ...
    @property
    def case(self) -> str: ...
    @property
    def written(self) -> str: ...
    @property
    def research_use(self) -> str: ...


class Footed(Named, Protocol):
    """What the foot of a page tells."""

    @property
    def language(self) -> str: ...


def build_pdf(story: Story, content: Footed, options: ReportOptions, *, title: str = "") -> bytes:
    """The document. Where its last page is not well used it is tried tighter; of all tries the first of the fewest
    pages is taken whose last is not nearly empty. `title` is what programs show; else it is that of a slide's report.
    """
    register_fonts()
    tries: list[tuple[bool, int, bytes]] = []
    for scale in _SCALES:
        pdf, pages, used = _built(story, content, options, scale, title or tell("Slide report"))
        tries.append((pages > 1 and used < _NEARLY_EMPTY, pages, pdf))
        if pages == 1 or (len(tries) == 1 and used >= _WELL_USED):
            break
    return min(tries, key=lambda one: one[:2])[2]


def _built(story: Story, content: Footed, options: ReportOptions, scale: float, title: str) -> tuple[bytes, int, float]:
    """(document, pages, how much of the last page is used)."""
    writer, buffer = Writer(), io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=PAGE,
        leftMargin=MARGIN - _FRAME_PADDING,
        rightMargin=MARGIN - _FRAME_PADDING,
        topMargin=_TOP,
        bottomMargin=_FOOT,
        invariant=1,
    )
    parts = _without_end_space(story(writer, scale))
    document.build(parts, canvasmaker=_canvas_of(writer, content, options, title))
    used = 1.0 - (document.frame._y - document.frame._y1p) / (document.frame._y2 - document.frame._y1p)
    return with_line_ends(buffer.getvalue()), document.page, used


def _without_end_space(parts: list[Flowable]) -> list[Flowable]:
    """Space after the last part that does not fit its page would make an empty one."""
    from reportlab.platypus import Spacer

    end = len(parts)
    while end and isinstance(parts[end - 1], Spacer):
        end -= 1
    return parts[:end]


def _canvas_of(writer: Writer, content: Footed, options: ReportOptions, title: str) -> type[Canvas]:
    """A canvas that draws the foot of every page at the end, when it is known how many there are."""

    class PagedCanvas(Canvas):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **{**more, "initialFontName": TEXT_FONT})
            self._drawn: list[dict[str, Any]] = []
            self._marks = 0
            self._written = False

        def next_mark(self) -> int:
            """The number of the next marked part of this page."""
            self._marks += 1
            return self._marks - 1

        def showPage(self) -> None:  # noqa: N802 (ReportLab's name)
            self._drawn.append(dict(self.__dict__))
            self._marks = 0
            self._startPage()

        def save(self) -> None:
            count = len(self._drawn)
            for number, page in enumerate(self._drawn, 1):
                self.__dict__.update(page)
                _draw_foot(self, content, tell("page {number} of {count}", number=number, count=count))
                super().showPage()
                _tell_structure(self._doc.idToObject[f"Page{number}"], number)
            write_structure(self, writer.tags, count)
            make_archival(self, title, content.language, options.written)
            super().save()

    return PagedCanvas


def _tell_structure(page: Any, number: int) -> None:
    from reportlab.pdfbase.pdfdoc import PDFName

    page.__NoDefault__ = [*page.__NoDefault__, "StructParents", "Tabs"]
    page.StructParents, page.Tabs = number - 1, PDFName("S")


def _draw_foot(canvas: Canvas, content: Footed, page: str) -> None:
    """Which slide this page is of, the research-use statement and the page's number."""
    canvas.saveState()
    canvas.setFont(TEXT_FONT, 7.5 * FONT_SCALE)
    canvas.setStrokeColor(LINE)
    canvas.setFillColor(SOFT)
    with marked_as(canvas, None):
        canvas.line(MARGIN, 18 * MM, MARGIN + WIDTH, 18 * MM)
        canvas.drawRightString(MARGIN + WIDTH, 17 * MM - 8, page)
    case = f" · {tell('Case')} {marked(content.case)}" if content.case else ""
    date = f" · {marked(content.written)}" if content.written else ""
    told = f"<b>{marked(plain(content.slide_id, _FOOT_NAME))}</b>{case}{date}<br/>{marked(content.research_use)}"
    statement = Writer().text(told, size=7.5, color=SOFT, kind="")  # of no structure: the foot is an artifact
    _, height = statement.wrap(WIDTH * 0.86, 20 * MM)
    statement.drawOn(canvas, MARGIN, 17 * MM - height)
    canvas.restoreState()
