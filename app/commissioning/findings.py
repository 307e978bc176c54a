"""The figures of a proof, from what became of its slides. Reads nothing, writes nothing.

Sensitivity and specificity are of the slides that were judged; those `of_all` count a slide without a call as wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aggregate.result import UNDETERMINED, SlideStatus
from app.commissioning.calibration import CalibrationStudy, CoverageStudy, study_meaning
from app.commissioning.given.criteria import Criterion
from app.commissioning.opinions import opinion_figures
from app.commissioning.outcomes import Outcome, among, patients, probability_table
from classifier.evaluation.curves.areas import area_by_bootstrap, area_by_delong
from classifier.evaluation.curves.decision_curve import NetBenefit, decision_curve
from classifier.evaluation.curves.roc import roc_points, thinned
from classifier.evaluation.intervals import Figure, count_groups, share_with_interval
from classifier.evaluation.readers.agreement import cohen_kappa
from classifier.evaluation.subgroups import BinaryCases, Subgroup, subgroup_table

LEVELS = (0.9, 0.95)
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FAILED = "failed"


@dataclass(frozen=True)
class Findings:
    """`figures` by their names (`criteria.FIGURES`). `confusion`: a row a label, a column a call, then undetermined and
    failed. `roc`: false positive rate and sensitivity. `reasons` counts slides by reason to look again, `errors` by
    code; `seconds` is of each slide done."""

    figures: Mapping[str, Figure]
    confusion: tuple[tuple[int, ...], ...]
    subgroups: tuple[Subgroup, ...]
    calibration: CalibrationStudy
    coverage: tuple[CoverageStudy, ...]
    net_benefit: tuple[NetBenefit, ...]
    roc: tuple[tuple[float, float], ...]
    reasons: Mapping[str, int]
    errors: Mapping[str, int]
    seconds: tuple[float, ...]

    def asked(self, criterion: Criterion) -> Mapping[str, float] | None:
        """Value and ends of what a criterion asks of; None where there is no such figure."""
        if criterion.scanner or criterion.stain:
            found = self._of_subgroup(criterion)
        else:
            found = self.figures.get(criterion.figure)
        return None if found is None else {"value": found.value, "low": found.low, "high": found.high}

    def _of_subgroup(self, criterion: Criterion) -> Figure | None:
        kind, name = ("scanner", criterion.scanner) if criterion.scanner else ("stain", criterion.stain)
        row = next((one for one in self.subgroups if (one.kind, one.name) == (kind, name)), None)
        if row is None:
            return None
        counts = {"slides": row.listed, "positives": row.positives}
        if criterion.figure in counts:
            return Figure(float(counts[criterion.figure]))
        return {"sensitivity": row.sensitivity, "specificity": row.specificity, "auc": row.auc}[criterion.figure]


def find(outcomes: Sequence[Outcome], classes: Sequence[str], positive: Sequence[str]) -> Findings:
    """All figures; `positive` are the classes that count as what is looked for."""
    judged = [one for one in outcomes if one.judged]
    table = probability_table(judged, classes)
    labels = np.array([classes.index(one.label) for one in judged], np.int64)
    whose = patients(judged)
    cases = _cases(judged, table, classes, positive)
    calibration, coverage = study_meaning(table, labels, whose, classes, LEVELS)
    done = [one for one in outcomes if one.status is not SlideStatus.FAILED]
    return Findings(
        figures={
            **_counts(outcomes, positive),
            **_agreement(judged, outcomes, classes),
            **_binary(cases, outcomes, positive),
            **_by_class(judged, classes),
            **_fates(outcomes),
            **_meaning(calibration, coverage),
            **_times(done),
            **opinion_figures(outcomes, classes, positive),
        },
        confusion=_confusion(outcomes, classes),
        subgroups=tuple(row for kind in ("scanner", "stain") for row in _subgroups(kind, outcomes, cases)),
        calibration=calibration,
        coverage=coverage,
        net_benefit=decision_curve(cases.scores, cases.positive, THRESHOLDS) if judged else (),
        roc=_roc(cases),
        reasons=dict(Counter(reason for one in outcomes for reason in one.reasons).most_common()),
        errors=dict(Counter(one.error_code for one in outcomes if one.error_code).most_common()),
        seconds=tuple(one.seconds for one in done if np.isfinite(one.seconds)),
    )


def _cases(
    judged: Sequence[Outcome], table: NDArray[np.float64], classes: Sequence[str], positive: Sequence[str]
) -> BinaryCases:
    columns = [i for i, name in enumerate(classes) if name in positive]
    return BinaryCases(
        scores=table[:, columns].sum(axis=1),
        called=among(judged, positive, "call"),
        positive=among(judged, positive, "label"),
        patients=patients(judged),
    )


def _subgroups(kind: str, outcomes: Sequence[Outcome], cases: BinaryCases) -> tuple[Subgroup, ...]:
    """Those without a slide that was judged are told too: a scanner of which every slide is refused."""
    judged = [getattr(one, kind) for one in outcomes if one.judged]
    return subgroup_table(kind, judged, cases, listed=[getattr(one, kind) for one in outcomes])


def _roc(cases: BinaryCases) -> tuple[tuple[float, float], ...]:
    x, y = thinned(*roc_points(cases.scores, cases.positive))
    return tuple(zip(np.round(x, 5).tolist(), np.round(y, 5).tolist(), strict=True))


def _counts(outcomes: Sequence[Outcome], positive: Sequence[str]) -> dict[str, Figure]:
    found = int(among(outcomes, positive, "label").sum())
    counts = {
        "slides": len(outcomes),
        "patients": count_groups(patients(outcomes)),
        "positives": found,
        "negatives": len(outcomes) - found,
    }
    return {name: Figure(float(count)) for name, count in counts.items()}


def _agreement(judged: Sequence[Outcome], outcomes: Sequence[Outcome], classes: Sequence[str]) -> dict[str, Figure]:
    call, label = (np.array([classes.index(getattr(one, of)) for one in judged], np.int64) for of in ("call", "label"))
    whose = patients(judged)
    return {
        "agreement": share_with_interval(call == label, whose),
        "agreement_of_all": share_with_interval(_right(outcomes), patients(outcomes)),
        "kappa": cohen_kappa(call, label, len(classes), whose) if judged else Figure(float("nan")),
    }


def _right(outcomes: Sequence[Outcome]) -> NDArray[np.bool_]:
    return np.array([one.judged and one.call == one.label for one in outcomes], np.bool_)


def _binary(cases: BinaryCases, outcomes: Sequence[Outcome], positive: Sequence[str]) -> dict[str, Figure]:
    whose, is_positive = patients(outcomes), among(outcomes, positive, "label")
    judged = np.array([one.judged for one in outcomes], np.bool_)
    right = judged & (among(outcomes, positive, "call") == is_positive)
    found = {
        "sensitivity": cases.sensitivity,
        "specificity": cases.specificity,
        "sensitivity_of_all": share_with_interval(right, whose, is_positive),
        "specificity_of_all": share_with_interval(right, whose, ~is_positive),
    }
    if not len(cases.scores):
        return found
    return {
        **found,
        "auc": area_by_delong(cases.scores, cases.positive, cases.patients),
        "auc_bootstrap": area_by_bootstrap(cases.scores, cases.positive, cases.patients),
    }


def _by_class(judged: Sequence[Outcome], classes: Sequence[str]) -> dict[str, Figure]:
    whose, figures = patients(judged), {}
    for name in classes:
        called, is_it = among(judged, [name], "call"), among(judged, [name], "label")
        figures[f"sensitivity:{name}"] = share_with_interval(called, whose, is_it)
        figures[f"specificity:{name}"] = share_with_interval(~called, whose, ~is_it)
    return figures


def _fates(outcomes: Sequence[Outcome]) -> dict[str, Figure]:
    failed = np.array([one.status is SlideStatus.FAILED for one in outcomes], np.bool_)
    judged = np.array([one.judged for one in outcomes], np.bool_)
    review = np.array([one.status is SlideStatus.REVIEW for one in outcomes], np.bool_)
    shares = {"refused_share": ~judged & ~failed, "failed_share": failed, "review_share": review}
    return {name: share_with_interval(hits, patients(outcomes)) for name, hits in shares.items()}


def _meaning(calibration: CalibrationStudy, coverage: Sequence[CoverageStudy]) -> dict[str, Figure]:
    told = {
        "ece": calibration.ece,
        "brier": calibration.brier,
        "ece_calibrated": calibration.ece_after,
        "brier_calibrated": calibration.brier_after,
    }
    return told | {f"coverage_{round(100 * one.level)}": one.coverage for one in coverage}


def _times(done: Sequence[Outcome]) -> dict[str, Figure]:
    seconds = [one.seconds for one in done if np.isfinite(one.seconds)]
    if not seconds:
        return {}
    return {"median_seconds": Figure(float(np.median(seconds))), "longest_seconds": Figure(max(seconds))}


def _confusion(outcomes: Sequence[Outcome], classes: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    columns = (*classes, UNDETERMINED, FAILED)
    counts = Counter((one.label, _column(one)) for one in outcomes)
    return tuple(tuple(counts[label, column] for column in columns) for label in classes)


def _column(one: Outcome) -> str:
    if one.status is SlideStatus.FAILED:
        return FAILED
    return one.call if one.judged else UNDETERMINED
