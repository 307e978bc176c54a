"""ROC curves against scikit-learn's, and that thinning loses no more than it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from classifier.evaluation.curves.roc import MAX_POINTS, roc_curves, roc_points, thinned
from classifier.evaluation.metrics import area_under_curve


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60))
def test_points_equal_scikit_learns_with_ties(pairs):
    scores = np.array([score for score, _ in pairs], float)
    positive = np.array([is_positive for _, is_positive in pairs])
    x, y = roc_points(scores, positive)
    if positive.all() or not positive.any():
        assert len(x) == len(y) == 0
        return
    theirs_x, theirs_y, _ = reference.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(x, theirs_x)
    np.testing.assert_allclose(y, theirs_y)


def test_thinning_keeps_the_ends_and_nearly_the_area():
    rng = np.random.default_rng(0)
    positive = rng.random(5000) < 0.4
    scores = rng.normal(size=5000) + positive
    x, y = thinned(*roc_points(scores, positive))
    assert len(x) <= MAX_POINTS and (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all()
    assert np.trapezoid(y, x) == pytest.approx(area_under_curve(scores, positive), abs=0.003)


def test_few_points_lose_nothing():
    positive = np.array([True, True, False, True, False, False])
    x, y = thinned(*roc_points(np.arange(6.0)[::-1], positive))
    np.testing.assert_allclose(x, [0, 0, 1 / 3, 1 / 3, 1])
    np.testing.assert_allclose(y, [0, 2 / 3, 2 / 3, 1, 1])


def test_the_models_own_calls_are_a_point():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]])
    first, second = roc_curves(probabilities, np.array([0, 0, 1, 1]), ("a", "b"))
    assert (first.called_false_positive_rate, first.called_sensitivity) == (0.0, 0.5)
    assert (second.called_false_positive_rate, second.called_sensitivity) == (0.5, 1.0)


def test_a_class_without_tiles_has_no_curve():
    probabilities = np.array([[0.9, 0.05, 0.05], [0.4, 0.5, 0.1]])
    curves = roc_curves(probabilities, np.array([0, 1]), ("a", "b", "c"))
    assert curves[2].sensitivity == () and np.isnan(curves[2].called_sensitivity)
