"""Figures and names of an evaluation in words, the same on the page, in its charts and on the terminal."""

from __future__ import annotations

import math

from classifier.evaluation.intervals import Figure

UNIT_WORDS = {"source_group": "source groups", "patient": "patients", "site": "sites"}


def spoken(label: str) -> str:
    """A class name as it reads in a sentence."""
    return label.replace("_", " ")


def percent(share: float) -> str:
    """A counted share, one decimal; ``-`` where it is not defined."""
    return "-" if math.isnan(share) else f"{100 * share:.1f}%"


def points(difference: Figure) -> str:
    """A difference of two shares in percentage points, with its sign and interval."""
    value, low, high = (100 * end for end in (difference.value, difference.low, difference.high))
    if math.isnan(value):
        return "-"
    return f"{value:+.1f}" if math.isnan(low) else f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def ends(figure: Figure) -> str:
    """The interval of a share in per cent."""
    return "none" if math.isnan(figure.low) else f"{percent(figure.low)} to {percent(figure.high)}"
