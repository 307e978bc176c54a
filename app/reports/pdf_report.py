"""The PDF report: the same content as the HTML report, laid out on A4 with ReportLab. No browser is needed.

Which font shows which letter is in `pdf_text.py`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from aggregate.result import SlideResult
from app.presentation import charts, figures
from app.presentation.colours import INK
from app.reports.content import ReportContent, Section, describe
from app.reports.heatmap_picture import HeatmapPicture, draw_heatmap
from app.reports.pdf_text import SIGN_FONT, TEXT_FONT, marked, register_fonts
from app.review.records import SlideRecord

if TYPE_CHECKING:
    from reportlab.platypus import Flowable, Table

_MM = 72 / 25.4
_MARGIN = 15 * _MM
_WIDTH = 210 * _MM - 2 * _MARGIN
_GAP = 8 * _MM
_FRAME_PADDING = 6  # what ReportLab adds inside a page frame
_PICTURE_MAX_HEIGHT = 76 * _MM
_DETAILS_HEIGHT = 150 * _MM  # the tables start on a page of their own where less than this is left
_COLUMNS_HEIGHT = 220 * _MM  # side by side they are no longer: a row of a table is not split
_LABEL_SHARE, _NARROW_LABEL_SHARE = 0.24, 0.52
_FONT_SCALE = 0.9  # the letters of Vera are that much larger than others of their size
_ACCENT, _SOFT, _LINE, _WASH = "#1F5F7A", "#5B6675", "#DFE3E8", "#F5F7F9"
_GREEN = "#1C5C46"
_AMBER, _AMBER_WASH = "#D99A1C", "#FFFAF0"


def render_pdf(result: SlideResult, record: SlideRecord | None = None) -> bytes:
    """The report of one slide as PDF; the same result and record (what people decided on it) give the same bytes."""
    from reportlab.platypus import SimpleDocTemplate

    register_fonts()
    content = describe(result, record)
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=(210 * _MM, 297 * _MM),
        leftMargin=_MARGIN - _FRAME_PADDING,
        rightMargin=_MARGIN - _FRAME_PADDING,
        topMargin=13 * _MM,
        bottomMargin=22 * _MM,
        title=f"{content.slide_id} - pulmoscope report",
        author="pulmoscope",
        invariant=1,
    )

    document.build(_story(content, result), canvasmaker=_paged_canvas(content))
    return buffer.getvalue()


def _paged_canvas(content: ReportContent) -> Any:
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
                _draw_footer(self, content, f"page {number} of {len(self._drawn)}")
                super().showPage()
            super().save()

    return PagedCanvas


def _story(content: ReportContent, result: SlideResult) -> list[Flowable]:
    from reportlab.platypus import CondPageBreak, Spacer

    story = _masthead(content) + _call(content)
    story += [_pictures(content, result), _key(content), Spacer(1, 4 * _MM)]
    story += [
        *_reasons(content),
        *_tissue(content),
        *_sign_off(content),
        Spacer(1, 5 * _MM),
        CondPageBreak(_DETAILS_HEIGHT),
    ]
    never_shown = ("; ".join(content.never_shown),) if content.never_shown else ()
    lists = _list("Limits of the model", content.limits) + _list("What the model was never shown", never_shown)
    return story + _tables(content) + lists


def _masthead(content: ReportContent) -> list[Flowable]:
    from reportlab.platypus import Spacer

    line = _grid(
        [
            [
                _text(f"<b>{marked(content.slide_id)}</b>"),
                _text("pulmoscope · slide report", color=_SOFT, align="right"),
            ]
        ],
        [_WIDTH * 0.68, _WIDTH * 0.32],
        [("LINEBELOW", (0, 0), (-1, -1), 1.4, INK), ("BOTTOMPADDING", (0, 0), (-1, -1), 5)],
    )
    parts: list[Flowable] = [line, Spacer(1, 2.5 * _MM), _note(content.research_use, _ACCENT, _WASH)]
    if content.synthetic:
        parts += [Spacer(1, 2 * _MM), _note(f"<b>{marked(content.synthetic)}</b>", "#9A6700", "#FFF8E1", markup=True)]
    return parts


def _call(content: ReportContent) -> list[Flowable]:
    from reportlab.platypus import Spacer

    badge = ("Please look again", "#6B4700") if content.reasons else ("No reason to look again was found", "#1C5C46")
    return [
        Spacer(1, 5 * _MM),
        _text(marked(content.call_sentence), color=_SOFT),
        _text(
            f"<b>{marked(content.call)}</b>&nbsp;&nbsp; <font size=9 color='{badge[1]}'><b>{badge[0]}</b></font>",
            size=22,
            leading=27,
        ),
        _text(marked(content.confidence), size=9.5),
        _text(f"<b>{marked(content.review.status)}</b>", size=9.5, color=_GREEN if content.review.signed else INK),
        Spacer(1, 5 * _MM),
    ]


def _pictures(content: ReportContent, result: SlideResult) -> Table:
    """Heatmap on the left, pie chart on the right."""
    left_width = (_WIDTH - _GAP) * 0.64
    right_width = _WIDTH - _GAP - left_width
    left = [_heading("Heatmap"), *_heatmap(draw_heatmap(result), left_width)]
    right = [_heading("Slide-level probabilities"), _pie(content, result, right_width)]
    return _grid([[left, "", right]], [left_width, _GAP, right_width], [("VALIGN", (0, 0), (-1, -1), "TOP")])


def _heatmap(picture: HeatmapPicture, max_width: float) -> list[Flowable]:
    from reportlab.platypus import Spacer

    height_px, width_px = picture.pixels.shape[:2]
    scale = min(max_width / width_px, _PICTURE_MAX_HEIGHT / height_px)
    width = width_px * scale
    bar = _grid(
        [[""]],
        [width * picture.bar_share],
        [("LINEBELOW", (0, 0), (-1, -1), 2, INK)]
        + [(side, (0, 0), (-1, -1), 0.7, INK) for side in ("LINEBEFORE", "LINEAFTER")],
        heights=[4],
    )
    image = _image(picture.png(), width, height_px * scale)
    return [image, Spacer(1, 5), bar, Spacer(1, 3), _text(figures.length(picture.bar_um), size=8)]


def _key(content: ReportContent) -> Flowable:
    classes = "&nbsp;&nbsp; ".join(_swatch(fate.colour, fate.title) for fate in content.tissue[:-2])
    without = _swatch("#8A8F98", "hatched: tissue without a call (not recognised or of poor quality)")
    note = "A deeper colour is a higher probability of the class shown. The frame is the slide's edge."
    return _text(f"{classes}&nbsp;&nbsp; {without}<br/>{note}", size=8, color=_SOFT)


def _swatch(colour: str, title: str) -> str:
    # The space between does not break: a swatch at the end of a line would be that of the next one's title.
    return f"<font name='{SIGN_FONT}' color='{colour}'>\u25a0</font>\u00a0{marked(title)}"


def _pie(content: ReportContent, result: SlideResult, width: float) -> Flowable:
    if content.undetermined:
        why = "No probabilities are shown, since they would rest on too little recognised tissue of good quality."
        return _note(f"<b>{marked(content.call)}</b><br/>{why}", _LINE, _WASH, width=width, markup=True)
    chart = charts.probability_pie(result.classes, result.decision.probabilities, result.background, legend_below=True)
    return _chart(chart, width)


def _reasons(content: ReportContent) -> list[Flowable]:
    from reportlab.platypus import Spacer

    parts: list[Flowable] = [_heading("Why a person should look again")] if content.reasons else []
    for reason in content.reasons:
        body = f"<b>{marked(reason.title)}</b><br/>{marked(reason.explanation)} <b>{marked(reason.what_to_do)}</b>"
        parts += [_note(body, _AMBER, _AMBER_WASH, markup=True), Spacer(1, 1.6 * _MM)]
    return [*parts, Spacer(1, 3 * _MM)]


def _tissue(content: ReportContent) -> list[Flowable]:
    from reportlab.platypus import KeepTogether, Spacer

    if not content.tissue:
        return []
    note = "Shares of the tissue that was cut into tiles. Only recognised tiles of good quality took part in the call."
    bar = _chart(charts.tissue_bar(content.tissue, 800), _WIDTH)
    block = [_heading("What became of the tissue"), bar, _text(note, size=8, color=_SOFT)]
    return [KeepTogether(block), Spacer(1, 5 * _MM)]


def _tables(content: ReportContent) -> list[Flowable]:
    """The tables side by side where a page is long enough for that, and the digests below, which need the width."""
    width = (_WIDTH - _GAP) / 2
    sections = [section for section in content.sections if section.rows]
    tables = [_table_parts(section, width, _NARROW_LABEL_SHARE) for section in sections]
    heights = [sum(part.wrap(width, 1e6)[1] for part in parts) for parts in tables]
    height, middle = min((max(sum(heights[:i]), sum(heights[i:])), i) for i in range(len(tables) + 1))
    if height > _COLUMNS_HEIGHT:
        return [part for section in (*sections, content.digests) for part in _table(section)]
    left, right = ([part for parts in half for part in parts] for half in (tables[:middle], tables[middle:]))
    return [_grid([[left, "", right]], [width, _GAP, width], []), *_table(content.digests)]


def _table(section: Section) -> list[Flowable]:
    """Over the page's width, together with its heading."""
    from reportlab.platypus import KeepTogether

    *together, gap = _table_parts(section, _WIDTH, _LABEL_SHARE)
    return [KeepTogether(together), gap]


def _table_parts(section: Section, width: float, label_share: float) -> list[Flowable]:
    from reportlab.platypus import Spacer

    rows = [
        [
            _text(marked(label), size=8.5, leading=10.6, color=_SOFT),
            _text(marked(value), size=8.5, leading=10.6),
        ]
        for label, value in section.rows
    ]
    style = [("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE), ("BOTTOMPADDING", (0, 0), (-1, -1), 2)]
    table = _grid(rows, [width * label_share, width * (1 - label_share)], style)
    return [_heading(section.title), table, Spacer(1, 4 * _MM)]


def _list(title: str, items: tuple[str, ...]) -> list[Flowable]:
    from reportlab.platypus import KeepTogether, Spacer

    if not items:
        return []
    lines = [_text(f"•&nbsp; {marked(item)}", size=8.5) for item in items]
    return [KeepTogether([_heading(title), *lines]), Spacer(1, 4 * _MM)]


def _sign_off(content: ReportContent) -> list[Flowable]:
    """What people decided; where nobody signed, room to write in."""
    from reportlab.platypus import KeepTogether

    parts = [part for title, rows in content.review.readings for part in _table(Section(title, rows))]
    if content.review.signed:
        return parts
    reading = _line_to_fill(["Own reading of the slide"], [_WIDTH])
    signature = _line_to_fill(["Name and signature", "", "Date"], [_WIDTH * 0.62, _GAP, _WIDTH * 0.38 - _GAP])
    return [*parts, KeepTogether([_heading("The person who decides"), reading, signature])]


def _line_to_fill(labels: list[str], widths: list[float]) -> Table:
    """Empty space to write in, a rule below it and what belongs there; an empty label is a gap."""
    cells = [_text(label, size=8, color=_SOFT) for label in labels]
    rules = [("LINEABOVE", (column, 1), (column, 1), 0.8, INK) for column, label in enumerate(labels) if label]
    return _grid([[""] * len(labels), cells], widths, rules, heights=[9 * _MM, None])


def _draw_footer(canvas: Any, content: ReportContent, page: str) -> None:
    """The research-use statement and the page's number at its foot."""
    canvas.saveState()
    statement = _text(marked(content.research_use), size=7.5, color=_SOFT)
    _, height = statement.wrap(_WIDTH * 0.86, 20 * _MM)
    statement.drawOn(canvas, _MARGIN, 16 * _MM - height)
    canvas.setStrokeColor(_LINE)
    canvas.line(_MARGIN, 17 * _MM, _MARGIN + _WIDTH, 17 * _MM)
    canvas.setFont(TEXT_FONT, 7.5 * _FONT_SCALE)
    canvas.setFillColor(_SOFT)
    canvas.drawRightString(_MARGIN + _WIDTH, 16 * _MM - 8, page)
    canvas.restoreState()


def _heading(title: str) -> Flowable:
    return _text(f"<b>{marked(title.upper())}</b>", size=8, color=_ACCENT, leading=13)


def _note(text: str, edge: str, wash: str, *, width: float = _WIDTH, markup: bool = False) -> Table:
    """A paragraph on a tinted ground with a coloured left edge."""
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), wash),
        ("LINEBEFORE", (0, 0), (0, -1), 3, edge),
        ("LEFTPADDING", (0, 0), (-1, -1), 9),
        ("RIGHTPADDING", (0, 0), (-1, -1), 8),
        ("TOPPADDING", (0, 0), (-1, -1), 4.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 5.5),
    ]
    return _grid([[_text(text if markup else marked(text), size=9)]], [width], style)


def _text(markup: str, *, size: float = 9.5, leading: float = 0, color: str = INK, align: str = "left") -> Flowable:
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


def _grid(
    rows: list[list[Any]],
    widths: list[float],
    style: list[tuple[Any, ...]],
    heights: list[float | None] | None = None,
) -> Table:
    from reportlab.platypus import Table

    bare: list[tuple[Any, ...]] = [("FONTNAME", (0, 0), (-1, -1), TEXT_FONT)]
    bare += [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0)]
    bare += [("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 0)]
    return Table(rows, widths, heights, style=[*bare, ("VALIGN", (0, 0), (-1, -1), "TOP"), *style], hAlign="LEFT")


def _chart(chart: Any, max_width: float) -> Flowable:
    from PIL import Image

    png = charts.to_png(chart)
    with Image.open(io.BytesIO(png)) as image:
        width_px, height_px = image.size
    # A chart's px is at most 0.62 point, so that its letters have the size of the text around.
    scale = min(max_width / width_px, _PICTURE_MAX_HEIGHT / height_px, 0.62 / charts.PNG_SCALE)
    return _image(png, width_px * scale, height_px * scale)


def _image(png: bytes, width: float, height: float) -> Flowable:
    from reportlab.platypus import Image

    return Image(io.BytesIO(png), width, height, hAlign="LEFT", mask="auto")
