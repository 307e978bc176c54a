"""Accuracy against coverage: how right a model is on the tiles that it is surest of. Arrays in, figures out.

The curve of selective classification (El-Yaniv and Wiener 2010, JMLR 11:1605). Sure means: the largest probability is
high. It says what a threshold for review would buy, and at what share of tiles left for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.evaluation.intervals import Figure, Groups, share_with_interval

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.5)
MAX_POINTS = 120


@dataclass(frozen=True)
class CoverageRow:
    """At least the share `wanted` of all tiles has a largest probability of `threshold` or more; those tiles are
    `tiles`, the share `coverage` of all, and `accuracy` is theirs. Its interval takes the threshold as given."""

    wanted: float
    threshold: float
    tiles: int
    coverage: float
    accuracy: Figure

    def to_dict(self) -> dict[str, Any]:
        return {
            "wanted": self.wanted,
            "threshold": round(self.threshold, 6),
            "tiles": self.tiles,
            "coverage": round(self.coverage, 6),
            "accuracy": self.accuracy.to_dict(),
        }


@dataclass(frozen=True)
class CoverageCurve:
    """Points of the curve, coverage rising to 1, and the rows of its table."""

    coverage: tuple[float, ...]
    accuracy: tuple[float, ...]
    rows: tuple[CoverageRow, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "coverage": list(self.coverage),
            "accuracy": list(self.accuracy),
            "rows": [row.to_dict() for row in self.rows],
        }


def coverage_points(
    confidence: NDArray[np.floating], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Thresholds (falling), coverage and accuracy (each (m,)) at every distinct confidence of `confidence` (n,).

    Tiles of one confidence come in together, so the order of the list does not matter.
    """
    order = np.argsort(-confidence, kind="stable")
    last = np.append(np.diff(confidence[order]) != 0, True)
    kept = np.arange(1, len(order) + 1)[last]
    hits = np.cumsum(right[order])[last]
    return confidence[order][last].astype(np.float64), kept / len(order), hits / kept


def coverage_curve(probabilities: NDArray[np.floating], labels: NDArray[np.integer], groups: Groups) -> CoverageCurve:
    """The curve and its table from `probabilities` (n, c), true `labels` and `groups` (n,)."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    thresholds, coverage, accuracy = coverage_points(confidence, right)
    rows = []
    for wanted in COVERAGES:
        # The tolerance keeps 0.9 of ten tiles nine tiles.
        at = int(np.searchsorted(coverage, wanted - 1e-9))
        kept = confidence >= thresholds[at]
        figure = share_with_interval(right, groups, kept)
        rows.append(CoverageRow(wanted, float(thresholds[at]), int(kept.sum()), float(coverage[at]), figure))
    shown = np.unique(np.linspace(0, len(coverage) - 1, MAX_POINTS).round().astype(int))
    return CoverageCurve(
        tuple(np.round(coverage[shown], 5).tolist()), tuple(np.round(accuracy[shown], 5).tolist()), tuple(rows)
    )
