"""Figures against scikit-learn's and against cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from classifier.evaluation.intervals import Figure
from classifier.evaluation.metrics import (
    area_under_curve,
    brier_score,
    confusion_matrix,
    expected_calibration_error,
    figures,
    figures_with_intervals,
    reliability,
)

CLASSES = ("a", "b", "c")


def predictions(seed, n=200):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    logits = rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[labels]
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("seed", range(3))
def test_figures_equal_scikit_learns(seed):
    probabilities, labels = predictions(seed)
    predicted = probabilities.argmax(axis=1)
    found = figures(probabilities, labels, CLASSES)
    np.testing.assert_array_equal(confusion_matrix(labels, predicted, 3), reference.confusion_matrix(labels, predicted))
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(labels, predicted))
    assert found["nll"] == pytest.approx(reference.log_loss(labels, probabilities))
    recalls = reference.recall_score(labels, predicted, average=None)
    for i, name in enumerate(CLASSES):
        assert found[f"sensitivity:{name}"] == pytest.approx(recalls[i])
        specificity = reference.recall_score(labels != i, predicted != i)
        assert found[f"specificity:{name}"] == pytest.approx(specificity)
        assert found[f"auc:{name}"] == pytest.approx(reference.roc_auc_score(labels == i, probabilities[:, i]))


def test_brier_is_the_sum_over_classes():
    probabilities, labels = predictions(5)
    one_by_one = sum(reference.brier_score_loss(labels == i, probabilities[:, i]) for i in range(3))
    assert brier_score(probabilities, labels) == pytest.approx(one_by_one)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40))
def test_area_under_curve_with_ties(pairs):
    scores = np.array([score for score, _ in pairs], float)
    positive = np.array([is_positive for _, is_positive in pairs])
    found = area_under_curve(scores, positive)
    if positive.all() or not positive.any():
        assert np.isnan(found)
    else:
        assert found == pytest.approx(reference.roc_auc_score(positive, scores))


def test_calibration_error_of_known_cases():
    right = np.array([[0.75, 0.25]] * 4)
    assert expected_calibration_error(right, np.array([0, 0, 0, 1])) == pytest.approx(0.0)
    assert expected_calibration_error(right, np.array([1, 1, 1, 1])) == pytest.approx(0.75)
    [one] = reliability(right, np.array([0, 0, 0, 1]))
    assert (one.tiles, one.confidence, one.accuracy) == (4, 0.75, 0.75)


def test_a_class_without_tiles_has_no_sensitivity():
    probabilities = np.array([[0.9, 0.05, 0.05], [0.2, 0.7, 0.1]])
    found = figures_with_intervals(probabilities, np.array([0, 1]), np.array(["g", "h"]), CLASSES, rounds=20)
    assert np.isnan(found["sensitivity:c"].value) and str(found["sensitivity:c"]) == "-"
    assert found["sensitivity:c"].to_dict() == {"value": None, "low": None, "high": None, "groups": 0}


def test_near_copies_do_not_narrow_the_interval():
    """Each tile twenty times over, in its group, must give the interval of one tile a group."""
    probabilities, labels = predictions(1, n=60)
    groups = np.array([f"g{i}" for i in range(60)])
    single = figures_with_intervals(probabilities, labels, groups, CLASSES, rounds=400)["accuracy"]
    copied = figures_with_intervals(
        np.repeat(probabilities, 20, axis=0), np.repeat(labels, 20), np.repeat(groups, 20), CLASSES, rounds=400
    )["accuracy"]
    assert copied.value == pytest.approx(single.value)
    assert copied.high - copied.low == pytest.approx(single.high - single.low, abs=0.03)
    assert single.low < single.value < single.high


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        right = np.repeat(rng.random(60) < 0.8, 5)
        probabilities = np.where(right[:, None], [[0.9, 0.1]], [[0.1, 0.9]])
        groups = np.repeat(np.arange(60).astype(str), 5)
        found = figures_with_intervals(probabilities, np.zeros(300, int), groups, ("a", "b"), rounds=200)["accuracy"]
        covered += found.low <= 0.8 <= found.high
    assert covered >= 51


def test_the_same_seed_gives_the_same_interval():
    probabilities, labels = predictions(2)
    groups = np.array([f"g{i % 30}" for i in range(200)])
    first, second = (figures_with_intervals(probabilities, labels, groups, CLASSES, rounds=50) for _ in range(2))
    assert first == second and all(isinstance(figure, Figure) for figure in first.values())


def test_a_figure_of_a_class_rests_on_the_groups_with_tiles_of_it():
    """Forty groups are judged, three of them hold the class: its sensitivity has no interval, the accuracy has."""
    labels = np.repeat([0] * 3 + [1] * 37, 5)
    groups = np.repeat([f"g{i}" for i in range(40)], 5)
    probabilities = np.where(labels[:, None] == 0, [[0.9, 0.1, 0.0]], [[0.1, 0.9, 0.0]])
    found = figures_with_intervals(probabilities, labels, groups, CLASSES, rounds=20)
    assert {name: found[name].groups for name in ("accuracy", "sensitivity:a", "specificity:a", "auc:a")} == {
        "accuracy": 40,
        "sensitivity:a": 3,
        "specificity:a": 37,
        "auc:a": 3,
    }
    assert str(found["sensitivity:a"]) == "1.000 (no interval: only 3 groups)"
    assert (
        str(found["accuracy"]) == "1.000 (at least 0.928)" and str(found["sensitivity:b"]) == "1.000 (at least 0.922)"
    )


def test_a_figure_that_is_no_share_has_no_interval_where_nothing_differed():
    labels = np.repeat([0, 1], 100)
    groups = np.arange(200).astype(str)
    probabilities = np.where(labels[:, None] == 0, [[0.9, 0.1, 0.0]], [[0.1, 0.9, 0.0]])
    found = figures_with_intervals(probabilities, labels, groups, CLASSES, rounds=20)
    assert str(found["auc:a"]) == "1.000 (no interval: the same in all 100 groups)"
    assert str(found["brier"]) == "0.020 (no interval: the same in all 200 groups)"
