"""Do the slides' probabilities mean what they say, would they after calibration on these slides, and how often does a
set of classes hold the truth. Arrays in, figures out.

What is fitted is fitted on other patients than those it is tried on (cross-validation by patient), by the functions
that slide models are calibrated with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aggregate.slide_model.calibrate import NONE, fit_calibration
from aggregate.slide_model.conformal import fit_sets, least_patients
from aggregate.slide_model.folds import patient_folds
from classifier.evaluation.intervals import (
    MIN_GROUPS,
    Figure,
    Groups,
    count_groups,
    draws,
    share_with_interval,
    with_ends,
)
from classifier.evaluation.metrics import brier_score, expected_calibration_error

FOLDS = 5
_LEAST = 1e-6
_NONE = Figure(float("nan"))


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
    """Sets that are to hold the true class in `level` of slides: the share that did (`coverage`), their mean size;
    `told` says for which classes that cannot be promised."""

    level: float
    coverage: Figure
    mean_size: float
    told: str


@dataclass(frozen=True)
class _HeldOut:
    """Of n slides, by what was fitted on other patients: probabilities (n, c), and who is in the set (levels, n, c)."""

    probabilities: NDArray[np.float64]
    members: NDArray[np.bool_]
    methods: tuple[str, ...]


def study_meaning(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    patients: Groups,
    classes: Sequence[str],
    levels: Sequence[float],
) -> tuple[CalibrationStudy, tuple[CoverageStudy, ...]]:
    """From `probabilities` (n, c) of judged slides, their true `labels` (n,) and `patients` (n,)."""
    if not len(labels):
        return CalibrationStudy(_NONE, _NONE, _NONE, _NONE, "No slide was judged."), ()
    ece, brier = _both(probabilities, labels, patients)
    if why := _too_few(labels, patients):
        return CalibrationStudy(ece, brier, _NONE, _NONE, f"Not calibrated on these slides: {why}."), ()
    held_out = _fit(probabilities, labels, patients, levels)
    after = _both(held_out.probabilities, labels, patients)
    sets = zip(levels, held_out.members, strict=True)
    return CalibrationStudy(ece, brier, *after, _words(held_out.methods)), tuple(
        _coverage(level, members, labels, patients, classes) for level, members in sets
    )


def _words(methods: tuple[str, ...]) -> str:
    how = "Fitted on four fifths of the patients and tried on the others, five times"
    if set(methods) == {NONE}:
        return f"{how}: no calibration was better than none by more than chance would have it."
    return f"{how} (method: {', '.join(methods)}). It changes nothing of what the tool tells."


def _too_few(labels: NDArray[np.int64], patients: Groups) -> str:
    of_class = [count_groups(patients[labels == label]) for label in np.unique(labels)]
    if count_groups(patients) < MIN_GROUPS:
        return f"under {MIN_GROUPS} patients"
    return "only one class was judged" if len(of_class) < 2 else ""


def _fit(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], patients: Groups, levels: Sequence[float]
) -> _HeldOut:
    scores = np.log(np.maximum(probabilities, _LEAST))
    of_fold = patient_folds(labels, patients.tolist(), FOLDS, seed=0)
    after, members = np.zeros_like(probabilities), np.zeros((len(levels), *probabilities.shape), np.bool_)
    methods = []
    for fold in np.unique(of_fold):
        tried = of_fold == fold
        known, whose = labels[~tried], patients[~tried].tolist()
        calibration, _ = fit_calibration(scores[~tried], known, whose)
        sets = fit_sets(calibration.apply(scores[~tried]), known, whose, levels=levels)
        after[tried] = calibration.apply(scores[tried])
        methods.append(calibration.method)
        for row in np.flatnonzero(tried):
            for at, chosen in enumerate(sets.sets_of(after[row].tolist()).values()):
                members[at, row, list(chosen)] = True
    return _HeldOut(after, members, tuple(sorted(set(methods))))


def _coverage(
    level: float, members: NDArray[np.bool_], labels: NDArray[np.int64], patients: Groups, classes: Sequence[str]
) -> CoverageStudy:
    held = members[np.arange(len(labels)), labels]
    # Four fifths of a class's patients are what a fold is fitted on.
    few = [name for i, name in enumerate(classes) if _fitted(patients[labels == i]) < least_patients(level)]
    told = f"cannot be promised for {', '.join(few)}: they are in every set" if few else ""
    return CoverageStudy(level, share_with_interval(held, patients), float(members.sum(axis=1).mean()), told)


def _fitted(patients: Groups) -> int:
    return count_groups(patients) * (FOLDS - 1) // FOLDS


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
