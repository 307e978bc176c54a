"""What a slide model said beside the rule, on the slides of a proof: its own figures, and whether its area is another
than the rule's. Nothing where no slide model ran, or where its classes are not those of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from app.commissioning.outcomes import Outcome
from classifier.evaluation.curves.areas import area_by_delong, compare_areas
from classifier.evaluation.intervals import Figure, share_with_interval
from classifier.evaluation.subgroups import BinaryCases


def opinion_figures(outcomes: Sequence[Outcome], classes: Sequence[str], positive: Sequence[str]) -> dict[str, Figure]:
    """Figures by name (`criteria.FIGURES`); none where no slide has an opinion in the labels' classes."""
    asked = [(one, one.opinion) for one in outcomes if one.opinion]
    told = [(one, opinion) for one, opinion in asked if opinion.call in classes]
    if not told:
        return {}
    judged = [one for one, _ in told]
    patients = np.array([one.patient for one in judged], np.str_)
    cases = _cases(judged, positive)
    refused = np.array([opinion.call not in classes for _, opinion in asked], np.bool_)
    held = np.array([one.label in opinion.members for one, opinion in told], np.bool_)
    right = np.array([opinion.call == one.label for one, opinion in told], np.bool_)
    return {
        "slide_model_agreement": share_with_interval(right, patients),
        "slide_model_sensitivity": cases.sensitivity,
        "slide_model_specificity": cases.specificity,
        "slide_model_auc": area_by_delong(cases.scores, cases.positive, cases.patients),
        "slide_model_auc_minus_rule": _beside_rule(judged, positive),
        "slide_model_refused_share": share_with_interval(refused, np.array([one.patient for one, _ in asked], np.str_)),
        "slide_model_coverage_95": share_with_interval(held, patients),
    }


def _cases(judged: Sequence[Outcome], positive: Sequence[str]) -> BinaryCases:
    told = [one.opinion for one in judged if one.opinion]
    return BinaryCases(
        scores=np.array([_score(one.probabilities, positive) for one in told], np.float64),
        called=np.array([one.call in positive for one in told], np.bool_),
        positive=np.array([one.label in positive for one in judged], np.bool_),
        patients=np.array([one.patient for one in judged], np.str_),
    )


def _beside_rule(judged: Sequence[Outcome], positive: Sequence[str]) -> Figure:
    """The slide model's area minus the rule's, on slides that both judged."""
    both = [one for one in judged if one.judged]
    cases = _cases(both, positive)
    rule = np.array([_score(one.probabilities, positive) for one in both], np.float64)
    if len({*cases.positive.tolist()}) < 2:
        return Figure(float("nan"))
    return compare_areas(cases.scores, rule, cases.positive, cases.patients).difference


def _score(probabilities: Mapping[str, float], positive: Sequence[str]) -> float:
    return sum(probabilities.get(name, 0.0) for name in positive)
