"""Net benefit against counts by scikit-learn, and what must be so by its definition."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from classifier.evaluation.curves.decision_curve import decision_curve


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.5, 0.8])
def test_net_benefit_is_that_of_the_counts(threshold):
    rng = np.random.default_rng(1)
    positive = rng.random(300) < 0.3
    scores = np.clip(0.3 * positive + rng.random(300) * 0.7, 0, 1)
    [found] = decision_curve(scores, positive, [threshold])
    _, false_alarms, _, hits = confusion_matrix(positive, scores >= threshold).ravel()
    assert found.model == pytest.approx(hits / 300 - false_alarms / 300 * threshold / (1 - threshold))


def test_acting_always_is_worth_nothing_where_the_threshold_is_the_prevalence():
    """Van Calster et al. 2018 (doi 10.1016/j.eururo.2018.08.038): 313 of 3,616 men have high-grade cancer."""
    positive = np.arange(3616) < 313
    below, at, above = decision_curve(np.zeros(3616), positive, [0.05, 313 / 3616, 0.2])
    assert at.always == pytest.approx(0) and below.always > 0 > above.always
    assert below.always == pytest.approx(313 / 3616 - 3303 / 3616 / 19)
    assert {one.model for one in (below, at, above)} == {0.0}


def test_a_perfect_score_is_worth_the_prevalence():
    positive = np.arange(10) < 3
    assert [one.model for one in decision_curve(positive.astype(float), positive, [0.1, 0.9])] == [0.3, 0.3]


def test_thresholds_without_a_price_and_no_cases_are_refused():
    with pytest.raises(ValueError):
        decision_curve(np.ones(2), np.ones(2, bool), [1.0])
    with pytest.raises(ValueError):
        decision_curve(np.ones(0), np.ones(0, bool), [0.5])
