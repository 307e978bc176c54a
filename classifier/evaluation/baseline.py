"""What little achieves: colour histograms, the brightest hundredth alone, sharpness alone, in logistic regression.

A network must beat the first to have learned any tissue. How well the other two do says how much of a list's labels is
its cameras.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import TileSet, read_tile
from tiler.spec import TileSpec

BINS_PER_CHANNEL = 8
_BRIGHTEST = 99.0

Features = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def colour_histogram(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(512,) square roots of the joint RGB histogram of pixels (h, w, 3): 8 x 8 x 8 bins, shares of all pixels."""
    level = pixels.reshape(-1, 3).astype(np.int64) * BINS_PER_CHANNEL // 256
    index = (level[:, 0] * BINS_PER_CHANNEL + level[:, 1]) * BINS_PER_CHANNEL + level[:, 2]
    counts = np.bincount(index, minlength=BINS_PER_CHANNEL**3)
    # Square roots make the distance of two histograms the Hellinger distance.
    return np.sqrt(counts / len(level)).astype(np.float32)


def glass_alone(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(3,) the brightest hundredth of each channel, 0 to 1: the camera's white, where there is a gap in the tissue."""
    return (np.percentile(pixels.reshape(-1, 3), _BRIGHTEST, axis=0) / 255.0).astype(np.float32)


def sharpness_alone(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(2,) logarithms of the variance of the Laplacian of the grey picture, as it is and at half its size."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    half = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_AREA)
    found = [np.log1p(cv2.Laplacian(one, cv2.CV_64F).var()) for one in (grey, half)]
    return np.array(found, np.float32)


# By what a card and metrics.json call them; features of so few numbers need weights of any size.
FURTHER_BASELINES: dict[str, tuple[str, Features]] = {
    "glass": ("Brightest hundredth alone", glass_alone),
    "sharpness": ("Sharpness alone", sharpness_alone),
}


def baseline(
    training: TileSet, judged: TileSet, spec: TileSpec, features: Features = colour_histogram, seed: int = 0
) -> NDArray[np.float64]:
    """(n, c) probabilities for the tiles of `judged` by logistic regression on `features` of the tiles of `training`.

    Columns follow `judged.classes`; a class that training lacks has probability 0.
    """
    from sklearn.linear_model import LogisticRegression

    learned, shown = _features(training, spec, features), _features(judged, spec, features)
    if features is not colour_histogram:
        middle, spread = learned.mean(axis=0), learned.std(axis=0) + 1e-6
        learned, shown = (learned - middle) / spread, (shown - middle) / spread
    regression = LogisticRegression(C=10.0, max_iter=2000, random_state=seed)
    regression.fit(learned, training.labels)
    probabilities = np.zeros((len(judged), len(judged.classes)))
    probabilities[:, regression.classes_] = regression.predict_proba(shown)
    return probabilities


def _features(tiles: TileSet, spec: TileSpec, features: Features) -> NDArray[np.float32]:
    return np.stack([features(read_tile(record, spec)) for record in tiles.records])
