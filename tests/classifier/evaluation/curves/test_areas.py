"""DeLong against published figures of published data, against sums over pairs, and patients against single cases.

Hanley and McNeil 1982 (doi 10.1148/radiology.143.1.7063747, table I) print ratings of 109 images; Stata's manual gives
their area by `roctab`. The ovarian data of DeLong et al. 1988 and the figures are those of SAS/STAT's manual (LOGISTIC,
"Comparing Receiver Operating Characteristic Curves").
"""

import numpy as np
import pytest

from classifier.evaluation.curves.areas import area_by_bootstrap, area_by_delong, compare_areas, delong_areas
from classifier.evaluation.metrics import area_under_curve

NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
# albumin, total protein, K-G score, popind; a patient each
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


def alone(count):
    return np.arange(count).astype(str)


def hanley_and_mcneil():
    scores = np.concatenate([np.repeat(np.arange(5), NORMAL), np.repeat(np.arange(5), ABNORMAL)]).astype(float)
    return scores, np.repeat([False, True], [sum(NORMAL), sum(ABNORMAL)])


def ovarian():
    table = np.array(OVARIAN.split(), float).reshape(-1, 4)
    return table[:, 0], table[:, 1], 10 - table[:, 2], table[:, 3] == 1


def by_pairs(scores, positive):
    """Area and DeLong's variance, written out over all pairs."""
    pairs = scores[positive][:, None] - scores[~positive][None]
    wins = (pairs > 0) + 0.5 * (pairs == 0)
    return wins.mean(), wins.mean(axis=1).var(ddof=1) / len(wins) + wins.mean(axis=0).var(ddof=1) / wins.shape[1]


def test_the_figures_of_the_109_images():
    """Stata: area 0.8932, standard error 0.0307, 95% interval 0.83295 to 0.95339."""
    scores, positive = hanley_and_mcneil()
    [area], [[variance]] = delong_areas(scores[None], positive)
    assert (area, np.sqrt(variance)) == pytest.approx((0.8932, 0.0307), abs=5e-5)
    figure = area_by_delong(scores, positive, alone(109))
    assert (figure.low, figure.high) == pytest.approx((0.83295, 0.95339), abs=5e-6)


@pytest.mark.parametrize(("test", "area", "error"), [(0, 0.7366, 0.0927), (1, 0.6478, 0.1000), (2, 0.7258, 0.1028)])
def test_the_areas_of_the_ovarian_data(test, area, error):
    *scores, positive = ovarian()
    areas, covariance = delong_areas(np.stack(scores), positive)
    assert (areas[test], np.sqrt(covariance[test, test])) == pytest.approx((area, error), abs=5e-5)


def test_the_comparisons_of_the_ovarian_data():
    """SAS: albumin minus K-G 0.0108 (-0.1761 to 0.1976), p 0.9102; protein minus K-G -0.0780 (-0.2830 to 0.1271), p
    0.4561; all three alike: chi-square 2.5340 of two degrees of freedom."""
    albumin, protein, score, positive = ovarian()
    told = [
        (found.difference, found.p) for found in (compare_areas(one, score, positive) for one in (albumin, protein))
    ]
    values = [(figure.value, figure.low, figure.high, p) for figure, p in told]
    assert values[0] == pytest.approx((0.0108, -0.1761, 0.1976, 0.9102), abs=6e-5)
    assert values[1] == pytest.approx((-0.0780, -0.2830, 0.1271, 0.4561), abs=6e-5)
    areas, covariance = delong_areas(np.stack([albumin, protein, score]), positive)
    contrast = np.array([[1, 0, -1], [0, 1, -1]])
    apart = contrast @ areas
    assert apart @ np.linalg.solve(contrast @ covariance @ contrast.T, apart) == pytest.approx(2.5340, abs=5e-5)


@pytest.mark.parametrize("seed", range(4))
def test_mid_ranks_give_what_all_pairs_give(seed):
    rng = np.random.default_rng(seed)
    positive = rng.random(60) < 0.4
    scores = np.round(rng.normal(size=60) + positive, 1)  # with ties
    [area], [[variance]] = delong_areas(scores[None], positive)
    assert (area, variance) == pytest.approx(by_pairs(scores, positive))


def test_copies_of_a_patients_slide_make_an_area_no_surer():
    rng = np.random.default_rng(5)
    positive = np.arange(40) < 20
    scores = rng.normal(size=40) + positive
    once = area_by_delong(scores, positive, alone(40))
    thrice = area_by_delong(np.repeat(scores, 3), np.repeat(positive, 3), np.repeat(alone(40), 3))
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx((once.value, once.low, once.high), rel=1e-3)
    taken_as_single = area_by_delong(np.repeat(scores, 3), np.repeat(positive, 3), alone(120))
    assert taken_as_single.high - taken_as_single.low < 0.65 * (once.high - once.low)
    assert once.groups == thrice.groups == 40


def test_patients_with_both_kinds_of_slides_agree_with_the_bootstrap():
    rng = np.random.default_rng(6)
    patients = np.repeat(alone(80), 4)
    positive = np.tile([True, False], 160)
    scores = np.repeat(rng.normal(size=80), 4) + rng.normal(size=320) + positive
    told, drawn = area_by_delong(scores, positive, patients), area_by_bootstrap(scores, positive, patients)
    assert (told.low, told.high) == pytest.approx((drawn.low, drawn.high), abs=0.012)
    # Pairs within a patient share his level: taken as strangers, the slides would claim another interval.
    single = area_by_delong(scores, positive, alone(320))
    assert abs(single.high - single.low - (told.high - told.low)) > 0.005


def test_the_interval_holds_the_true_area_as_often_as_it_says():
    rng = np.random.default_rng(7)
    positive = np.arange(80) < 40
    true = 0.760250  # of two normal distributions one standard deviation apart
    held = 0
    for _ in range(400):
        figure = area_by_delong(rng.normal(size=80) + positive, positive, alone(80))
        held += figure.low <= true <= figure.high
    assert 0.92 <= held / 400 <= 0.98


def test_nothing_is_claimed_from_few_or_perfect_or_one_kind():
    positive = np.arange(12) % 2 == 0
    perfect = area_by_delong(positive.astype(float), positive, alone(12))
    assert perfect.value == 1.0 and np.isnan(perfect.low)
    few = area_by_delong(np.arange(8.0), np.arange(8) % 3 == 0, alone(8))
    assert few.value == pytest.approx(area_under_curve(np.arange(8.0), np.arange(8) % 3 == 0))
    assert few.doubt == "no interval: only 8 groups"
    assert np.isnan(area_by_delong(np.arange(12.0), np.ones(12, bool), alone(12)).value)
    same = compare_areas(np.arange(12.0), np.arange(12.0), positive)
    assert same.difference.value == 0 and np.isnan(same.p)
