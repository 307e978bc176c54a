"""Numbers as people read them: one rounding each for the terminal, the viewer and the reports, in the language that is
spoken. Knows no sentence."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.presentation.language import forms, tell, tell_count
from wsi.text import plain

if TYPE_CHECKING:
    from classifier.evaluation.intervals import Figure

MISSING = "–"  # noqa: RUF001 - an en dash marks an absent figure


def percent(probability: float) -> str:
    """A probability in per cent, one decimal near the ends; never certainty: ``>99.9%`` and ``<0.1%``."""
    if not math.isfinite(probability):
        return MISSING
    if probability >= 0.9995:
        return _percent(">99.9")
    if probability < 0.0005:
        return _percent("<0.1")
    return _percent(f"{100 * probability:.0f}" if 0.0995 <= probability < 0.9005 else f"{100 * probability:.1f}")


def share(fraction: float) -> str:
    """A counted share in per cent. Unlike a probability it may be all or nothing, but only when it truly is."""
    if fraction in (0.0, 1.0):
        return _percent(f"{100 * fraction:.0f}")
    return percent(fraction)


def points(difference: float) -> str:
    """A difference of two probabilities in percentage points."""
    if not math.isfinite(difference):
        return MISSING
    amount = 100 * difference
    if amount >= 99.95:
        return tell("more than {number} percentage points", number=number("99.9"))
    text = f"{amount:.0f}" if 9.95 <= amount < 90.05 else f"{amount:.1f}"
    one = 1 if text == "1.0" else 2
    return tell_count("{number} percentage point", "{number} percentage points", one, number=number(text))


def area(mm2: float) -> str:
    """An area in mm², three significant digits at most."""
    if not math.isfinite(mm2):
        return MISSING
    if 0 < mm2 < 0.01:
        return f"<{number('0.01')} mm²"
    decimals = 0 if mm2 == 0 else 2 if mm2 < 10 else 1 if mm2 < 100 else 0
    return f"{number(f'{mm2:,.{decimals}f}')} mm²"


def length(um: float) -> str:
    """A length in mm, in µm below a tenth of one."""
    return f"{number(f'{um:g}')} µm" if um < 100 else f"{number(f'{um / 1000:g}')} mm"


def place(x_mm: float, y_mm: float) -> str:
    """A place on the slide, mm from its top-left corner: ``x 12.4, y 8.1 mm``."""
    return f"x {number(f'{x_mm:.1f}')}, y {number(f'{y_mm:.1f}')} mm"


def pixel_size(mpp: float) -> str:
    """Micrometres per pixel, four significant digits."""
    return f"{number(f'{mpp:.4g}')} µm/px" if math.isfinite(mpp) else MISSING


def duration(seconds: float) -> str:
    """A time span as a person would say it: ``8.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{number(f'{seconds:.1f}')} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def count(amount: float) -> str:
    """A whole number with marks between its thousands."""
    return number(f"{amount:,.0f}")


def index(value: float) -> str:
    """A figure on a scale of its own, two decimals."""
    return number(f"{value:.2f}")


def moment(at: str) -> str:
    """``29 November 2026, 08:03 UTC``; a text that is no ISO time is shown as it is."""
    try:
        return forms().time(datetime.fromisoformat(at).astimezone(UTC))
    except ValueError:
        return plain(at)


def number(written: str) -> str:
    """A number as Python writes it, in the language that is spoken."""
    return forms().number(written)


def _percent(written: str) -> str:
    return forms().percent.format(number(written))


def decimal_share(fraction: float) -> str:
    """A counted share in per cent for a column of them: always one decimal; ``-`` where it is not defined."""
    return "-" if math.isnan(fraction) else f"{100 * fraction:.1f}%"


def signed_points(difference: Figure) -> str:
    """A difference of two shares in percentage points, with its sign and interval."""
    value, low, high = (100 * end for end in (difference.value, difference.low, difference.high))
    if math.isnan(value):
        return "-"
    return f"{value:+.1f} ({difference.doubt or f'{low:+.1f} to {high:+.1f}'})"


def ends(figure: Figure) -> str:
    """The interval of a share in per cent, in words: ``95% interval 91% to 97%``, ``no interval: only 3 groups``."""
    if figure.is_bound:
        least = figure.value == 1.0
        return f"{'at least' if least else 'at most'} {decimal_share(figure.low if least else figure.high)} (95%)"
    return figure.doubt or f"95% interval {decimal_share(figure.low)} to {decimal_share(figure.high)}"
