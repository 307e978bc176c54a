"""A last layer fitted anew on what the base learned from and on new tiles; the network below it stays as it is.

Where the features of all tiles that a linear classifier was fitted on are kept, nothing of its old task is left to
remember: without new tiles nearly the same classifier comes out (of two of six views, not quite). Features of stored
results keep their meaning, since the layers that give them do not change; nor does the int8 file, but for the numbers
of its last layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import TileSet
from classifier.dataset.whites import with_whites
from classifier.networks.efficientnet_lite import EMBEDDING
from classifier.progress import ProgressCallback, quiet
from classifier.training.balance import shares_of
from classifier.training.packaged.replay.stored import Replay
from classifier.training.probe import DECAY, fit_softmax, tapped_features
from classifier.training.recipe import TrainConfig
from wsi.errors import ModelError

# Of each tile: as it is, and once as another laboratory might have shown it. The replayed ones have as many.
VIEWS = 2
KERNEL, BIAS = "logits/kernel", "logits/bias"

Weights = Mapping[str, NDArray[np.float32]]
Names = list[tuple[str, str, str]]


@dataclass(frozen=True)
class Learned:
    """New tiles as the network sees them: features (n, d) of VIEWS views of each tile, and class, laboratory and source
    group (n,)."""

    features: NDArray[np.float32]
    names: Names


def features_of_tiles(
    weights: Weights, tiles: TileSet, config: TrainConfig, progress: ProgressCallback = quiet
) -> Learned:
    """The features of a list's tiles under the base's own network and recipe. Raises DatasetError."""
    shown = with_whites(tiles) if config.white else tiles
    names = [(record.label, record.site, record.group) for record in shown.records]
    return Learned(embedded(weights, tapped_features(weights, shown, config, VIEWS, progress)), names * VIEWS)


def embedded(weights: Weights, wide: NDArray[np.floating]) -> NDArray[np.float32]:
    """Means of the tapped maps (n, w) as the features (n, d) that the network makes of them."""
    kernel = np.asarray(weights[f"{EMBEDDING}/kernel"], np.float64)[0, 0]
    return np.asarray(wide @ kernel + weights[f"{EMBEDDING}/bias"], np.float32)


def fit_last_layer(replay: Replay, learned: Learned, config: TrainConfig) -> dict[str, NDArray[np.float32]]:
    """``logits/kernel`` (d, c) and ``logits/bias`` (c,), in the order of the replay's classes: the classifier of
    `classifier.training.probe` within the base's features. Each class weighs the same, in it each laboratory by the
    root of its source groups; so a few corrected slides are heard beside hundreds of old ones. Raises ModelError."""
    old = replay.part(held=False)
    names = [*old.names(), *learned.names]
    index = {name: number for number, name in enumerate(replay.classes)}
    if strange := sorted({label for label, _, _ in learned.names} - set(index)):
        raise ModelError(f"the base knows no {', '.join(strange)}", hint="train a new model with `train --base`")
    labels = np.array([index[label] for label, _, _ in names])
    features = np.concatenate([old.features, learned.features]).astype(np.float64)
    kernel, bias = fit_softmax(features, labels, len(replay.classes), 1 / DECAY, shares_of(names))
    bias = bias + np.log([config.priors.get(name, 1.0) for name in replay.classes])
    return {KERNEL: kernel.astype(np.float32), BIAS: bias.astype(np.float32)}


def with_last_layer(content: bytes, before: Weights, after: Weights) -> bytes:
    """A LiteRT file whose last layer, which must be in float32 and stand there once, is another one of the same shape.

    Raises ModelError where it does not stand there.
    """
    for name in (KERNEL, BIAS):
        # As LiteRT lays out a dense layer: a row an output.
        old, new = (np.ascontiguousarray(layer[name].T, np.float32).tobytes() for layer in (before, after))
        if content.count(old) != 1 or len(old) != len(new):
            raise ModelError(
                "the last layer of the LiteRT file cannot be told from the rest",
                hint="give the base's tiles to --replay",
            )
        content = content.replace(old, new)
    return content
