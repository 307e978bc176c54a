"""Figures and criteria of a dossier as words: one rounding each, the same wherever they stand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from app.presentation.figures import MISSING, decimal_share, duration, ends
from app.presentation.words import class_title
from classifier.evaluation.intervals import Figure

FIGURE_NAMES = {
    "agreement": "Agreement with the labels",
    "agreement_of_all": "Agreement, of all",
    "kappa": "Cohen's kappa with the labels",
    "sensitivity": "Sensitivity",
    "sensitivity_of_all": "Sensitivity, of all",
    "specificity": "Specificity",
    "specificity_of_all": "Specificity, of all",
    "auc": "Area under the ROC curve (DeLong)",
    "auc_bootstrap": "The same, patients drawn anew",
    "refused_share": "Slides without a call",
    "failed_share": "Slides that failed",
    "review_share": "Slides to look at again",
    "median_seconds": "Time a slide, median",
    "longest_seconds": "Time a slide, longest",
    "slide_model_agreement": "Slide model: agreement with the labels",
    "slide_model_sensitivity": "Slide model: sensitivity",
    "slide_model_specificity": "Slide model: specificity",
    "slide_model_auc": "Slide model: area under the curve",
    "slide_model_auc_minus_rule": "Slide model: area minus that of the rule",
    "slide_model_refused_share": "Slide model: slides without a call",
    "slide_model_coverage_95": "Slide model: sets at 95% hold the label in",
}
_MORE_NAMES = {
    "slides": "Slides",
    "patients": "Patients",
    "positives": "Slides with what is looked for",
    "negatives": "Slides without it",
    "ece": "Expected calibration error",
    "brier": "Brier score",
    "ece_calibrated": "Expected calibration error, calibrated",
    "brier_calibrated": "Brier score, calibrated",
    "coverage_90": "Sets at 90%: hold the truth in",
    "coverage_95": "Sets at 95%: hold the truth in",
}
_COUNTS = frozenset({"slides", "patients", "positives", "negatives"})
_TIMES = frozenset({"median_seconds", "longest_seconds"})
_PLAIN = frozenset(
    {
        *("kappa", "auc", "auc_bootstrap", "ece", "brier", "ece_calibrated", "brier_calibrated", "difference"),
        *("slide_model_auc", "slide_model_auc_minus_rule"),
    }
)
_ENDS = {"value": "", "low": ", lower end", "high": ", upper end"}


def figure(name: str, told: Mapping[str, float | None] | None) -> str:
    """A figure with its interval, or why it has none."""
    found = Figure.from_dict(told) if told else Figure(math.nan)
    if math.isnan(found.value):
        return MISSING
    if name in _COUNTS | _TIMES:
        return in_words(name, found.value)
    words = str(found) if name.partition(":")[0] in _PLAIN else f"{decimal_share(found.value)}, {ends(found)}"
    return words.replace("group", "patient")  # here intervals are always over patients


def asked(criterion: Mapping[str, Any]) -> str:
    """A criterion as a sentence: ``Sensitivity, lower end, scanner GT450: at least 80.0%``."""
    name, of = criterion["figure"].partition(":")[::2]
    known = (FIGURE_NAMES | _MORE_NAMES)[name]
    parts = [f"{known}{f' of {class_title(of)}' if of else ''}{_ENDS[criterion['end']]}"]
    parts += [f"{kind} {criterion[kind]}" for kind in ("scanner", "stain") if criterion[kind]]
    limits = [
        f"{words} {in_words(name, criterion[key])}"
        for key, words in (("at_least", "at least"), ("at_most", "at most"))
        if criterion[key] is not None
    ]
    return f"{', '.join(parts)}: {' and '.join(limits)}"


def in_words(name: str, value: float | None) -> str:
    """One number of the figure `name`."""
    if value is None or math.isnan(value):
        return MISSING
    if name in _COUNTS:
        return f"{value:.0f}"
    if name in _TIMES:
        return duration(value)
    return f"{value:.3f}" if name.partition(":")[0] in _PLAIN else decimal_share(value)


def number(value: float | None) -> str:
    return MISSING if value is None or math.isnan(value) else f"{value:.3g}"


def seconds(value: float | None) -> str:
    return MISSING if value is None or math.isnan(value) else duration(value)
