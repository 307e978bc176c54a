"""The charts of a dossier, as PNG: the ROC curve and the decision curve. Knows no page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.presentation.charts import FONT, to_png
from app.presentation.colours import CURVE_COLOURS, CURVE_DASHES, FAINT, GRID, INK

_PX = 250


def roc_chart(points: Sequence[Sequence[float]]) -> bytes:
    """Sensitivity over 1 - specificity; `points` are pairs, from (0, 0) to (1, 1)."""
    rows = [{"x": x, "y": y, "what": "tumour scores"} for x, y in points]
    rows += [{"x": end, "y": end, "what": "by chance"} for end in (0.0, 1.0)]
    return _lines(rows, ("tumour scores", "by chance"), "1 - specificity", "sensitivity", (0.0, 1.0))


def decision_chart(points: Sequence[Mapping[str, float]]) -> bytes:
    """Net benefit over the threshold: of acting on the score, always, and never."""
    names = {"model": "act on the score", "always": "act on every slide"}
    rows = [(one["threshold"], one[key], name) for one in points for key, name in names.items()]
    rows += [(one["threshold"], 0.0, "act on none") for one in points]
    top = max((one["model"] for one in points), default=1.0)
    # Acting always falls without end; what matters is near and above 0.
    shown = [{"x": x, "y": y, "what": name} for x, y, name in rows if y >= -0.25 * max(top, 0.1)]
    return _lines(shown, (*names.values(), "act on none"), "threshold", "net benefit", None)


def _lines(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], x: str, y: str, domain: tuple[float, float] | None
) -> bytes:
    import altair as alt

    dashes = [_dashes(rank) for rank in range(len(names))]
    scale = alt.Scale(domain=list(domain)) if domain else alt.Scale()
    axis: dict[str, Any] = {
        "gridColor": GRID,
        "labelColor": INK,
        "titleColor": INK,
        "domainColor": FAINT,
        "tickCount": 6,
    }
    legend = alt.Legend(title=None, orient="bottom", columns=1, symbolStrokeWidth=2)
    chart = (
        alt.Chart(alt.InlineData(values=list(rows)))
        .mark_line(strokeWidth=2, interpolate="linear")
        .encode(
            x=alt.X("x:Q", title=x, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(**axis)),
            y=alt.Y("y:Q", title=y, scale=scale, axis=alt.Axis(**axis)),
            order=alt.Order("index:O"),
            color=alt.Color("what:N", scale=alt.Scale(domain=list(names), range=list(CURVE_COLOURS)), legend=legend),
            strokeDash=alt.StrokeDash("what:N", scale=alt.Scale(domain=list(names), range=dashes), legend=legend),
        )
        .transform_window(index="row_number()")
        .properties(width=_PX, height=_PX * 0.8)
    )
    return to_png(chart.configure(font=FONT, background="white").configure_view(stroke=None))


def _dashes(rank: int) -> list[int]:
    return [int(part) for part in CURVE_DASHES[rank].split()] or [1, 0]
