"""From logits to probabilities that mean what they say: softmax, and one temperature fitted where it helps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TEMPERATURE_RANGE = (0.5, 10.0)
# What a person expects of a call that is told with high confidence.
RIGHT_WHERE_SURE = 0.95


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float32]:
    """Probabilities (n, c) of logits (n, c) divided by `temperature`; each row sums to 1."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def negative_log_likelihood(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Mean of -log p of the true class, natural logarithm. `probabilities` (n, c), `labels` (n,) class indices."""
    chosen = np.asarray(probabilities, np.float64)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def fit_temperature(
    logits: NDArray[np.floating], labels: NDArray[np.integer], groups: NDArray[np.str_]
) -> tuple[float, bool]:
    """The temperature that suits held-out logits (n, c), and whether it is kept (Guo et al. 2017, arXiv:1706.04599).

    It is kept only if, fitted on one half of the groups, it lowers the negative log-likelihood of the other half,
    both ways round: on some networks it hurts. Not kept: (1.0, False).
    """
    names = np.unique(groups)
    first = np.isin(groups, names[::2])
    if len(names) < 4 or not first.any() or first.all():
        return 1.0, False
    for fitted, judged in ((first, ~first), (~first, first)):
        temperature = _best_temperature(logits[fitted], labels[fitted])
        before = negative_log_likelihood(softmax(logits[judged]), labels[judged])
        after = negative_log_likelihood(softmax(logits[judged], temperature), labels[judged])
        if after >= before:
            return 1.0, False
    return _best_temperature(logits, labels), True


def _best_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    from scipy.optimize import minimize_scalar

    low, high = np.log(TEMPERATURE_RANGE)
    best = minimize_scalar(
        lambda log_t: negative_log_likelihood(softmax(logits, float(np.exp(log_t))), labels),
        bounds=(low, high),
        method="bounded",
    )
    return float(np.exp(best.x))


def sure_from(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    shares: NDArray[np.floating] | None = None,
    right: float = RIGHT_WHERE_SURE,
) -> float:
    """The leading probability from which on at least `right` of held-out tiles (n, c) are right; 1 if there is none.

    By isotonic regression of right on the leading probability, so that a wave of chance is no threshold. `shares` (n,)
    weigh the tiles.
    """
    from sklearn.isotonic import IsotonicRegression

    lead = np.asarray(probabilities, np.float64).max(axis=1)
    hits = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(lead, hits, sample_weight=shares)
    return float(lead[fitted >= right].min()) if (fitted >= right).any() else 1.0
