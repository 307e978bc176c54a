"""Figures of a classifier against known labels, and their intervals. Arrays in, numbers out.

Throughout: `probabilities` (n, c), rows sum to 1; `labels` (n,) class indices; `groups` (n,) names of source groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from classifier.calibrate import negative_log_likelihood
from classifier.evaluation.intervals import BOOTSTRAP_ROUNDS, Figure, Groups, count_groups, draws, with_ends

CALIBRATION_BINS = 10
_SHARES = frozenset({"accuracy", "sensitivity", "specificity"})

Probabilities = NDArray[np.floating]
Labels = NDArray[np.integer]


@dataclass(frozen=True)
class ReliabilityBin:
    """Tiles whose largest probability lies in (`low`, `high`]: mean confidence, and the share that was right."""

    low: float
    high: float
    tiles: int
    confidence: float
    accuracy: float


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """(c, c) counts; row: true class, column: predicted class."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def area_under_curve(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve by ranks, ties counting half (Hanley and McNeil 1982); NaN with one class only.

    `scores` and `positive` are (n,).
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    rank_sum = float(rankdata(scores)[positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def reliability(probabilities: Probabilities, labels: Labels) -> list[ReliabilityBin]:
    """Bins of equal width over the confidence, empty ones left out."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)
    bins = []
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            accuracy = float(right[inside].mean())
            bins.append(
                ReliabilityBin(float(low), float(high), int(inside.sum()), float(confidence[inside].mean()), accuracy)
            )
    return bins


def expected_calibration_error(probabilities: Probabilities, labels: Labels) -> float:
    """Mean distance of confidence and accuracy over the reliability bins (Guo et al. 2017, arXiv:1706.04599)."""
    return sum(b.tiles * abs(b.confidence - b.accuracy) for b in reliability(probabilities, labels)) / len(labels)


def brier_score(probabilities: Probabilities, labels: Labels) -> float:
    """Mean squared distance to the true class's one-hot vector, summed over classes: 0 to 2 (Brier 1950)."""
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def figures(probabilities: Probabilities, labels: Labels, classes: Sequence[str]) -> dict[str, float]:
    """All figures by name; those of one class are named ``sensitivity:<class>`` and so on."""
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), len(classes))
    found = {
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        "nll": negative_log_likelihood(probabilities, labels),
        "ece": expected_calibration_error(probabilities, labels),
        "brier": brier_score(probabilities, labels),
    }
    for i, name in enumerate(classes):
        positives, predicted, hits = matrix[i].sum(), matrix[:, i].sum(), matrix[i, i]
        negatives = matrix.sum() - positives
        found[f"sensitivity:{name}"] = _share(hits, positives)
        found[f"specificity:{name}"] = _share(negatives - (predicted - hits), negatives)
        found[f"auc:{name}"] = area_under_curve(probabilities[:, i], labels == i)
    return found


def figures_with_intervals(
    probabilities: Probabilities,
    labels: Labels,
    groups: Groups,
    classes: Sequence[str],
    *,
    rounds: int = BOOTSTRAP_ROUNDS,
    seed: int = 0,
) -> dict[str, Figure]:
    """`figures` with intervals over `groups`, which may be source groups, patients or sites."""
    drawn = [
        figures(probabilities[chosen], labels[chosen], classes) for chosen in draws(groups, rounds=rounds, seed=seed)
    ]
    resting = _groups_behind(labels, groups, classes)
    return {
        name: with_ends(value, [one[name] for one in drawn], resting[name], is_share=name.partition(":")[0] in _SHARES)
        for name, value in figures(probabilities, labels, classes).items()
    }


def _groups_behind(labels: Labels, groups: Groups, classes: Sequence[str]) -> dict[str, int]:
    """How many groups each figure rests on: a class's on those with its tiles, with others', or the fewer of both."""
    found = dict.fromkeys(("accuracy", "nll", "ece", "brier"), count_groups(groups))
    for i, name in enumerate(classes):
        own, others = count_groups(groups[labels == i]), count_groups(groups[labels != i])
        found |= {f"sensitivity:{name}": own, f"specificity:{name}": others, f"auc:{name}": min(own, others)}
    return found


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")
