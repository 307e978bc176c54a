"""How good held-out predictions of slides are, calibrated and with sets, measured across patients. Arrays in,
figures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.slide_model.calibrate import fit_calibration
from aggregate.slide_model.conformal import LEVELS, fit_sets
from aggregate.slide_model.folds import patient_folds
from classifier.evaluation.metrics import area_under_curve, expected_calibration_error

_FOLDS = 5


@dataclass(frozen=True)
class Judged:
    """n slides: logits (n, c) by networks that did not see their patients, class indices (n,), patients, and sites
    where they are told (else empty)."""

    logits: NDArray[np.float64]
    labels: NDArray[np.int64]
    patients: Sequence[str]
    sites: Sequence[str] = ()

    def part(self, chosen: NDArray[np.bool_]) -> Judged:
        """The slides that `chosen` (n,) marks."""
        at = np.flatnonzero(chosen).tolist()
        sites = [self.sites[i] for i in at] if self.sites else []
        return Judged(self.logits[chosen], self.labels[chosen], [self.patients[i] for i in at], sites)


@dataclass(frozen=True)
class CrossJudged:
    """What calibration and sets fitted on other patients say: probabilities (n, c), and by level which classes are in
    the set, (n, c)."""

    probabilities: NDArray[np.float64]
    sets: dict[str, NDArray[np.bool_]]


def cross_judged(judged: Judged, seed: int = 0) -> CrossJudged:
    """Calibrates on four fifths of the patients and applies to the fifth, in turn."""
    folds = patient_folds(judged.labels, judged.patients, _FOLDS, seed)
    probabilities = np.zeros_like(judged.logits)
    sets = {f"{level:g}": np.zeros(judged.logits.shape, np.bool_) for level in LEVELS}
    for fold in range(_FOLDS):
        test = folds == fold
        if not test.any():
            continue
        known = judged.part(~test)
        calibration, _ = fit_calibration(known.logits, known.labels, known.patients, seed=seed)
        found = fit_sets(calibration.apply(known.logits), known.labels, known.patients, known.sites)
        probabilities[test] = calibration.apply(judged.logits[test])
        for level, bounds in found.bounds.items():
            sets[level][test] = probabilities[test] >= np.array([bound.from_p for bound in bounds])
    return CrossJudged(probabilities, sets)


def figures_of(judged: Judged, crossed: CrossJudged, classes: Sequence[str]) -> dict[str, Any]:
    """Discrimination of the logits, calibration before and after, coverage and size of the sets; JSON-ready."""
    before = np.exp(judged.logits - judged.logits.max(axis=1, keepdims=True))
    before /= before.sum(axis=1, keepdims=True)
    labels = judged.labels
    return {
        "slides": len(labels),
        "patients": len(set(judged.patients)),
        "auc": {name: round(area_under_curve(before[:, i], labels == i), 4) for i, name in enumerate(classes)},
        "balanced_accuracy": round(balanced_accuracy(crossed.probabilities, labels), 4),
        "ece_before": round(expected_calibration_error(before, labels), 4),
        "ece": round(expected_calibration_error(crossed.probabilities, labels), 4),
        "sets": {level: coverage_of(found, judged, classes) for level, found in crossed.sets.items()},
    }


def balanced_accuracy(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Mean over the classes that occur of the share of right calls; (n, c) and (n,)."""
    right = probabilities.argmax(axis=1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def coverage_of(found: NDArray[np.bool_], judged: Judged, classes: Sequence[str]) -> dict[str, Any]:
    """The share of slides whose set, a row of `found` (n, c), holds their class: by class and by site; mean size."""
    held = found[np.arange(len(judged.labels)), judged.labels]
    sites = np.array(judged.sites)
    return {
        "coverage": round(float(held.mean()), 4),
        "by_class": {
            name: round(float(held[judged.labels == i].mean()), 4)
            for i, name in enumerate(classes)
            if (judged.labels == i).any()
        },
        "by_site": {str(site): round(float(held[sites == site].mean()), 4) for site in np.unique(sites)},
        "mean_size": round(float(found.sum(axis=1).mean()), 4),
        "single": round(float((found.sum(axis=1) == 1).mean()), 4),
    }
