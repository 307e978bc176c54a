"""The HTML report: one file that needs nothing else, no script, no network; made for the screen and for A4."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from aggregate.result import SlideResult
from app.ledger.records import SlideRow
from app.presentation import charts, figures
from app.presentation.language import tell
from app.presentation.measured import MEASURES_NOTE, MEASURES_TITLE
from app.reports.content.failed import describe_failure
from app.reports.content.options import ReportOptions
from app.reports.content.slide import ReportContent, describe
from app.reports.pictures.heatmap import draw_heatmap
from app.reports.pictures.slide import take_pictures
from app.review.records import SlideRecord
from app.slides.views import FIELD_UM

if TYPE_CHECKING:
    import jinja2

_PICTURE_MAX_HEIGHT_PX = 430


def render_html(result: SlideResult, record: SlideRecord | None = None, options: ReportOptions | None = None) -> bytes:
    """The report of one slide as UTF-8 HTML; `record` is what people decided on it."""
    import markupsafe

    options = options or ReportOptions()
    content = describe(result, record, options)
    picture = draw_heatmap(result)
    tissue = take_pictures(result, options.slide_file, content.places)
    page = environment().get_template("report.html")
    return page.render(
        report=content,
        heatmap_base64=_base64(picture.png),
        picture_px=round(_PICTURE_MAX_HEIGHT_PX * picture.pixels.shape[1] / picture.pixels.shape[0]),
        bar_percent=f"{100 * picture.bar_share:.3f}",
        bar_length=figures.length(picture.bar_um),
        pie_svg=markupsafe.Markup(_pie(content, result)),
        kinds=tuple(zip(content.tissue, content.tissue_areas, strict=True)),
        measures_title=tell(MEASURES_TITLE),
        measures_note=tell(MEASURES_NOTE),
        overview=_jpeg(tissue.overview),
        absence=tissue.absence or tell("The slide holds no small picture of itself that could be shown here."),
        fields={place: _jpeg(picture) for place, picture in tissue.fields.items()},
        field_size=tuple(figures.length(um) for um in FIELD_UM),
    ).encode("utf-8", "replace")


def render_failure_html(row: SlideRow, options: ReportOptions) -> bytes:
    """The report of a slide that failed, as UTF-8 HTML."""
    page = environment().get_template("failed.html")
    return page.render(report=describe_failure(row, options)).encode("utf-8", "replace")


def _pie(content: ReportContent, result: SlideResult) -> str:
    if content.undetermined:
        return ""
    pie = charts.probability_pie(result.classes, result.decision.probabilities, result.background, legend_below=True)
    return charts.to_svg(pie)


def _jpeg(picture: bytes) -> str:
    return f"data:image/jpeg;base64,{_base64(picture)}" if picture else ""


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def environment() -> jinja2.Environment:
    """Templates of the reports, with escaping on: every text on a page comes from outside until shown otherwise."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("app.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(tell=tell, share=figures.share, count=figures.count)
    return made
