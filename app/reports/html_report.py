"""The HTML report: one file that needs nothing else, no script, no network; made for the screen and for A4."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from aggregate.result import SlideResult
from app.presentation import charts, figures
from app.reports.content import describe
from app.reports.heatmap_picture import draw_heatmap
from app.review.records import SlideRecord

if TYPE_CHECKING:
    import jinja2

_BAR_PX = 850
_PICTURE_MAX_HEIGHT_PX = 470


def render_html(result: SlideResult, record: SlideRecord | None = None) -> bytes:
    """The report of one slide as UTF-8 HTML; `record` is what people decided on it."""
    import markupsafe

    content = describe(result, record)
    picture = draw_heatmap(result)
    pie = (
        ""
        if content.undetermined
        else charts.to_svg(
            charts.probability_pie(result.classes, result.decision.probabilities, result.background, legend_below=True)
        )
    )
    bar = charts.to_svg(charts.tissue_bar(content.tissue, _BAR_PX)) if content.tissue else ""
    page = environment().get_template("report.html")
    return page.render(
        report=content,
        heatmap_base64=base64.b64encode(picture.png()).decode("ascii"),
        picture_px=round(_PICTURE_MAX_HEIGHT_PX * picture.pixels.shape[1] / picture.pixels.shape[0]),
        bar_percent=f"{100 * picture.bar_share:.3f}",
        bar_length=figures.length(picture.bar_um),
        pie_svg=markupsafe.Markup(pie),
        tissue_svg=markupsafe.Markup(bar),
    ).encode("utf-8", "replace")


def environment() -> jinja2.Environment:
    """Templates of the reports, with escaping on: every text on a page comes from outside until shown otherwise."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("app.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
