"""Obuchowski and Rockette against the figures that are published for Van Dyke's study of aortic dissection.

Van Dyke et al. 1993: 114 patients (45 with dissection), five readers, cine against spin-echo MRI. The figures are those
that MRMCaov prints for them (Smith and Hillis 2020, doi 10.1117/12.2549075; its R vignette). The readers' sensitivities
are shares of 45, so that its table holds them exactly.
"""

import numpy as np
import pytest
from scipy import stats

from classifier.evaluation.curves.areas import compare_areas, delong_areas
from classifier.evaluation.readers.mrmc import obuchowski_rockette, study_areas

SENSITIVITIES = np.array([[40, 35, 37, 42, 31], [44, 37, 41, 45, 40]]) / 45
# Of empirical areas, to eight digits; MRMCaov's mean squares follow from them.
AREAS = np.array(
    [
        [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
        [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
    ]
)


def covariance(error, cov1, cov2, cov3, of_way=None):
    """(2, 5, 2, 5) of equal terms; `of_way`: the covariance of two readers in each way, with `cov2` as their mean."""
    ways, readers = np.arange(2)[:, None, None, None], np.arange(5)[None, :, None, None]
    other_ways, other_readers = np.arange(2)[None, None, :, None], np.arange(5)[None, None, None, :]
    in_way = np.array(of_way or (cov2, cov2))[ways]
    same_way, same_reader = ways == other_ways, readers == other_readers
    return np.where(same_way, np.where(same_reader, error, in_way), np.where(same_reader, cov1, cov3))


def test_sensitivity_of_the_published_study():
    found = obuchowski_rockette(
        SENSITIVITIES,
        covariance(0.0023681257, 0.0009943883, 0.0010145903, 0.0006604938, of_way=(0.001646465, 0.000382716)),
    )
    assert (found.f, found.df1, found.df2) == pytest.approx((6.689493, 1, 15.71732), rel=1e-6)
    assert found.p == pytest.approx(0.02008822, rel=1e-6)
    [(first, second, difference)] = found.differences
    assert (first, second) == (0, 1)
    expected = (-0.09777778, -0.1780371, -0.0175185)
    assert (difference.value, difference.low, difference.high) == pytest.approx(expected, rel=2e-6)
    assert found.reader_variance == pytest.approx(0.0049747475, rel=1e-6)
    assert found.way_by_reader_variance == pytest.approx(0.0007828283, rel=1e-6)
    cine, spin_echo = found.means
    assert (cine.value, cine.low, cine.high) == pytest.approx((0.8222222, 0.6961876, 0.9482568), rel=1e-6)
    assert (spin_echo.value, spin_echo.low, spin_echo.high) == pytest.approx((0.92, 0.8328691, 1.0), rel=1e-6)


def test_area_of_the_published_study():
    """With DeLong's covariances."""
    terms = (0.0007921325, 0.0003420090, 0.0003395265, 0.0002358497)
    found = obuchowski_rockette(AREAS, covariance(*terms, of_way=(0.0004775239, 0.0002015292)))
    assert (found.f, found.df2, found.p) == pytest.approx((4.484854, 15.06611, 0.05123303), rel=1e-5)
    [(_, _, difference)] = found.differences
    expected = (-0.04380032, -0.0878671960, 0.0002665519)
    assert (difference.value, difference.low, difference.high) == pytest.approx(expected, rel=1e-4)
    assert found.reader_variance == pytest.approx(0.0015364254, rel=1e-5)
    assert found.way_by_reader_variance == pytest.approx(0.0002045840, rel=1e-5)
    assert [(one.low, one.high) for one in found.means] == [
        pytest.approx((0.8253461, 0.9687280), rel=1e-6),
        pytest.approx((0.8942155, 0.9874592), rel=1e-6),
    ]


def ratings(seed, ways=2, readers=4, cases=80, better=0.0):
    rng = np.random.default_rng(seed)
    positive = np.arange(cases) < cases // 2
    truth = positive + rng.normal(size=cases) * 0.8
    skill = rng.normal(size=readers) * 0.2
    found = truth[None, None] + rng.normal(size=(ways, readers, cases)) + skill[None, :, None] * positive
    found[1:] += better * positive
    return found, positive


def test_the_terms_are_means_over_delongs_covariance():
    found, positive = ratings(1)
    study = study_areas(found, positive)
    areas, whole = delong_areas(found.reshape(8, -1), positive)
    assert study.terms.error == pytest.approx(np.diag(whole).mean())
    assert study.terms.cov1 == pytest.approx(np.mean([whole[i, i + 4] for i in range(4)]))
    assert study.terms.cov3 == pytest.approx(np.mean([whole[i, j + 4] for i in range(4) for j in range(4) if i != j]))
    assert [one.value for one in study.means] == pytest.approx([areas[:4].mean(), areas[4:].mean()])


def test_under_no_difference_p_is_small_as_seldom_as_it_says():
    small = sum(study_areas(*ratings(seed)).p < 0.05 for seed in range(300))
    assert small / 300 < 0.09


def test_a_difference_that_is_there_is_found():
    found = study_areas(*ratings(2, better=1.2))
    [(_, _, difference)] = found.differences
    assert found.p < 0.01 and difference.high < 0


def test_readers_who_are_all_alike_leave_only_the_cases():
    """Without any spread between readers it is DeLong's comparison of their common areas."""
    found, positive = ratings(3, readers=1, better=0.5)
    study = study_areas(np.repeat(found, 3, axis=1), positive)
    alone = compare_areas(found[0, 0], found[1, 0], positive)
    assert study.df2 == np.inf or study.df2 > 1e6
    assert study.p == pytest.approx(2 * stats.norm.sf(abs(alone.z)), rel=1e-3)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_one_way_or_one_reader_is_no_study(shape):
    with pytest.raises(ValueError):
        obuchowski_rockette(np.zeros(shape), np.zeros((*shape, *shape)))
