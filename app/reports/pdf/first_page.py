"""The first page: which slide, the call, the slide beside its heatmap and the pie, the tissue, and who decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from app.presentation import figures
from app.presentation.colours import INK
from app.presentation.language import tell
from app.reports.content.reviewed import ReviewContent
from app.reports.content.slide import ReportContent
from app.reports.pdf.document import WIDTH, Named
from app.reports.pdf.flowables import ScaleBar
from app.reports.pdf.parts import (
    ACCENT,
    GREEN,
    LINE,
    MM,
    SOFT,
    WASH,
    Bar,
    Pie,
    Style,
    Writer,
    swatch,
)  # fmt: skip
from app.reports.pdf.text import marked
from app.reports.pictures.heatmap import HeatmapPicture
from app.reports.pictures.slide import TissuePictures

if TYPE_CHECKING:
    from reportlab.platypus import Flowable, Table

_GAP = 8 * MM
_HALF = (WIDTH - _GAP) / 2
_NARROW_GAP = 5 * MM
_WITH_SLIDE = (66 * MM, 66 * MM, WIDTH - 132 * MM - 2 * _NARROW_GAP)
_WITHOUT = (112 * MM, WIDTH - 112 * MM - _NARROW_GAP)
_PICTURE_HEIGHT = 68 * MM
_PIE = 34 * MM
_MANY_KINDS, _LONG_TITLE = 28, 60
_BADGE = "#6B4700"
_LONG_NAME = 40


class Headed(Named, Protocol):
    """What the head of a report tells."""

    @property
    def synthetic(self) -> str: ...


def masthead(writer: Writer, content: Headed, title: str) -> list[Flowable]:
    """Slide, case and date, the statement of use, and whether anything is synthetic."""
    from reportlab.platypus import Spacer

    told = [f"{tell('Case')}: <b>{marked(content.case)}</b>"] if content.case else []
    told += [f"{tell('Report of')} {marked(content.written)}"] if content.written else []
    size = 12 if len(content.slide_id) <= _LONG_NAME else 9.5
    name = [writer.text(f"<b>{marked(content.slide_id)}</b>", size=size, leading=size * 1.2, kind="H1")]
    name += [writer.text("&nbsp;&nbsp; ".join(told), size=8.5, color=SOFT)] if told else []
    product = writer.text(f"pulmoscope · {marked(title)}", color=SOFT, align="right")
    rule: Style = [("LINEBELOW", (0, 0), (-1, -1), 1.4, INK), ("BOTTOMPADDING", (0, 0), (-1, -1), 5)]
    line = writer.grid([[name, product]], [WIDTH * 0.7, WIDTH * 0.3], rule)
    parts: list[Flowable] = [line, Spacer(1, 2.5 * MM), writer.note(marked(content.research_use), ACCENT, WASH, WIDTH)]
    if content.synthetic:
        banner = writer.note(f"<b>{marked(content.synthetic)}</b>", "#9A6700", "#FFF8E1", WIDTH)
        parts += [Spacer(1, 2 * MM), banner]
    return parts


def call_block(writer: Writer, content: ReportContent, scale: float) -> list[Flowable]:
    """The call in words, how sure it is, and whether a person decided."""
    from reportlab.platypus import Spacer

    calm = tell("No reason to look again was found")
    badge, colour = (tell("Please look again"), _BADGE) if content.reasons else (calm, GREEN)
    gap = Spacer(1, 4.5 * MM * scale)
    return [
        gap,
        writer.text(marked(content.call_sentence), color=SOFT),
        writer.text(f"<b>{marked(content.call)}</b>", size=22, leading=26, kind="H2"),
        writer.text(f"<b>{marked(badge)}</b>", size=10, leading=15, color=colour),
        writer.text(marked(content.confidence)),
        writer.text(f"<b>{marked(content.review.status)}</b>", color=GREEN if content.review.signed else INK),
        gap,
    ]


def overview(
    writer: Writer, content: ReportContent, heatmap: HeatmapPicture, pictures: TissuePictures, scale: float
) -> list[Flowable]:
    """The slide, its heatmap and the pie beside each other: the first two of one extent and one size, each with a scale
    bar; and what the colours mean."""
    widths = _WITH_SLIDE if pictures.overview else _WITHOUT
    width, height = _fitted(heatmap, widths[-2], scale)
    columns: list[list[Flowable]] = []
    if pictures.overview:
        heading, alt = writer.heading(tell("The slide")), tell("The slide, stained as it is")
        image = writer.picture(pictures.overview, alt, width, height)
        columns.append([heading, image, *_scale_bar(writer, heatmap, width)])
    heading = writer.heading(tell("Heatmap"))
    alt = tell("Heatmap of the slide: the class that the model calls each tile")
    image = writer.picture(heatmap.png, alt, width, height)
    columns.append([heading, image, *_scale_bar(writer, heatmap, width)])
    columns.append([writer.heading(tell("Probabilities")), _pie(writer, content, widths[-1], scale)])
    row: list[Any] = [part for column in columns for part in (column, "")][:-1]
    spaced = [part for one in widths for part in (one, _NARROW_GAP)][:-1]
    parts: list[Flowable] = [writer.grid([row], spaced, []), _key(writer, content)]
    if not pictures.overview:
        told = pictures.absence or tell("The slide holds no small picture of itself that could be shown here.")
        parts.append(writer.text(marked(told), size=8, color=SOFT))
    return parts


def _fitted(heatmap: HeatmapPicture, width: float, scale: float) -> tuple[float, float]:
    height_px, width_px = heatmap.pixels.shape[:2]
    shrunk = min(width / width_px, _PICTURE_HEIGHT * scale / height_px)
    return width_px * shrunk, height_px * shrunk


def _scale_bar(writer: Writer, heatmap: HeatmapPicture, width: float) -> list[Flowable]:
    from reportlab.platypus import Spacer

    bar = ScaleBar(width * heatmap.bar_share, INK)
    return [Spacer(1, 4), bar, Spacer(1, 1), writer.text(figures.length(heatmap.bar_um), size=8)]


def _key(writer: Writer, content: ReportContent) -> Flowable:
    shown = [one for one in content.tissue[:-2] if one.fraction > 0] or content.tissue[:-2]
    classes = "&nbsp;&nbsp; ".join(swatch(one.colour, one.title) for one in shown)
    without = swatch("#8A8F98", tell("hatched: tissue without a call (not recognised or of poor quality)"))
    note = tell("A deeper colour is a higher probability of the class shown. The frame is the slide's edge.")
    return writer.text(f"{classes}&nbsp;&nbsp; {without}<br/>{marked(note)}", size=8, color=SOFT)


def _pie(writer: Writer, content: ReportContent, width: float, scale: float) -> Flowable:
    from reportlab.platypus import Spacer

    if content.undetermined:
        why = tell("No probabilities are shown, since they would rest on too little recognised tissue of good quality.")
        return writer.note(f"<b>{marked(content.call)}</b><br/>{marked(why)}", LINE, WASH, width)
    spoken = ", ".join(f"{one.title} {one.percent}" for one in content.probabilities)
    slices = [(one.probability, one.colour) for one in content.probabilities]
    alt = tell("Pie chart of slide-level probabilities: {classes}", classes=spoken)
    pie = writer.figure(Pie, alt, _PIE * scale, slices)
    if _is_long(content):
        lines = "&nbsp;&nbsp; ".join(swatch(one.colour, f"{one.percent} {one.title}") for one in content.probabilities)
        return writer.grid([[[pie, Spacer(1, 2 * MM), writer.text(lines, size=5, leading=5.6)]]], [width], [])
    legend = [
        writer.text(
            f"{swatch(one.colour, '')}<b>{marked(one.percent)}</b>&nbsp; {marked(one.title)}", size=8.5, leading=11
        )
        for one in content.probabilities
    ]
    return writer.grid([[[pie, Spacer(1, 2 * MM), *legend]]], [width], [])


def _is_long(content: ReportContent) -> bool:
    """Whether classes are so many, or their names so long, that they do not fit beside something else."""
    titles = [one.title for one in content.tissue] + [one.title for one in content.probabilities]
    return len(titles) > _MANY_KINDS or any(len(title) > _LONG_TITLE for title in titles)


def tissue_and_signing(writer: Writer, content: ReportContent) -> list[Flowable]:
    """The tissue by kind; where nobody signed, room to write in beside it."""
    if content.review.signed or not content.tissue or _is_long(content):
        return _tissue(writer, content, WIDTH)
    left, right = _tissue(writer, content, _HALF), room_to_sign(writer, _HALF)
    return [writer.grid([[left, "", right]], [_HALF, _GAP, _HALF], [])]


def _tissue(writer: Writer, content: ReportContent, width: float) -> list[Flowable]:
    from reportlab.platypus import Spacer

    if not content.tissue:
        return []
    told = [(one, area) for one, area in zip(content.tissue, content.tissue_areas, strict=True) if one.fraction > 0]
    parts = [writer.heading(tell("Tissue by kind"))]
    spoken = ", ".join(f"{one.title} {figures.share(one.fraction)}" for one, _ in told)
    shares = [(one.fraction, one.colour) for one, _ in told]
    parts += [writer.figure(Bar, spoken, width, 3.2 * MM, shares), Spacer(1, 1.5 * MM)]
    rows = []
    with writer.within("Table"):
        with writer.within("TR"):
            names = (tell("Kind"), tell("Share"), tell("Tissue"), tell("Tiles"))
            rows.append([
                writer.cell(marked(name), "TH", scope="Column", size=7.5, color=SOFT, align="right" if at else "left")
                for at, name in enumerate(names)
            ])  # fmt: skip
        for one, area in told:
            with writer.within("TR"):
                figures_of = (figures.share(one.fraction), area, figures.count(one.tiles))
                rows.append([
                    writer.cell(swatch(one.colour, one.title), "TH", scope="Row", size=8.5, leading=10.6),
                    *(writer.cell(marked(told), "TD", size=8.5, leading=10.6, align="right") for told in figures_of),
                ])  # fmt: skip
    rule: Style = [("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5)]
    parts.append(writer.grid(rows, [width * share for share in (0.46, 0.17, 0.22, 0.15)], rule))
    note = tell(
        "Shares of the tissue that was cut into tiles. Only recognised tiles of good quality took part in the call."
    )
    return [*parts, Spacer(1, 2), writer.text(marked(note), size=7.5, color=SOFT)]


def decisions(writer: Writer, review: ReviewContent) -> list[Flowable]:
    """What people decided, a table a reading."""
    from reportlab.platypus import KeepTogether, Spacer

    parts: list[Flowable] = []
    for title, rows in review.readings:
        parts.append(KeepTogether([writer.heading(title), writer.facts(rows, WIDTH, 0.24)]))
        parts.append(Spacer(1, 3 * MM))
    return parts


def room_to_sign(writer: Writer, width: float) -> list[Flowable]:
    """Lines for a person's own reading, name and date."""
    labels = [tell("Name and signature"), "", tell("Date")]
    return [
        writer.heading(tell("The person who decides")),
        _line_to_fill(writer, [""], [width]),
        _line_to_fill(writer, [tell("Own reading of the slide")], [width]),
        _line_to_fill(writer, labels, [width * 0.6, _NARROW_GAP, width * 0.4 - _NARROW_GAP]),
    ]


def _line_to_fill(writer: Writer, labels: list[str], widths: list[float]) -> Table:
    """Empty space to write in, a rule below it and what belongs there; a gap has no label where others have one."""
    cells = [writer.text(label, size=8, color=SOFT) if label else "" for label in labels]
    ruled = [column for column, label in enumerate(labels) if label or not any(labels)]
    rules: Style = [("LINEABOVE", (column, 1), (column, 1), 0.8, INK) for column in ruled]
    return writer.grid([[""] * len(labels), cells], widths, rules, heights=[9.5 * MM, None])
