"""Mahalanobis distance: how alike the training tissue a tile is, by its features. Softmax is surest on foreign input.

Class-conditional (Lee et al. 2018, arXiv:1807.03888) with a shrunk covariance that the classes
share (Ledoit and Wolf 2004, doi 10.1016/S0047-259X(03)00096-4). Prediction is numpy alone, the same for any runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi.errors import ModelError

# Familiarity of a tile at the threshold distance, by the shape of the mapping.
THRESHOLD = 0.5


@dataclass(frozen=True)
class Familiarity:
    """`whitening` (d, d) makes the shared covariance the identity; `centres` (c, d) are class means after it.

    A tile's squared distance q to the nearest centre becomes 1 / (1 + (q / threshold_distance)^2), which falls
    from 1 to 0 and is THRESHOLD at `threshold_distance`.
    """

    whitening: NDArray[np.float32]
    centres: NDArray[np.float32]
    threshold_distance: float

    def of(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n,) float32 in 0 to 1 of features (n, d); not finite features give 0."""
        relative = self.distances(features) / self.threshold_distance
        return np.nan_to_num(1.0 / (1.0 + relative**2), nan=0.0).astype(np.float32)

    def distances(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n,) squared Mahalanobis distances to the nearest class."""
        return nearest_distances(features, self.whitening, self.centres)

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """``whitening`` (d, d), ``centres`` (c, d) and ``threshold_distance`` (), as a model folder stores them."""
        return {
            "whitening": self.whitening,
            "centres": self.centres,
            "threshold_distance": np.array(self.threshold_distance, np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.floating]], classes: int, features: int) -> Familiarity:
        """Raises ModelError unless the arrays fit that many classes and features."""
        shapes = {"whitening": (features, features), "centres": (classes, features), "threshold_distance": ()}
        for name, shape in shapes.items():
            array = arrays.get(name)
            if array is None or array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
                raise ModelError(f"familiarity.npz: {name} is missing or does not fit the card")
        threshold = float(arrays["threshold_distance"])
        if threshold <= 0:
            raise ModelError("familiarity.npz: the threshold distance is not positive")
        return cls(arrays["whitening"].astype(np.float32), arrays["centres"].astype(np.float32), threshold)


def nearest_distances(
    features: NDArray[np.floating], whitening: NDArray[np.floating], centres: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(n,) squared distances of features (n, d), whitened, to the nearest of the centres (c, d)."""
    with np.errstate(invalid="ignore"):  # features that are not finite give NaN, and that is an answer
        white = np.asarray(features, np.float64) @ whitening.astype(np.float64)
        squared = ((white[:, None, :] - centres.astype(np.float64)[None]) ** 2).sum(axis=2)
    return squared.min(axis=1)


def fit_familiarity(
    features: NDArray[np.floating],
    labels: NDArray[np.integer],
    held_features: NDArray[np.floating],
    false_alarm_rate: float,
) -> Familiarity:
    """Centres and covariance from training tiles (n, d); the threshold so that `false_alarm_rate` of held-out ones
    (m, d), of groups never trained on, lie beyond it."""
    from sklearn.covariance import ledoit_wolf

    features = np.asarray(features, np.float64)
    means = np.stack([features[labels == label].mean(axis=0) for label in range(int(labels.max()) + 1)])
    covariance, _ = ledoit_wolf(features - means[labels], assume_centered=True)
    # A feature that never fires in training has no variance; the floor keeps its distance finite.
    covariance = covariance + 1e-6 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    whitening = np.linalg.inv(np.linalg.cholesky(covariance)).T
    centres = means @ whitening
    distances = nearest_distances(held_features, whitening, centres)
    threshold = float(np.quantile(distances, 1 - false_alarm_rate))
    return Familiarity(whitening.astype(np.float32), centres.astype(np.float32), threshold)
