"""Familiarity: falls with distance, is half at the threshold, and the false-alarm rate is what was asked for."""

import numpy as np
import pytest

from classifier.familiarity import THRESHOLD, Familiarity, fit_familiarity
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
