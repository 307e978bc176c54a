"""A linear classifier on the features of a tapped network, before any of its weights is changed.

Fine-tuning from a random last layer bends pretrained features to whatever tells the training laboratories apart; from a
fitted one it needs to change little and keeps more of what holds elsewhere (Kumar et al. 2022, arXiv:2202.10054).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import TileSet, read_tile
from classifier.networks.build import build_network, network_weights, set_network_weights
from classifier.networks.efficientnet_lite import EMBEDDING, EfficientNetLite
from classifier.networks.framework import load_keras, load_tensorflow
from classifier.progress import Progress, ProgressCallback, quiet
from classifier.training.augment import augment_tile
from classifier.training.balance import balanced_shares
from classifier.training.recipe import TrainConfig
from wsi.errors import UsageError

VIEWS = 6
BATCH_TILES = 32
READ_THREADS = 2
# Of the square of the weights, beside the mean loss.
DECAY = 3e-3
_MOST_ROUNDS = 500
# Features that hardly vary would be weighed up until they say what rounding did.
_SPREAD_FLOOR = 0.05

Weights = Mapping[str, NDArray[np.float32]]
Floats = NDArray[np.float32]


def probe(
    start: Weights, tiles: TileSet, config: TrainConfig, progress: ProgressCallback = quiet
) -> dict[str, NDArray[np.float32]]:
    """`start`, with an embedding and a last layer that are the linear classifier fitted on its tapped features."""
    shape = config.network
    if not isinstance(shape, EfficientNetLite) or not shape.taps or len(shape.fields) > 1:
        raise UsageError("a probe needs a tapped network of one field")
    features = tapped_features(start, tiles, config, VIEWS, progress)
    labels, shares = np.tile(tiles.labels, VIEWS), np.tile(balanced_shares(tiles), VIEWS) / VIEWS
    scaled, middle, spread = standardised(features, shares)
    kernel, bias = fit_softmax(scaled, labels, len(tiles.classes), 1 / DECAY, shares / shares.sum())
    bias = bias + np.log([config.priors.get(name, 1.0) for name in tiles.classes])
    basis = basis_of(kernel, scaled, shares, shape.embedding)
    # embedding = ((x - middle) / spread) @ basis; logits = embedding @ (basis.T @ kernel) + bias
    inward = (basis / spread[:, None]).astype(np.float32)
    return {
        **start,
        f"{EMBEDDING}/kernel": inward[None, None],
        f"{EMBEDDING}/bias": (-middle @ inward).astype(np.float32),
        "logits/kernel": (basis.T @ kernel).astype(np.float32),
        "logits/bias": bias.astype(np.float32),
    }


def fit_softmax(
    features: NDArray[np.floating],
    labels: NDArray[np.integer],
    classes: int,
    penalty: float,
    shares: NDArray[np.floating] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Multinomial logistic regression on features (n, d) of about unit variance, each tile weighing its share (n,) or
    all alike: kernel (d, c) and bias (c,). `penalty` is scikit-learn's C, of the loss summed over the tiles."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # Stopped early it is a little more cautious, and judged like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(C=penalty, max_iter=_MOST_ROUNDS).fit(features, labels, sample_weight=shares)
    weights, bias = fitted.coef_, fitted.intercept_
    if classes == 2:  # one row tells the second class from the first
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return weights.T, bias


def standardised(
    features: NDArray[np.float64], shares: NDArray[np.floating]
) -> tuple[Floats, NDArray[np.float64], NDArray[np.float64]]:
    """Features (n, d) of about no mean and unit variance, each weighing its share (n,), and their mean and spread
    (d,)."""
    middle = shares @ features
    spread = np.sqrt(shares @ (features - middle) ** 2) + _SPREAD_FLOOR
    return ((features - middle) / spread).astype(np.float32), middle, spread


def basis_of(
    kernel: NDArray[np.floating], scaled: Floats, shares: NDArray[np.floating], width: int
) -> NDArray[np.float64]:
    """(d, width) orthonormal directions: those of the classifier first, then where the features vary most."""
    own, _ = np.linalg.qr(kernel.astype(np.float64))
    rest = scaled - (scaled @ own) @ own.T
    covariance = (rest * shares[:, None]).T @ rest
    _, directions = np.linalg.eigh(covariance)
    return np.concatenate([own, directions[:, ::-1][:, : width - own.shape[1]]], axis=1)


def tapped_features(
    start: Weights, tiles: TileSet, config: TrainConfig, views: int, progress: ProgressCallback = quiet
) -> NDArray[np.float64]:
    """(views * n, d) means of the tapped maps: each tile as it is, then as other laboratories might have shown it."""
    network = _tapped_network(start, config)
    parts = []
    for view in range(views):
        for begin in range(0, len(tiles), BATCH_TILES):
            chosen = range(begin, min(begin + BATCH_TILES, len(tiles)))
            with ThreadPoolExecutor(READ_THREADS) as pool:
                pixels = list(pool.map(lambda index, view=view: _view(tiles, index, view, config), chosen))
            parts.append(np.asarray(network(np.stack(pixels)), np.float32))
            done = (view * len(tiles) + begin) / (views * len(tiles))
            progress(Progress("a linear classifier on the base's features", done))
    return np.concatenate(parts).astype(np.float64)


def _view(tiles: TileSet, index: int, view: int, config: TrainConfig) -> NDArray[np.uint8]:
    if view == 0:
        return read_tile(tiles.records[index], replace(config.tile, size_px=config.crop_px))
    rng = np.random.default_rng([config.seed, index, view])
    pixels = read_tile(tiles.records[index], config.tile, whole=config.whole_tiles)
    return augment_tile(pixels, config.crop_px, config.augmentation, rng)


def _tapped_network(start: Weights, config: TrainConfig) -> Any:
    keras, tf = load_keras(), load_tensorflow()
    whole = build_network(config.network, 2, config.crop_px)
    # Of any last layer: it is not asked.
    below = {path: array for path, array in start.items() if not path.startswith("logits/")}
    set_network_weights(whole, {**network_weights(whole), **below})
    wide = whole.get_layer(EMBEDDING).input
    means = keras.Model(whole.input, keras.layers.GlobalAveragePooling2D()(wide))
    return tf.function(lambda pixels: means(pixels, training=False), reduce_retracing=True)
