"""A head on the features of an encoder from elsewhere: logistic regression, as one dense layer. Writes nothing.

What a card promises of our own networks holds of it too: temperature and familiarity are fitted on groups that the head
never saw. The encoder itself stays as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.calibrate import fit_temperature, negative_log_likelihood
from classifier.dataset.predict import forward_tiles
from classifier.dataset.split import hold_out_groups
from classifier.dataset.tile_list import TileSet
from classifier.familiarity import THRESHOLD
from classifier.model import TileModel
from classifier.model_folder.arrays import pack_arrays
from classifier.model_folder.card import FAMILIARITY_FILE, NETWORK_FILE, WEIGHTS_FILE, ModelCard
from classifier.model_folder.encoder import EncoderCard, read_encoder
from classifier.progress import ProgressCallback, quiet
from classifier.runtimes.onnx import BIAS, KERNEL, OnnxRuntime
from classifier.runtimes.onnx_session import need_onnx_runtime
from classifier.training.package import Origin, Packaged, bare_card, fit_known_tissue, glass_of, unfitted, views_of
from classifier.training.probe import fit_softmax
from classifier.training.recipe import TrainConfig
from wsi.errors import UsageError

# Strength of the regression's penalty, from strong to none that matters, on features of unit variance.
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_CHOOSING_SHARE = 0.25

Features = NDArray[np.floating]
Labels = NDArray[np.integer]


@dataclass(frozen=True)
class Encoder:
    """An encoder ready to be trained on."""

    card: EncoderCard
    content: bytes

    def recipe(self, changes: Mapping[str, Any]) -> TrainConfig:
        """How a head is trained on it. Raises UsageError for what only a network's training has."""
        if "epochs" in changes:
            raise UsageError("--epochs is for training a network; a head on --encoder has none")
        tile = self.card.tile
        config = TrainConfig(base=self.card.name, network=self.card.network, tile=tile, crop_px=tile.size_px)
        return replace(config, **changes)


def open_encoder(folder: Path) -> Encoder:
    """Raises ModelNotFoundError, ModelError, ModelDigestError."""
    need_onnx_runtime()
    return Encoder(*read_encoder(folder))


def package_head(
    encoder: Encoder,
    learned: TileSet,
    held: TileSet,
    config: TrainConfig,
    origin: Origin,
    progress: ProgressCallback = quiet,
) -> Packaged:
    """Fits a head on the tiles of `learned`, and what must not be fitted on them on `held`."""
    card = bare_card(learned, held, config, origin)
    runtime = OnnxRuntime(card, encoder.content, _no_head(card))
    model = TileModel(card, runtime, unfitted(card))
    features, labels = views_of(model, learned, config, progress)
    penalty = _choose_penalty(features, labels, learned, config.seed)
    head = fit_head(features, labels, len(card.outputs), penalty)
    runtime.set_head(head)
    held_logits, held_features = forward_tiles(model, held, progress=progress)
    temperature, kept = fit_temperature(held_logits, held.labels, held.groups)
    familiarity = fit_known_tissue(features, labels, held_features, held.groups, config.false_alarm_rate)
    hold_out = {
        "tiles": len(held),
        "groups": len(set(held.groups.tolist())),
        "temperature_kept": kept,
        f"not_recognised_{runtime.name}": round(float((familiarity.of(held_features) < THRESHOLD).mean()), 6),
    }
    card = replace(
        card,
        temperature=round(temperature, 6),
        metrics={"hold_out": hold_out},
        training={**card.training, **_how(encoder.card, config, penalty)},
        limits=(*card.limits, _built_on(encoder.card)),
    )
    arrays = {WEIGHTS_FILE: head, FAMILIARITY_FILE: familiarity.to_arrays() | glass_of(learned, config)}
    contents = {NETWORK_FILE: encoder.content, **{name: pack_arrays(held) for name, held in arrays.items()}}
    return Packaged(model.with_card(card, familiarity), contents)


def fit_head(features: Features, labels: Labels, classes: int, penalty: float) -> dict[str, NDArray[np.float32]]:
    """``logits/kernel`` (d, c) and ``logits/bias`` (c,) of a logistic regression on features (n, d) of `labels` (n,),
    made of unit variance, with what does that folded in."""
    features = np.asarray(features, np.float64)
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    weights, bias = fit_softmax((features - mean) / deviation, labels, classes, penalty)
    kernel = weights / deviation[:, None]
    return {KERNEL: kernel.astype(np.float32), BIAS: (bias - mean @ kernel).astype(np.float32)}


def _choose_penalty(features: Features, labels: Labels, learned: TileSet, seed: int) -> float:
    """The one with which some groups of those learned from foretell the others best; the middle one where they are too
    few to tell."""
    aside = hold_out_groups(learned.groups.tolist(), learned.label_names, _CHOOSING_SHARE, seed)
    judged = np.tile(np.isin(learned.groups, list(aside)), len(labels) // len(learned))
    classes = len(learned.classes)
    if not all(len(np.unique(labels[part])) == classes for part in (judged, ~judged)):
        return PENALTIES[len(PENALTIES) // 2]

    def loss(penalty: float) -> float:
        head = fit_head(features[~judged], labels[~judged], classes, penalty)
        scores = features[judged] @ head[KERNEL] + head[BIAS]
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return negative_log_likelihood(powers / powers.sum(axis=1, keepdims=True), labels[judged])

    return min(PENALTIES, key=loss)


def _no_head(card: ModelCard) -> dict[str, NDArray[np.float32]]:
    width = card.network.trunk_features
    return {KERNEL: np.zeros((width, len(card.outputs)), np.float32), BIAS: np.zeros(len(card.outputs), np.float32)}


def _how(encoder: EncoderCard, config: TrainConfig, penalty: float) -> dict[str, Any]:
    """What the card says of the training: of the network's recipe only what was used."""
    used = ("seed", "background", "hold_out_share", "false_alarm_rate", "augmentation", "tile")
    recipe = config.to_dict()
    return {
        "encoder": {
            "name": encoder.name,
            "sha256": encoder.files[NETWORK_FILE],
            "card_sha256": encoder.digest,
            "licence": encoder.licence,
            "source": encoder.source,
        },
        "recipe": {
            "head": "logistic regression on features of unit variance",
            "penalty_c": penalty,
            "views": "each tile as it is, and once augmented",
            **{name: recipe[name] for name in used},
        },
    }


def _built_on(encoder: EncoderCard) -> str:
    return (
        f"Built on the encoder {encoder.name}, made elsewhere ({encoder.source}); its licence: {encoder.licence}. What "
        "it was trained on is not known here: slides of its own training may be among yours."
    )
