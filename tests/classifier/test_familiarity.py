"""Familiarity: falls with distance, is half at the threshold, and the false-alarm rate is what was asked for."""

import numpy as np
import pytest

from classifier.familiarity import THRESHOLD, Alignment, Familiarity, fit_familiarity, fit_slide_distance
from wsi.errors import ModelError


def tissue(n, seed, spread=1.0):
    """Two classes, features of very unequal scale, correlated, the last one always zero."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    mixing = np.array([[10.0, 0, 0, 0], [5.0, 1, 0, 0], [0, 0, 0.1, 0]])
    return (rng.normal(0, spread, (n, 3)) + 6 * labels[:, None]) @ mixing, labels


@pytest.fixture(scope="module")
def fitted():
    features, labels = tissue(4000, 0)
    return fit_familiarity(features, labels, tissue(2000, 1)[0], false_alarm_rate=0.02)


def test_the_false_alarm_rate_holds_on_new_tissue(fitted):
    assert (fitted.of(tissue(5000, 2)[0]) < THRESHOLD).mean() == pytest.approx(0.02, abs=0.01)


def test_foreign_features_are_told(fitted):
    between = np.full((1, 4), 0.0) + tissue(4000, 0)[0].mean(axis=0)
    far = np.array([[1000.0, 0, 0, 0], [0, 0, 0, 50.0], [-60, -60, -5, 0]])
    assert (fitted.of(np.concatenate([between, far])) < THRESHOLD).all()


def test_familiarity_falls_with_distance_and_is_half_at_the_threshold(fitted):
    direction = np.linalg.inv(fitted.whitening)[0]
    centre = fitted.centres[0] @ np.linalg.inv(fitted.whitening)
    steps = np.array([0.0, 0.5, 1.0, 2.0, 10.0]) * np.sqrt(fitted.threshold_distance)
    found = fitted.of(centre - steps[:, None] * direction)
    assert (np.diff(found) < 0).all()
    assert found[0] == pytest.approx(1.0, abs=1e-3) and found[2] == pytest.approx(0.5, abs=1e-2)


def test_features_that_are_not_finite_are_not_familiar(fitted):
    assert fitted.of(np.array([[np.nan] * 4, [np.inf] * 4, [1e38] * 4])).tolist() == [0.0, 0.0, 0.0]


def test_what_is_off_in_one_way_is_the_slide_and_what_is_off_in_many_is_tissue(fitted):
    known, offset = tissue(300, 4)[0], np.array([40.0, 6.0, 0.6, 0.0])
    assert fitted.unlike(known) < 0.3
    assert (fitted.of(known + offset) < THRESHOLD).mean() > 0.9 and fitted.unlike(known + offset) > 1.0
    # A third of the tiles is of a tissue that nobody taught: refused, and the slide is none the worse.
    mixed = np.concatenate([known[:200], known[200:] + offset])
    assert (fitted.of(mixed) < THRESHOLD).mean() > 0.3 and fitted.unlike(mixed) < 1.0


def test_a_slide_of_few_tiles_and_odd_features_is_not_judged(fitted):
    known = tissue(30, 4)[0]
    assert np.isnan(fitted.unlike(known[:8])) and np.isfinite(fitted.unlike(known[:9]))
    assert fitted.unlike(np.concatenate([known, np.full((5, 4), np.nan)])) == pytest.approx(fitted.unlike(known))
    assert np.isnan(fitted.unlike(np.full((50, 4), np.inf))) and np.isnan(fitted.unlike(known[:0]))


def test_the_distance_of_a_slide_is_that_of_the_sources(fitted):
    features, sources = tissue(1000, 5)[0], np.repeat(np.arange(50), 20)
    found = fit_slide_distance(fitted, features, sources, 0.02)
    assert 0.0 < found < fitted.threshold_distance  # the mean of twenty tiles lies closer than each
    assert fit_slide_distance(fitted, features[:380], sources[:380], 0.02) is None  # 19 sources
    assert fit_slide_distance(fitted, features, np.arange(1000), 0.02) is None  # a tile each


def test_an_alignment_takes_a_shift_away_and_refuses_nothing_that_was_known(fitted):
    features, offset = tissue(500, 6)[0], np.array([40.0, 6.0, 0.6, 0.0])
    shift = (offset @ fitted.whitening).astype(np.float32)
    aligned = fitted.aligned(Alignment(shift, fitted.threshold_distance))
    assert (fitted.of(features + offset) < THRESHOLD).mean() > 0.9
    assert (aligned.of(features + offset) < THRESHOLD).mean() < 0.05 and aligned.unlike(features + offset) < 0.3
    assert aligned.only_aligned(features + offset).mean() > 0.9 and not aligned.only_aligned(features).any()
    assert not fitted.only_aligned(features + offset).any()
    assert (aligned.of(features) >= fitted.of(features)).all() and aligned.unlike(features) <= fitted.unlike(features)
    with pytest.raises(ModelError):
        fitted.aligned(Alignment(shift[:3], 1.0))


def test_a_slide_distance_is_optional_and_checked(fitted):
    arrays = {**fitted.to_arrays(), "slide_distance": np.array(3.0, np.float32)}
    again = Familiarity.from_arrays(arrays, classes=2, features=4)
    assert again.slide_distance == 3.0 and set(again.to_arrays()) == set(arrays)
    for broken in (np.array(0.0, np.float32), np.array([1.0], np.float32), np.array(np.nan, np.float32)):
        with pytest.raises(ModelError):
            Familiarity.from_arrays({**arrays, "slide_distance": broken}, classes=2, features=4)


def test_arrays_survive_a_round_trip_and_must_fit(fitted):
    arrays = fitted.to_arrays()
    again = Familiarity.from_arrays(arrays, classes=2, features=4)
    features = tissue(50, 3)[0]
    np.testing.assert_allclose(again.of(features), fitted.of(features), rtol=1e-5)
    for broken in (
        {**arrays, "centres": arrays["centres"][:1]},
        {**arrays, "whitening": arrays["whitening"] * np.nan},
        {**arrays, "threshold_distance": np.array(0.0, np.float32)},
        {"centres": arrays["centres"]},
    ):
        with pytest.raises(ModelError):
            Familiarity.from_arrays(broken, classes=2, features=4)
