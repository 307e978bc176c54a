"""ROC curves, one class against the others, with few enough points for a page. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_POINTS = 120


@dataclass(frozen=True)
class RocCurve:
    """Points from (0, 0) to (1, 1): false positive rate (1 - specificity) and sensitivity. `called_*` is the point of
    the model's own calls (the likeliest class). Empty where the class, or everything else, has no tile."""

    label: str
    false_positive_rate: tuple[float, ...]
    sensitivity: tuple[float, ...]
    called_false_positive_rate: float
    called_sensitivity: float


def roc_points(
    scores: NDArray[np.floating], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False positive rates and sensitivities at each distinct score, falling; both begin at 0 and end at 1.

    `scores`, `positive` (n,). Empty arrays where there are no positives or no negatives.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return np.empty(0), np.empty(0)
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    alarms = np.cumsum(~positive[order])
    # Tiles of one score are called together: only the last of each run is a point.
    last = np.append(np.diff(scores[order]) != 0, True)
    return np.append(0.0, alarms[last] / negatives), np.append(0.0, hits[last] / positives)


def thinned(
    x: NDArray[np.float64], y: NDArray[np.float64], most: int = MAX_POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same rising curve, `x` and `y` (n,), with at most `most` points: first those on a straight line between
    their neighbours go, which loses nothing, then points are taken at even steps along it. The ends always stay."""
    if len(x) > 2:
        turn = np.diff(x[:-1]) * np.diff(y[1:]) - np.diff(x[1:]) * np.diff(y[:-1])
        bent = np.concatenate([[True], np.abs(turn) > 1e-12, [True]])
        x, y = x[bent], y[bent]
    if len(x) > most:
        along = x + y
        wanted = np.unique(np.searchsorted(along, np.linspace(along[0], along[-1], most)).clip(0, len(x) - 1))
        x, y = x[wanted], y[wanted]
    return x, y


def roc_curves(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], classes: Sequence[str]
) -> tuple[RocCurve, ...]:
    """A curve a class from `probabilities` (n, c) and true `labels` (n,)."""
    called = probabilities.argmax(axis=1)
    curves = []
    for i, label in enumerate(classes):
        x, y = thinned(*roc_points(probabilities[:, i], labels == i))
        curves.append(
            RocCurve(
                label,
                tuple(np.round(x, 5).tolist()),
                tuple(np.round(y, 5).tolist()),
                _share(called == i, labels != i),
                _share(called == i, labels == i),
            )
        )
    return tuple(curves)


def _share(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    return round(float(hits[among].mean()), 5) if among.any() else float("nan")
