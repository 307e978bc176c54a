"""Temperature: found where it helps, left at 1 where it does not."""

import numpy as np
import pytest

from classifier.calibrate import fit_temperature, negative_log_likelihood, softmax


def sample(temperature, n=3000, seed=0):
    """Labels drawn from softmax(logits / temperature): that temperature is the truth."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, 3)).astype(np.float32)
    probabilities = softmax(logits, temperature)
    labels = (rng.random((n, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    return logits, labels, np.array([f"g{i % 50}" for i in range(n)])


@pytest.mark.parametrize("truth", [0.6, 2.0, 4.0])
def test_the_true_temperature_is_found(truth):
    logits, labels, groups = sample(truth)
    found, kept = fit_temperature(logits, labels, groups)
    assert kept and found == pytest.approx(truth, rel=0.12)
    assert negative_log_likelihood(softmax(logits, found), labels) < negative_log_likelihood(softmax(logits), labels)


def test_a_temperature_that_does_not_carry_over_is_not_kept():
    hot, hot_labels, _ = sample(4.0, n=400)
    cold, cold_labels, _ = sample(0.4, n=400, seed=1)
    groups = np.array(["a", "c"] * 200 + ["b", "d"] * 200)  # every second name: a and c against b and d
    found = fit_temperature(np.concatenate([hot, cold]), np.concatenate([hot_labels, cold_labels]), groups)
    assert found == (1.0, False)


def test_too_few_groups_to_judge():
    logits, labels, _ = sample(3.0, n=20)
    assert fit_temperature(logits, labels, np.array(["one"] * 20)) == (1.0, False)


def test_softmax_is_stable_and_sums_to_one():
    probabilities = softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]]))
    np.testing.assert_allclose(probabilities, [[1.0, 0.0], [0.5, 0.5]])
    assert probabilities.dtype == np.float32
