"""Kappas against scikit-learn's and statsmodels', McNemar's p against statsmodels', and cases known by hand."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as reference_fleiss

from classifier.evaluation.readers.agreement import cohen_kappa, fleiss_kappa, mcnemar_exact_p, weighted_kappa


def calls(seed, cases=80, readers=3, classes=3):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, cases)
    others = rng.integers(0, classes, (cases, readers))
    return np.where(rng.random((cases, readers)) < 0.6, truth[:, None], others)


def alone(count):
    return np.arange(count).astype(str)


@pytest.mark.parametrize("seed", range(5))
def test_kappas_equal_the_libraries(seed):
    found = calls(seed, readers=2 + seed)
    ours = cohen_kappa(found[:, 0], found[:, 1], 3, alone(80))
    assert ours.value == pytest.approx(cohen_kappa_score(found[:, 0], found[:, 1]))
    counts, _ = aggregate_raters(found, n_cat=3)
    assert fleiss_kappa(found, 3, alone(80)).value == pytest.approx(reference_fleiss(counts, method="fleiss"))


@pytest.mark.parametrize("seed", range(3))
def test_weighted_kappa_equals_the_librarys(seed):
    found = calls(seed, classes=4)
    ours = weighted_kappa(found[:, 0], found[:, 1], 4, alone(80))
    assert ours.value == pytest.approx(cohen_kappa_score(found[:, 0], found[:, 1], weights="quadratic"))
    assert ours.low < ours.value < ours.high


def test_kappas_of_printed_tables():
    """Cohen 1960 (table 1): two judges of 200 cases, 0.492. Fleiss' kappa of the table of 10 subjects and 14 raters
    that textbooks print: 0.210."""
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    first, second = (np.repeat(index.ravel(), table.ravel()) for index in np.indices((3, 3)))
    assert cohen_kappa(first, second, 3, alone(200)).value == pytest.approx(0.492, abs=5e-4)
    counts = "00 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2|6 5 2 1 0|0 2 2 3 7"
    rows = [np.repeat(np.arange(5), [int(n) for n in row.split()]) for row in counts.split("|")]
    assert fleiss_kappa(np.array(rows), 5, alone(10)).value == pytest.approx(0.210, abs=5e-4)


def test_fleiss_kappa_by_hand():
    """Two cases of which three raters agree on one and split 2:1 on the other."""
    found = fleiss_kappa(np.array([[0, 0, 0], [1, 1, 0]]), 2, alone(2))
    observed, chance = (1 + 1 / 3) / 2, (4 / 6) ** 2 + (2 / 6) ** 2
    assert found.value == pytest.approx((observed - chance) / (1 - chance))


def test_the_interval_is_that_of_drawing_cases_anew():
    found = calls(3)
    groups = np.repeat(alone(40), 2)
    ours = cohen_kappa(found[:, 0], found[:, 1], 3, groups)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(400):
        chosen = (rng.integers(0, 40, 40)[:, None] * 2 + [0, 1]).ravel()
        drawn.append(cohen_kappa_score(found[chosen, 0], found[chosen, 1]))
    assert [ours.low, ours.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.04)


def test_perfect_and_opposite_and_undefined():
    some = np.array([0, 1, 0, 1])
    assert cohen_kappa(some, some, 2, alone(4)).value == pytest.approx(1)
    assert cohen_kappa(some, 1 - some, 2, alone(4)).value == pytest.approx(-1)
    assert np.isnan(cohen_kappa(np.zeros(4, int), np.zeros(4, int), 2, alone(4)).value)
    assert np.isnan(fleiss_kappa(np.zeros((4, 3), int), 2, alone(4)).value)
    assert np.isnan(fleiss_kappa(np.zeros((4, 1), int), 2, alone(4)).value)
    assert np.isnan(fleiss_kappa(np.zeros((0, 3), int), 2, alone(0)).value)
    assert np.isnan(cohen_kappa(np.zeros(0, int), np.zeros(0, int), 2, alone(0)).value)


@pytest.mark.parametrize(("first", "second"), [(1, 5), (11, 5), (7, 0), (0, 1), (30, 31)])
def test_mcnemars_p_equals_statsmodels(first, second):
    table = [[10, first], [second, 10]]
    assert mcnemar_exact_p(first, second) == pytest.approx(min(1.0, mcnemar(table, exact=True).pvalue))


def test_no_disagreement_is_no_evidence():
    assert mcnemar_exact_p(0, 0) == 1.0
