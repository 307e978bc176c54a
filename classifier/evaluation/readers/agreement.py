"""Agreement of people and models on the same cases: kappas and McNemar's test. Arrays in, numbers out.

Written here rather than taken from scikit-learn and statsmodels because the bootstrap needs each kappa as a function of
counts, a thousand draws at once; the tests hold both to those libraries' figures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classifier.evaluation.intervals import Figure, Groups, figure_of


def cohen_kappa(first: NDArray[np.integer], second: NDArray[np.integer], classes: int, groups: Groups) -> Figure:
    """Cohen's kappa (1960, doi 10.1177/001316446002000104) of two raters' class indices (n,), unweighted.

    NaN where chance alone would make them agree always (both gave one and the same class throughout), or n is 0.
    """
    one_hot = np.eye(classes)
    columns = np.column_stack([one_hot[first], one_hot[second], first == second])

    def of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        cases = sums[:, :classes].sum(axis=1)
        by_chance = (sums[:, :classes] * sums[:, classes:-1]).sum(axis=1) / cases**2
        return _beyond_chance(sums[:, -1] / cases, by_chance)

    return figure_of(columns, groups, of_sums)


def weighted_kappa(first: NDArray[np.integer], second: NDArray[np.integer], classes: int, groups: Groups) -> Figure:
    """Cohen's kappa (1968, doi 10.1037/h0026256) with quadratic weights, for classes that have an order: `first` and
    `second` (n,) are their numbers, and being two apart counts four times as much as being one apart.

    NaN as `cohen_kappa` gives it.
    """
    numbers = np.arange(classes, dtype=np.float64)
    apart = ((numbers[:, None] - numbers[None]) / max(classes - 1, 1)) ** 2
    one_hot = np.eye(classes)
    columns = np.column_stack([one_hot[first], one_hot[second], apart[first, second]])

    def of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        cases = sums[:, :classes].sum(axis=1)
        by_chance = np.einsum("mi,ij,mj->m", sums[:, :classes], apart, sums[:, classes:-1]) / cases**2
        return _beyond_chance(1 - sums[:, -1] / cases, 1 - by_chance)

    return figure_of(columns, groups, of_sums)


def fleiss_kappa(calls: NDArray[np.integer], classes: int, groups: Groups) -> Figure:
    """Fleiss' kappa (1971, doi 10.1037/h0031619) of `calls` (n, r), class indices of r raters on n cases.

    NaN where all gave one class throughout, or for fewer than two raters or no case.
    """
    raters = calls.shape[1]
    if raters < 2 or not len(calls):
        return Figure(float("nan"))
    counts = np.eye(classes)[calls].sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))
    columns = np.column_stack([counts, agreeing])

    def of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        cases = sums[:, :classes].sum(axis=1) / raters
        by_chance = ((sums[:, :classes] / (cases * raters)[:, None]) ** 2).sum(axis=1)
        return _beyond_chance(sums[:, classes] / cases, by_chance)

    return figure_of(columns, groups, of_sums)


def mcnemar_exact_p(only_first: int, only_second: int) -> float:
    """Two-sided exact p of McNemar's test (1947): the cases that only one of two raters got right, split so unevenly
    or more by a fair coin. 1 where there are none. It takes the cases to be independent."""
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def _beyond_chance(observed: NDArray[np.float64], by_chance: NDArray[np.float64]) -> NDArray[np.float64]:
    defined = by_chance < 1 - 1e-12
    return np.where(defined, (observed - by_chance) / np.where(defined, 1 - by_chance, 1.0), np.nan)
