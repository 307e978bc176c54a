"""A linear classifier on the features of a tapped network, before any of its weights is changed.

Fine-tuning from a random last layer bends pretrained features to whatever tells the training laboratories apart; from a
fitted one it needs to change little and keeps more of what holds elsewhere (Kumar et al. 2022, arXiv:2202.10054).
"""

from __future__ import annotations

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
STEPS, STEP_TILES, PEAK_RATE, DECAY = 600, 1024, 0.02, 3e-3
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
    features = _features(start, tiles, config, progress)
    labels, shares = np.tile(tiles.labels, VIEWS), np.tile(balanced_shares(tiles), VIEWS) / VIEWS
    middle = shares @ features
    spread = np.sqrt(shares @ (features - middle) ** 2) + _SPREAD_FLOOR
    scaled = ((features - middle) / spread).astype(np.float32)
    kernel, bias = fit_softmax(scaled, labels, shares, len(tiles.classes), config.seed)
    bias += np.log([config.priors.get(name, 1.0) for name in tiles.classes]).astype(np.float32)
    basis = _basis(kernel, scaled, shares, shape.embedding)
    # embedding = ((x - middle) / spread) @ basis; logits = embedding @ (basis.T @ kernel) + bias
    inward = (basis / spread[:, None]).astype(np.float32)
    return {
        **start,
        f"{EMBEDDING}/kernel": inward[None, None],
        f"{EMBEDDING}/bias": (-middle @ inward).astype(np.float32),
        "logits/kernel": (basis.T @ kernel).astype(np.float32),
        "logits/bias": bias,
    }


def fit_softmax(
    features: Floats, labels: NDArray[np.integer], shares: NDArray[np.floating], classes: int, seed: int
) -> tuple[Floats, Floats]:
    """Multinomial logistic regression on features (n, d) drawn by `shares` (n,): kernel (d, c) and bias (c,)."""
    rng = np.random.default_rng(seed)
    parameters = [np.zeros((features.shape[1], classes), np.float32), np.zeros(classes, np.float32)]
    first, second = ([np.zeros_like(one) for one in parameters] for _ in range(2))
    for step in range(1, STEPS + 1):
        chosen = rng.choice(len(features), STEP_TILES, p=shares / shares.sum())
        gradients = _gradients(parameters, features[chosen], labels[chosen])
        rate = PEAK_RATE * 0.5 * (1 + np.cos(np.pi * step / STEPS))
        for one, gradient, m, v in zip(parameters, gradients, first, second, strict=True):
            # Adam (Kingma and Ba 2015, arXiv:1412.6980).
            m += 0.1 * (gradient - m)
            v += 0.01 * (gradient**2 - v)
            one -= np.float32(rate) * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-8)
    return parameters[0], parameters[1]


def _gradients(parameters: list[Floats], features: Floats, labels: NDArray[np.integer]) -> tuple[Floats, Floats]:
    kernel, bias = parameters
    logits = features @ kernel + bias
    error = np.exp(logits - logits.max(axis=1, keepdims=True))
    error /= error.sum(axis=1, keepdims=True)
    error[np.arange(len(labels)), labels] -= 1.0
    return (features.T @ error / len(labels) + DECAY * kernel), error.mean(axis=0)


def _basis(kernel: Floats, scaled: Floats, shares: NDArray[np.floating], width: int) -> NDArray[np.float64]:
    """(d, width) orthonormal directions: those of the classifier first, then where the features vary most."""
    own, _ = np.linalg.qr(kernel.astype(np.float64))
    rest = scaled - (scaled @ own) @ own.T
    covariance = (rest * shares[:, None]).T @ rest
    _, directions = np.linalg.eigh(covariance)
    return np.concatenate([own, directions[:, ::-1][:, : width - own.shape[1]]], axis=1)


def _features(start: Weights, tiles: TileSet, config: TrainConfig, progress: ProgressCallback) -> NDArray[np.float64]:
    """(VIEWS * n, d) means of the tapped maps: each tile as it is, then as other laboratories might have shown it."""
    network = _tapped_network(start, config)
    parts = []
    for view in range(VIEWS):
        for begin in range(0, len(tiles), BATCH_TILES):
            chosen = range(begin, min(begin + BATCH_TILES, len(tiles)))
            with ThreadPoolExecutor(READ_THREADS) as pool:
                pixels = list(pool.map(lambda index, view=view: _view(tiles, index, view, config), chosen))
            parts.append(np.asarray(network(np.stack(pixels)), np.float32))
            done = (view * len(tiles) + begin) / (VIEWS * len(tiles))
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
    set_network_weights(whole, {**network_weights(whole), **start})
    wide = whole.get_layer(EMBEDDING).input
    means = keras.Model(whole.input, keras.layers.GlobalAveragePooling2D()(wide))
    return tf.function(lambda pixels: means(pixels, training=False), reduce_retracing=True)
