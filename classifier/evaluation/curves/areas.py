"""How sure an area under the ROC curve is, and whether two of them on the same cases differ: DeLong, and patients drawn
anew. Arrays in, figures out.

DeLong, DeLong and Clarke-Pearson 1988 (doi 10.2307/2531595) take cases to be independent. Several slides of one patient
are not: their components are summed by patient, as Obuchowski 1997 does (doi 10.2307/2533958). With one case a patient
both give the same. The mid-ranks are those of Sun and Xu 2014 (doi 10.1109/LSP.2014.2337313).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from classifier.evaluation.intervals import INTERVAL, MIN_GROUPS, Figure, Groups, count_groups, draws, with_ends
from classifier.evaluation.metrics import area_under_curve

_NORMAL = NormalDist()
_NO_SPREAD = 1e-15


@dataclass(frozen=True)
class AreaTest:
    """The `difference` of two areas (first minus second), its z and two-sided p; NaN where nothing spreads."""

    difference: Figure
    z: float
    p: float


def delong_areas(
    scores: NDArray[np.floating], positive: NDArray[np.bool_], groups: Groups | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k,) areas and their (k, k) covariance, from `scores` (k, n) of k tests on the same n cases, of which `positive`
    (n,) have what is looked for. `groups` (n,): the patient of each case; without, each case is one.

    NaN throughout where either kind has fewer than two groups.
    """
    tests, hits, misses = len(scores), int(positive.sum()), int((~positive).sum())
    names = np.arange(len(positive)).astype(str) if groups is None else groups
    if min(count_groups(names[positive]), count_groups(names[~positive])) < 2:
        return np.full(tests, np.nan), np.full((tests, tests), np.nan)
    of_hits, of_misses = _components(np.asarray(scores, np.float64), positive)
    areas = of_hits.mean(axis=1)
    member = np.unique(names, return_inverse=True)[1]
    by_hits = _summed(of_hits - areas[:, None], member, positive)
    by_misses = _summed(of_misses - areas[:, None], member, ~positive)
    across = _spread(by_hits, by_misses, count_groups(names)) / (hits * misses)
    return areas, (
        _spread(by_hits, by_hits, count_groups(names[positive])) / hits**2
        + _spread(by_misses, by_misses, count_groups(names[~positive])) / misses**2
        + across
        + across.T
    )


def area_by_delong(scores: NDArray[np.floating], positive: NDArray[np.bool_], groups: Groups) -> Figure:
    """The area of `scores` (n,) against `positive` (n,) with DeLong's 95% interval, cut off at 0 and 1. None is told
    from fewer than 10 patients (`groups`), nor of an area that nothing spreads (0 or 1)."""
    [area], [[variance]] = delong_areas(scores[None], positive, groups)
    resting = count_groups(groups)
    if math.isnan(area):
        return Figure(area_under_curve(scores, positive), groups=resting)
    if resting < MIN_GROUPS or variance < _NO_SPREAD:
        return Figure(float(area), groups=resting)
    reach = _reach() * math.sqrt(variance)
    return Figure(float(area), max(0.0, float(area) - reach), min(1.0, float(area) + reach), resting)


def area_by_bootstrap(scores: NDArray[np.floating], positive: NDArray[np.bool_], groups: Groups) -> Figure:
    """The same area with the 95% interval of patients (`groups`) drawn anew, each with all its cases."""
    drawn = [area_under_curve(scores[chosen], positive[chosen]) for chosen in draws(groups)]
    return with_ends(area_under_curve(scores, positive), drawn, count_groups(groups), is_share=False)


def compare_areas(
    first: NDArray[np.floating], second: NDArray[np.floating], positive: NDArray[np.bool_], groups: Groups | None = None
) -> AreaTest:
    """DeLong's test of two correlated areas: `first` and `second` (n,) are scores of the same cases."""
    areas, covariance = delong_areas(np.stack([first, second]), positive, groups)
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    resting = len(positive) if groups is None else count_groups(groups)
    if math.isnan(variance) or variance < _NO_SPREAD:
        return AreaTest(Figure(difference, groups=resting), math.nan, math.nan)
    z, reach = difference / math.sqrt(variance), _reach() * math.sqrt(variance)
    p = 2 * _NORMAL.cdf(-abs(z))
    return AreaTest(Figure(difference, difference - reach, difference + reach, resting), z, p)


def _components(
    scores: NDArray[np.float64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k, hits) share of negatives that each positive stands above, and (k, misses) share of positives above each
    negative; ties count half."""
    ranks = rankdata(scores, axis=1)
    among_hits, among_misses = rankdata(scores[:, positive], axis=1), rankdata(scores[:, ~positive], axis=1)
    hits, misses = among_hits.shape[1], among_misses.shape[1]
    return (ranks[:, positive] - among_hits) / misses, 1 - (ranks[:, ~positive] - among_misses) / hits


def _summed(components: NDArray[np.float64], member: NDArray[np.intp], among: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(k, groups) sums of `components` (k, m) of the cases that `among` (n,) marks."""
    sums = np.zeros((len(components), int(member.max()) + 1))
    np.add.at(sums.T, member[among], components.T)
    return sums


def _spread(one: NDArray[np.float64], other: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    return groups / (groups - 1) * (one @ other.T)


def _reach() -> float:
    return _NORMAL.inv_cdf((1 + INTERVAL) / 2)
