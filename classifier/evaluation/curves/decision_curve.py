"""Decision curves: what acting on a score is worth beside acting on every case, or on none.

Vickers and Elkin 2006 (doi 10.1177/0272989X06295361): at a threshold t, one false alarm costs t / (1 - t) of what a
case that is found brings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class NetBenefit:
    """At `threshold`: the net benefit a case of acting where the score is at least that, and of acting always. Acting
    never is worth 0."""

    threshold: float
    model: float
    always: float


def decision_curve(
    scores: NDArray[np.floating], positive: NDArray[np.bool_], thresholds: Sequence[float]
) -> tuple[NetBenefit, ...]:
    """A point a threshold (over 0, under 1), from probabilities `scores` (n,) and `positive` (n,)."""
    if not len(scores) or not all(0 < threshold < 1 for threshold in thresholds):
        raise ValueError("net benefit needs cases, and thresholds between 0 and 1")
    return tuple(_at(float(threshold), scores, positive) for threshold in thresholds)


def _at(threshold: float, scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> NetBenefit:
    cost = threshold / (1 - threshold)
    acted = scores >= threshold
    model = (acted & positive).mean() - cost * (acted & ~positive).mean()
    return NetBenefit(threshold, float(model), float(positive.mean() - cost * (~positive).mean()))
