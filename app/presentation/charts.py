"""The charts of a slide, written once in Altair for the viewer and the reports. Altair is imported when one is drawn.

Figures come as arguments; nothing here reads a result or decides what may be shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.presentation import figures, words
from app.presentation.colours import INK, NOT_RECOGNISED, class_colours, readable_on
from app.presentation.language import tell

if TYPE_CHECKING:
    import altair as alt

__all__ = ["class_colours", "probability_pie", "to_png", "to_svg"]

FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
# Letters that a machine's own fonts may lack, for pictures that are drawn here.
FONT_FOLDER = Path(__file__).parent / "fonts"
PIE_PX = 220
PNG_SCALE = 4.0
# A slice narrower than this has no room for its own figure; the legend has it anyway.
_LABELLED_SLICE = 0.1
# A slice under half a pixel at the rim. Its figure stands in the legend.
_HAIR = 0.0005
# Between figure and name in a legend: SVG joins ordinary spaces to one, an en space stays. The figure comes first,
# since a long class name is cut at its end.
_GAP = "\u2002"


def probability_pie(
    classes: Sequence[str],
    probabilities: Sequence[float],
    background: str,
    *,
    legend_below: bool = False,
    with_legend: bool = True,
) -> alt.Chart:
    """Pie chart of slide-level probabilities, a slice a class in the order of `classes`; its legend gives each figure.

    The legend stands to the right of the pie, or below it where the chart's place is narrow; left out where the page
    has one of its own.
    A grey disc that says so where they are not known (NaN).
    """
    import altair as alt

    rows = _pie_rows(classes, probabilities, background)
    if not rows:
        return _style(_unknown_disc(alt))
    domain = [row["legend"] for row in rows]
    base = alt.Chart(alt.InlineData(values=[row for row in rows if row["drawn"]])).encode(
        theta=alt.Theta("drawn:Q", stack=True, scale=alt.Scale(type="linear", domain=[0, 1])),
        order=alt.Order("rank:O"),
        description=alt.Description("legend:N"),
        tooltip=[alt.Tooltip("title:N", title="Class"), alt.Tooltip("percent:N", title="Probability")],
    )
    slices = base.mark_arc(outerRadius=PIE_PX / 2 - 6, stroke="white", strokeWidth=1.5).encode(
        color=alt.Color(
            "legend:N",
            scale=alt.Scale(domain=domain, range=[row["colour"] for row in rows]),
            legend=alt.Legend(
                title=None,
                orient="bottom" if legend_below else "right",
                columns=1,
                symbolType="square",
                labelLimit=280,
                rowPadding=7,
            )
            if with_legend
            else None,
        )
    )
    labels = base.mark_text(radius=PIE_PX * 0.31, fontSize=14, fontWeight="bold").encode(
        text="label:N", color=alt.Color("ink:N", scale=None)
    )
    spoken = ", ".join(f"{row['title']} {row['percent']}" for row in rows)
    chart = (slices + labels).properties(
        width=PIE_PX,
        height=PIE_PX,
        description=tell("Pie chart of slide-level probabilities: {classes}", classes=spoken),
    )
    return _style(chart)


def to_svg(chart: alt.Chart) -> str:
    """The chart as one SVG element; no network, no browser. Its letters are drawn by the reader's own fonts (FONT)."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(chart.to_json(), allowed_base_urls=[]))


def to_png(chart: alt.Chart, scale: float = PNG_SCALE) -> bytes:
    """The chart as PNG, `scale` pixels for each of its px."""
    import vl_convert

    vl_convert.register_font_directory(str(FONT_FOLDER))
    return bytes(vl_convert.vegalite_to_png(chart.to_json(), scale=scale, allowed_base_urls=[]))


def _pie_rows(classes: Sequence[str], probabilities: Sequence[float], background: str) -> list[dict[str, Any]]:
    if not all(math.isfinite(p) for p in probabilities):
        return []
    palette = class_colours(classes, background)
    drawn = _drawn(probabilities)
    rows = []
    for rank, (name, probability) in enumerate(zip(classes, probabilities, strict=True)):
        title, percent = words.class_title(name), figures.percent(probability)
        rows.append(
            {
                "title": title,
                "legend": f"{percent}{_GAP}{title}",
                "percent": percent,
                "label": percent if probability >= _LABELLED_SLICE else "",
                "probability": float(probability),
                "drawn": drawn[rank],
                "rank": rank,
                "colour": palette[name],
                "ink": readable_on(palette[name]),
            }
        )
    return _told_apart(rows)


def _drawn(probabilities: Sequence[float]) -> list[float]:
    """How much of the circle each slice takes; none where it would be a hair.

    An arc that ends a hair before its start has both ends in one place when written as SVG, and is not drawn at all.
    """
    seen = [probability if probability >= _HAIR else 0.0 for probability in probabilities]
    total = sum(seen)
    return [float(one / total) if total else 0.0 for one in seen]


def _told_apart(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Vega takes legend texts as keys: two that read alike get their number, so that they stay two."""
    legends = [row["legend"] for row in rows]
    return [
        {**row, "legend": f"{row['legend']} ({row['rank'] + 1})"} if legends.count(row["legend"]) > 1 else row
        for row in rows
    ]


def _unknown_disc(alt: Any) -> alt.Chart:
    disc = alt.Chart(alt.InlineData(values=[{"all": 1}])).encode(theta=alt.Theta("all:Q"))
    return (
        disc.mark_arc(outerRadius=PIE_PX / 2 - 6, color=NOT_RECOGNISED, opacity=0.35)
        + disc.mark_text(radius=0, text=tell(words.CANNOT_TELL), fontSize=15, color=INK)
    ).properties(width=PIE_PX, height=PIE_PX, description=tell("No slide-level probabilities: the model cannot tell."))


def _style(chart: Any) -> Any:
    return (
        chart.configure(font=FONT, background="transparent")
        .configure_view(stroke=None)
        .configure_legend(labelFontSize=13, labelColor=INK, symbolSize=130)
    )
