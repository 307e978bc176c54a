"""From a slide model's logits to probabilities that mean what they say: which way, cross-validation over patients says.

Arrays in, a small frozen record out that goes to JSON and back; applying it needs NumPy alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.calibrate import softmax
from wsi.errors import ModelError

NONE, TEMPERATURE, BIASED, ISOTONIC = "none", "temperature", "temperature-and-bias", "isotonic"
# From the plainest on: a further one must win, not draw.
METHODS = (NONE, TEMPERATURE, BIASED, ISOTONIC)
FOLDS = 5
_MAX_KNOTS = 1000
_LEAST = 1e-3
# Of one slide's loss. At 1 sixty slides that were told apart almost without error came out far too unsure: calibration
# error 0.10 (docs/slides.md).
_PULL = 0.1
# Of a bias: another site's logits may all lie far to one side. A pull as strong as that on the temperature, and a bias
# of 5 at most, left a second site with a calibration error of 0.068 where this has 0.013 (docs/slides.md).
_PULL_BIAS = 0.001
_MOST_BIAS = 500.0


@dataclass(frozen=True)
class Calibration:
    """How logits become probabilities. `bias` is (c,), `knots` a pair (probability as it came, as it is) a class."""

    method: str = NONE
    temperature: float = 1.0
    bias: tuple[float, ...] = ()
    knots: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()

    def apply(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities (n, c) of logits (n, c); each row sums to 1."""
        shifted = np.asarray(logits, np.float64) / self.temperature + (np.array(self.bias) if self.bias else 0.0)
        probabilities = softmax(shifted).astype(np.float64)
        if self.method == ISOTONIC:
            columns = [np.interp(probabilities[:, i], x, y) for i, (x, y) in enumerate(self.knots)]
            # Never 0 or 1: so few slides cannot say that.
            probabilities = np.clip(np.stack(columns, axis=1), _LEAST, None)
        return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True), np.float64)

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "temperature": self.temperature,
            "bias": list(self.bias),
            "knots": [[list(x), list(y)] for x, y in self.knots],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], classes: int) -> Calibration:
        """Reads what `to_dict` gives. Raises ModelError where it is of other classes or no calibration."""
        try:
            read = cls(
                str(values["method"]),
                float(values["temperature"]),
                tuple(map(float, values["bias"])),
                tuple((tuple(map(float, x)), tuple(map(float, y))) for x, y in values["knots"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError("the calibration of the slide model cannot be read") from error
        read._check(classes)
        return read

    def _check(self, classes: int) -> None:
        fits = self.method in METHODS and 1e-3 <= self.temperature <= 1e3 and len(self.bias) in (0, classes)
        fits &= len(self.knots) == (classes if self.method == ISOTONIC else 0)
        fits &= all(0 < len(x) == len(y) <= _MAX_KNOTS and sorted(x) == list(x) for x, y in self.knots)
        numbers = [*self.bias, *(value for x, y in self.knots for value in (*x, *y))]
        if not fits or not all(math.isfinite(value) and abs(value) < 1e3 for value in numbers):
            raise ModelError("the calibration of the slide model is none")


def fit_calibration(
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
    patients: Sequence[str],
    *,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
) -> tuple[Calibration, dict[str, float]]:
    """The calibration of held-out logits (n, c), and the mean negative log-likelihood of each method on patients that
    it did not see. The plainest of those that are not beaten by more than a standard error is taken; of one there is
    nothing to choose, nor to measure."""
    if len(methods) == 1:
        return _fit(logits, labels, methods[0]), {}
    groups = np.asarray(patients)
    of_fold = _folds(groups, seed)
    losses = {
        method: _losses(logits, labels, of_fold, method) for method in methods if _can(method, labels, logits.shape[1])
    }
    means = {method: float(loss.mean()) for method, loss in losses.items()}
    best = min(means, key=lambda method: means[method])
    for method in losses:
        beaten_by = losses[method] - losses[best]
        if beaten_by.mean() <= beaten_by.std(ddof=1) / math.sqrt(len(beaten_by)):
            best = method
            break
    return _fit(logits, labels, best), {name: round(value, 5) for name, value in means.items()}


def _can(method: str, labels: NDArray[np.integer], classes: int) -> bool:
    """Isotonic regression and a bias need slides of every class."""
    counts = np.bincount(labels, minlength=classes)
    return bool(counts.min() >= {ISOTONIC: 20, BIASED: 5}.get(method, 0))


def _folds(groups: NDArray[np.str_], seed: int) -> NDArray[np.int64]:
    """(n,) fold of each slide, whole patients together."""
    names, member = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return np.asarray((order % min(FOLDS, len(names)))[member], np.int64)


def _losses(
    logits: NDArray[np.floating], labels: NDArray[np.integer], of_fold: NDArray[np.int64], method: str
) -> NDArray[np.float64]:
    """(n,) loss of each slide, fitted on the other folds."""
    found = np.empty(len(labels))
    for fold in np.unique(of_fold):
        judged = of_fold == fold
        fitted = _fit(logits[~judged], labels[~judged], method) if (~judged).any() else Calibration()
        p = fitted.apply(logits[judged])[np.arange(judged.sum()), labels[judged]]
        found[judged] = -np.log(np.maximum(p, 1e-12))
    return found


def _fit(logits: NDArray[np.floating], labels: NDArray[np.integer], method: str) -> Calibration:
    if method == NONE:
        return Calibration()
    if method == ISOTONIC:
        return Calibration(ISOTONIC, knots=tuple(_knots(softmax(logits)[:, i], labels == i) for i in _each(logits)))
    log_t, *bias = _minimised(np.asarray(logits, np.float64), labels, biased=method == BIASED)
    return Calibration(method, round(math.exp(log_t), 6), tuple(round(float(b), 6) for b in bias))


def _each(logits: NDArray[np.floating]) -> range:
    return range(logits.shape[1])


def _minimised(logits: NDArray[np.float64], labels: NDArray[np.integer], *, biased: bool) -> list[float]:
    """Log temperature, and a bias a class (Alexandari et al. 2020, arXiv:1901.06852), of least loss. A weak pull to 0
    keeps separable logits of few slides from a temperature of 0; a far weaker one has the least bias of those that do
    as well."""
    from scipy.optimize import minimize

    n, classes = logits.shape
    own = np.eye(classes)[labels]
    start = np.zeros(1 + (classes if biased else 0))
    pulls = np.array([_PULL, *[_PULL_BIAS] * (len(start) - 1)])

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """In double precision and with its slope: differences of `softmax`, which gives float32, mislead a search."""
        scaled = logits * math.exp(-at[0])
        shifted = scaled + at[1:] if biased else scaled
        shifted = shifted - shifted.max(axis=1, keepdims=True)
        sums = np.exp(shifted).sum(axis=1, keepdims=True)
        slopes = (np.exp(shifted) / sums - own) / n
        slope = np.concatenate([[-(slopes * scaled).sum()], slopes.sum(axis=0) if biased else []])
        value = float((np.log(sums)[:, 0] - (shifted * own).sum(axis=1)).mean() + (pulls * at**2).sum() / n)
        return value, slope + 2 * pulls * at / n

    bounds = [(-2.0, 4.0), *[(-_MOST_BIAS, _MOST_BIAS)] * (len(start) - 1)]
    return [float(value) for value in minimize(loss, start, method="L-BFGS-B", jac=True, bounds=bounds).x]


def _knots(p: NDArray[np.floating], hits: NDArray[np.bool_]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(p.astype(np.float64), hits)
    x, y = fitted.X_thresholds_[:_MAX_KNOTS], fitted.y_thresholds_[:_MAX_KNOTS]
    return tuple(np.round(x, 6).tolist()), tuple(np.round(y, 6).tolist())
