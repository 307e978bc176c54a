"""Mahalanobis distance: how alike the training tissue a tile is, and how unlike its sources a whole slide is.

By features: softmax is surest on foreign input.

Class-conditional (Lee et al. 2018, arXiv:1807.03888) with a shrunk covariance that the classes
share (Ledoit and Wolf 2004, doi 10.1016/S0047-259X(03)00096-4). Prediction is numpy alone, the same for any runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiler.ranks import median, quantile
from wsi.errors import ModelError

# Familiarity of a tile at the threshold distance, by the shape of the mapping.
THRESHOLD = 0.5
# A slide is judged by so many of its tiles at most, evenly spread, and by so many at least: a neighbourhood.
SLIDE_TILES, LEAST_SLIDE_TILES = 2000, 9
_LEAST_SOURCES, _LEAST_SOURCE_TILES = 20, 4

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """A laboratory of its own: `shift` (d,) is what its whitened features have beyond those learned from, and
    `threshold_distance` what counts as known once it is taken away."""

    shift: NDArray[np.float32]
    threshold_distance: float


@dataclass(frozen=True)
class Familiarity:
    """`whitening` (d, d) makes the shared covariance the identity; `centres` (c, d) are class means after it.

    A tile's squared distance q to the nearest centre becomes 1 / (1 + (q / threshold_distance)^2), which falls
    from 1 to 0 and is THRESHOLD at `threshold_distance`. A slide's distance is that of its typical tile, and
    `slide_distance` the most that a slide of the sources learned from has; where the model tells none, it is that of
    a tile, which is generous: the mean of many lies closer than each.

    With an `alignment` a tile or slide is as familiar as it is with it or without it, whichever is more.
    """

    whitening: NDArray[np.float32]
    centres: NDArray[np.float32]
    threshold_distance: float
    slide_distance: float | None = None
    alignment: Alignment | None = None

    def of(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n,) float32 in 0 to 1 of features (n, d); not finite features give 0."""
        relative = np.minimum(*self._relative(features))
        return np.nan_to_num(1.0 / (1.0 + relative**2), nan=0.0).astype(np.float32)

    def only_aligned(self, features: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(n,) whether a tile of features (n, d) is known thanks to the alignment alone."""
        plain, aligned = self._relative(features)
        return (aligned <= 1.0) & ~(plain <= 1.0)

    def unlike(self, features: NDArray[np.floating]) -> float:
        """How unlike its sources a slide of tiles (n, d) is: above 1 its typical tile lies outside what they have.

        What all tiles have in common beyond the class nearest to each is the stain's and the scanner's share, or that
        of a slide which holds but one unknown tissue; what differs from tile to tile takes no part. NaN under 9 tiles.
        """
        step = max(1, -(-len(features) // SLIDE_TILES))
        white = self.whitened(features[::step])
        white = white[np.isfinite(white).all(axis=1)]
        if len(white) < LEAST_SLIDE_TILES:
            return float("nan")
        limit = self.slide_distance or self.threshold_distance
        figure = _squared(self.typical_residual(white)) / limit
        if self.alignment is not None:
            aligned = _squared(self.typical_residual(white - self.alignment.shift)) / limit
            figure = min(figure, aligned * self.threshold_distance / self.alignment.threshold_distance)
        return figure

    def distances(self, features: NDArray[np.floating]) -> Rows:
        """(n,) squared Mahalanobis distances to the nearest class."""
        return self._nearest(self.whitened(features))[0]

    def distances_of_whitened(self, white: Rows) -> Rows:
        """(n,) likewise of features (n, d) that `whitened` gave."""
        return self._nearest(white)[0]

    def whitened(self, features: NDArray[np.floating]) -> Rows:
        """(n, d) features in which the shared covariance is the identity."""
        return _whitened(features, self.whitening)

    def typical_residual(self, white: Rows, known_share: float = 1.0) -> Rows:
        """(d,) the median way from the nearest centre to whitened features (n, d), of the `known_share` nearest."""
        distances, nearest = self._nearest(white)
        kept = distances <= quantile(distances, known_share)
        return np.asarray(median(white[kept] - self.centres[nearest[kept]]), np.float64)

    def aligned(self, alignment: Alignment | None) -> Familiarity:
        """The same with an alignment. Raises ModelError where it is of another number of features."""
        if alignment is not None and alignment.shift.shape != (len(self.whitening),):
            raise ModelError("the alignment is not of this model's features")
        return replace(self, alignment=alignment)

    def _relative(self, features: NDArray[np.floating]) -> tuple[Rows, Rows]:
        """(n,) distances in terms of the threshold's, without and with the alignment."""
        white = self.whitened(features)
        plain = self._nearest(white)[0] / self.threshold_distance
        if self.alignment is None:
            return plain, plain
        return plain, self._nearest(white - self.alignment.shift)[0] / self.alignment.threshold_distance

    def _nearest(self, white: Rows) -> tuple[Rows, NDArray[np.intp]]:
        return _nearest(white, self.centres)

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """``whitening`` (d, d), ``centres`` (c, d), ``threshold_distance`` () and, if known, ``slide_distance`` (), as
        a model folder stores them. An alignment is no part of a model."""
        arrays = {
            "whitening": self.whitening,
            "centres": self.centres,
            "threshold_distance": np.array(self.threshold_distance, np.float32),
        }
        if self.slide_distance is not None:
            arrays["slide_distance"] = np.array(self.slide_distance, np.float32)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.floating]], classes: int, features: int) -> Familiarity:
        """Raises ModelError unless the arrays fit that many classes and features."""
        shapes: dict[str, tuple[int, ...]] = {
            "whitening": (features, features),
            "centres": (classes, features),
            "threshold_distance": (),
        }
        if "slide_distance" in arrays:
            shapes["slide_distance"] = ()
        for name, shape in shapes.items():
            array = arrays.get(name)
            if array is None or array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
                raise ModelError(f"familiarity.npz: {name} is missing or does not fit the card")
        threshold = float(arrays["threshold_distance"])
        slide = float(arrays["slide_distance"]) if "slide_distance" in arrays else None
        if threshold <= 0 or (slide is not None and slide <= 0):
            raise ModelError("familiarity.npz: the threshold distance is not positive")
        return cls(
            arrays["whitening"].astype(np.float32),
            arrays["centres"].astype(np.float32),
            threshold,
            slide_distance=slide,
        )


class UnknownFamiliarity:
    """Of a model that brings nothing of its training tissue: how familiar a tile is cannot be said."""

    def of(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n,) NaN for features (n, d)."""
        return np.full(len(features), np.nan, np.float32)

    def only_aligned(self, features: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(n,) False for features (n, d): there is no alignment."""
        return np.zeros(len(features), np.bool_)

    def unlike(self, features: NDArray[np.floating]) -> float:
        """NaN, of a slide of tiles (n, d)."""
        return float("nan")

    def aligned(self, alignment: Alignment | None) -> UnknownFamiliarity:
        """Itself; raises ModelError where there is anything to align with."""
        if alignment is not None:
            raise ModelError("the model knows no familiarity that a site profile could align")
        return self


def not_turned_away(familiarity: NDArray[np.floating], threshold: float) -> NDArray[np.bool_]:
    """(n,) whether a tile of that familiarity (n,) may vote: it is recognised or, where NaN, nobody knows."""
    return ~(familiarity < threshold)


def nearest_distances(
    features: NDArray[np.floating], whitening: NDArray[np.floating], centres: NDArray[np.floating]
) -> Rows:
    """(n,) squared distances of features (n, d), whitened, to the nearest of the centres (c, d)."""
    return _nearest(_whitened(features, whitening), centres)[0]


def _whitened(features: NDArray[np.floating], whitening: NDArray[np.floating]) -> Rows:
    with np.errstate(invalid="ignore"):  # features that are not finite give NaN, and that is an answer
        return np.asarray(features, np.float64) @ whitening.astype(np.float64)


def _nearest(white: Rows, centres: NDArray[np.floating]) -> tuple[Rows, NDArray[np.intp]]:
    """(n,) squared distances and (n,) numbers of the nearest centre; centre by centre, since a slide has many tiles."""
    with np.errstate(invalid="ignore"):
        squared = np.stack([((white - centre) ** 2).sum(axis=1) for centre in centres.astype(np.float64)], axis=1)
    nearest = squared.argmin(axis=1)
    return squared[np.arange(len(squared)), nearest], nearest


def _squared(vector: Rows) -> float:
    return float((vector**2).sum())


def fit_slide_distance(
    familiarity: Familiarity, features: NDArray[np.floating], sources: NDArray[Any], false_alarm_rate: float
) -> float | None:
    """What all but `false_alarm_rate` of the `sources` (m,) keep below, by features (m, d) that were never trained on.

    None where too few of them have enough tiles to tell.
    """
    white = familiarity.whitened(features)
    of_source = [white[sources == source] for source in np.unique(sources)]
    figures = [
        _squared(familiarity.typical_residual(tiles)) for tiles in of_source if len(tiles) >= _LEAST_SOURCE_TILES
    ]
    if len(figures) < _LEAST_SOURCES:
        return None
    return float(np.quantile(figures, 1 - false_alarm_rate))


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
