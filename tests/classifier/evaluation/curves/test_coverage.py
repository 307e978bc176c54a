"""Coverage against accuracy on probabilities whose curve is known by hand."""

import numpy as np
import pytest

from classifier.evaluation.curves.coverage import COVERAGES, coverage_curve, coverage_points


def made(confidences, right):
    """Two classes, the first true throughout; where `right` is false the second is called."""
    confidences = np.asarray(confidences)
    first = np.where(right, confidences, 1 - confidences)
    return np.column_stack([first, 1 - first]), np.zeros(len(confidences), int), np.arange(len(confidences)).astype(str)


def test_the_table_of_ten_tiles():
    """Ten tiles, surest first; the two least sure are wrong."""
    confidences = np.linspace(0.95, 0.55, 10)
    curve = coverage_curve(*made(confidences, [True] * 8 + [False] * 2))
    rows = {row.wanted: row for row in curve.rows}
    assert tuple(rows) == COVERAGES
    assert [rows[wanted].tiles for wanted in COVERAGES] == [10, 10, 9, 8, 5]
    assert [rows[wanted].accuracy.value for wanted in COVERAGES] == pytest.approx([0.8, 0.8, 8 / 9, 1.0, 1.0])
    assert rows[0.9].threshold == pytest.approx(confidences[8]) and rows[0.9].coverage == pytest.approx(0.9)
    assert str(rows[0.8].accuracy) == "1.000 (no interval: only 8 groups)"
    assert rows[1.0].accuracy.low < 0.8 < rows[1.0].accuracy.high


def test_tiles_of_one_confidence_come_in_together_whatever_their_order():
    confidences = np.array([0.9, 0.9, 0.9, 0.9, 0.6])
    right = np.array([True, False, True, True, True])
    for order in ([0, 1, 2, 3, 4], [1, 4, 0, 3, 2]):
        thresholds, coverage, accuracy = coverage_points(confidences[order], right[order])
        np.testing.assert_allclose(thresholds, [0.9, 0.6])
        np.testing.assert_allclose(coverage, [0.8, 1.0])
        np.testing.assert_allclose(accuracy, [0.75, 0.8])


def test_a_long_list_gives_a_short_curve_with_both_ends():
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.5, 1, 3000)
    curve = coverage_curve(*made(confidences, rng.random(3000) < confidences))
    assert len(curve.coverage) == len(curve.accuracy) == 120
    assert curve.coverage[-1] == 1.0 and curve.coverage[0] == pytest.approx(1 / 3000, abs=1e-5)
    assert curve.accuracy[-1] == pytest.approx(curve.rows[0].accuracy.value, abs=1e-5)
