"""The charts of an evaluation page as inline SVG: no script, nothing loaded, legible in black and white.

Plain SVG, not Altair as elsewhere: a page must hold without JavaScript, and this package knows nothing of the app.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from app.presentation.colours import CURVE_COLOURS, CURVE_DASHES, FAINT, GRID, INK
from app.presentation.words import spoken
from classifier.evaluation.curves.coverage import CoverageCurve
from classifier.evaluation.curves.roc import RocCurve
from classifier.evaluation.metrics import ReliabilityBin
from classifier.evaluation.shifts import ShiftResult

Range = tuple[float, float]


@dataclass(frozen=True)
class _Axes:
    """Where data lie on the drawing: data ranges, and the plot's box in px."""

    x: Range
    y: Range
    left: float = 52
    top: float = 12
    width: float = 300
    height: float = 240

    def px(self, x: float) -> float:
        return round(self.left + (x - self.x[0]) / (self.x[1] - self.x[0]) * self.width, 2)

    def py(self, y: float) -> float:
        return round(self.top + (1 - (y - self.y[0]) / (self.y[1] - self.y[0])) * self.height, 2)

    def line(self, points: Iterable[tuple[float, float]], colour: str, dash: str = "", width: float = 2) -> str:
        places = " ".join(f"{self.px(x)},{self.py(y)}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes}/>'

    def dot(self, x: float, y: float, colour: str, radius: float = 4) -> str:
        place = f'cx="{self.px(x)}" cy="{self.py(y)}" r="{radius:.1f}"'
        return f'<circle {place} fill="{colour}" stroke="#fff" stroke-width="1"/>'

    def frame(self, x_title: str, y_title: str) -> str:
        right, bottom = self.left + self.width, self.top + self.height
        parts = []
        for x in _ticks(*self.x):
            parts.append(_segment(self.px(x), self.top, self.px(x), bottom, GRID))
            parts.append(_text(self.px(x), bottom + 16, _number(x), "middle"))
        for y in _ticks(*self.y):
            parts.append(_segment(self.left, self.py(y), right, self.py(y), GRID))
            parts.append(_text(self.left - 7, self.py(y) + 4, _number(y), "end"))
        parts.append(_segment(self.left, bottom, right, bottom, FAINT))
        parts.append(_segment(self.left, self.top, self.left, bottom, FAINT))
        parts.append(_text(self.left + self.width / 2, bottom + 36, x_title, "middle"))
        middle = self.top + self.height / 2
        parts.append(_text(13, middle, y_title, "middle", f' transform="rotate(-90 13 {middle})"'))
        return "".join(parts)


def roc_chart(curves: Sequence[RocCurve], x: Range = (0.0, 1.0), y: Range = (0.0, 1.0)) -> str:
    """A curve a class, and as a dot the model's own calls. `x`, `y` choose a part of the unit square."""
    axes = _Axes(x, y)
    name = f"roc{round(100 * x[1])}"
    inside = [axes.line([(0, 0), (1, 1)], FAINT, "3 4", 1)]
    legend = []
    for i, curve in enumerate(curves):
        colour, dash = CURVE_COLOURS[i % len(CURVE_COLOURS)], CURVE_DASHES[i % len(CURVE_DASHES)]
        inside.append(axes.line(zip(curve.false_positive_rate, curve.sensitivity, strict=True), colour, dash))
        called = curve.called_false_positive_rate, curve.called_sensitivity
        if not any(map(math.isnan, called)):
            inside.append(axes.dot(*called, colour))
        legend.append(_legend(axes.left, axes.top + axes.height + 58 + 18 * i, colour, dash, spoken(curve.label)))
    box = f'x="{axes.left - 5}" y="{axes.top - 5}" width="{axes.width + 10}" height="{axes.height + 10}"'
    clip = f'<clipPath id="{name}"><rect {box}/></clipPath><g clip-path="url(#{name})">{"".join(inside)}</g>'
    drawn = axes.frame("1 - specificity", "sensitivity") + clip + "".join(legend)
    return _svg(axes.left + axes.width + 16, axes.top + axes.height + 54 + 18 * len(curves), "ROC curves", drawn)


def coverage_chart(curve: CoverageCurve) -> str:
    """Accuracy over coverage, and the rows of the table with their intervals."""
    lowest = min([*curve.accuracy, *(row.accuracy.low for row in curve.rows if not math.isnan(row.accuracy.low))])
    axes = _Axes((0.0, 1.0), (min(0.95, math.floor(lowest * 20) / 20), 1.0))
    parts = [axes.frame("share of tiles judged (coverage)", "accuracy on them")]
    parts.append(axes.line(zip(curve.coverage, curve.accuracy, strict=True), CURVE_COLOURS[0]))
    for row in curve.rows:
        if not math.isnan(row.accuracy.low):
            ends = [(row.coverage, row.accuracy.low), (row.coverage, row.accuracy.high)]
            parts.append(axes.line(ends, CURVE_COLOURS[0], width=1.2))
        parts.append(axes.dot(row.coverage, row.accuracy.value, CURVE_COLOURS[0]))
    return _svg(axes.left + axes.width + 16, axes.top + axes.height + 46, "Accuracy against coverage", "".join(parts))


def reliability_chart(bins: Sequence[ReliabilityBin]) -> str:
    """Share that was right over mean probability, a dot a bin, larger with more tiles."""
    axes = _Axes((0.0, 1.0), (0.0, 1.0))
    parts = [
        axes.frame("mean probability of the call", "share that was right"),
        axes.line([(0, 0), (1, 1)], FAINT, "3 4", 1),
    ]
    parts.append(axes.line([(one.confidence, one.accuracy) for one in bins], CURVE_COLOURS[0], width=1.2))
    most = max((one.tiles for one in bins), default=1)
    parts += [
        axes.dot(one.confidence, one.accuracy, CURVE_COLOURS[0], 3 + 7 * math.sqrt(one.tiles / most)) for one in bins
    ]
    return _svg(axes.left + axes.width + 16, axes.top + axes.height + 46, "Reliability diagram", "".join(parts))


def shift_chart(results: Sequence[ShiftResult]) -> str:
    """The change in accuracy that each shift brings, in points, with its interval; a row a shift."""
    ends = [100 * end for one in results for end in (one.difference.value, one.difference.low, one.difference.high)]
    ends = [end for end in ends if not math.isnan(end)]
    low, high = min([-2.0, *ends]), max([2.0, *ends])
    room = 0.05 * (high - low)
    axes = _Axes((low - room, high + room), (0, len(results)), left=190, width=400, height=23 * len(results))
    parts = []
    bottom = axes.top + axes.height
    for x in _ticks(*axes.x):
        parts.append(_segment(axes.px(x), axes.top, axes.px(x), bottom, GRID))
        parts.append(_text(axes.px(x), bottom + 16, f"{x:+g}" if x else "0", "middle"))
    parts.append(_segment(axes.px(0), axes.top, axes.px(0), bottom, INK))
    for i, one in enumerate(results):
        y = len(results) - i - 0.5
        parts.append(_text(axes.left - 10, axes.py(y) + 4, one.title, "end"))
        if not math.isnan(one.difference.low):
            parts.append(
                axes.line([(100 * one.difference.low, y), (100 * one.difference.high, y)], CURVE_COLOURS[0], width=1.6)
            )
        parts.append(axes.dot(100 * one.difference.value, y, CURVE_COLOURS[0]))
    parts.append(_text(axes.left + axes.width / 2, bottom + 36, "change in accuracy, points", "middle"))
    return _svg(axes.left + axes.width + 16, bottom + 44, "Change in accuracy under each shift", "".join(parts))


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers from `low` to `high`."""
    rough = (high - low) / 5
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"


def _segment(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}"/>'


def _text(x: float, y: float, words: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" font-size="13" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def _legend(x: float, y: float, colour: str, dash: str, words: str) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    line = f'<line x1="{x}" y1="{y - 4}" x2="{x + 28}" y2="{y - 4}" stroke="{colour}" stroke-width="2"{dashes}/>'
    return line + _text(x + 36, y, words, "start")


def _svg(width: float, height: float, title: str, content: str) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return f'<svg {size} role="img" aria-label="{escape(title)}">{content}</svg>'
