"""What colour alone achieves: histograms and logistic regression. A network must beat it to have learned any tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import TileSet, read_tile
from tiler.spec import TileSpec

BINS_PER_CHANNEL = 8


def colour_histogram(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(512,) square roots of the joint RGB histogram of pixels (h, w, 3): 8 x 8 x 8 bins, shares of all pixels."""
    level = pixels.reshape(-1, 3).astype(np.int64) * BINS_PER_CHANNEL // 256
    index = (level[:, 0] * BINS_PER_CHANNEL + level[:, 1]) * BINS_PER_CHANNEL + level[:, 2]
    counts = np.bincount(index, minlength=BINS_PER_CHANNEL**3)
    # Square roots make the distance of two histograms the Hellinger distance.
    return np.sqrt(counts / len(level)).astype(np.float32)


def colour_baseline(training: TileSet, judged: TileSet, spec: TileSpec, seed: int = 0) -> NDArray[np.float64]:
    """(n, c) probabilities for the tiles of `judged` by logistic regression on colour histograms of `training`.

    Columns follow `judged.classes`; a class that training lacks has probability 0.
    """
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=10.0, max_iter=2000, random_state=seed)
    regression.fit(_histograms(training, spec), training.labels)
    probabilities = np.zeros((len(judged), len(judged.classes)))
    probabilities[:, regression.classes_] = regression.predict_proba(_histograms(judged, spec))
    return probabilities


def _histograms(tiles: TileSet, spec: TileSpec) -> NDArray[np.float32]:
    return np.stack([colour_histogram(read_tile(record, spec)) for record in tiles.records])
