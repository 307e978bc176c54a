"""From a base, what it learned from and new tiles to a model folder: a story in six steps, each told elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from classifier.calibrate import fit_temperature, softmax, sure_from
from classifier.dataset.tile_list import TileSet
from classifier.familiarity import THRESHOLD, Familiarity
from classifier.model_folder.about import About
from classifier.model_folder.arrays import pack_arrays, unpack_arrays
from classifier.model_folder.card import (
    FAMILIARITY_FILE,
    LITERT_FILE,
    LITERT_FLOAT_FILE,
    WEIGHTS_FILE,
    ModelCard,
)
from classifier.model_folder.files import ModelFolder, refuse_finished, write_folder
from classifier.progress import ProgressCallback, quiet
from classifier.training.balance import shares_of
from classifier.training.package import fit_known_tissue
from classifier.training.packaged.replay.head import (
    BIAS,
    KERNEL,
    Learned,
    Weights,
    features_of_tiles,
    fit_last_layer,
    with_last_layer,
)
from classifier.training.packaged.replay.stored import Replay
from classifier.training.recipe import TrainConfig
from wsi.errors import ModelError
from wsi.files.writing import unwritable

_GLASS = ("white",)


@dataclass(frozen=True)
class Further:
    """What is asked: the base, what it learned from, new tiles (all of them are learned from), and what the new card
    says. `told` stands under `further` in its metrics."""

    base: ModelFolder
    replay: Replay
    tiles: TileSet
    out: Path
    name: str
    about: About
    command: str
    told: Mapping[str, Any]
    seed: int | None = None


def train_last_layer(asked: Further, progress: ProgressCallback = quiet) -> ModelCard:
    """Fits, calibrates on the base's held-out tiles, and writes the model. Raises DatasetError, ModelError,
    OutputUnwritableError, UsageError (`out` holds a model)."""
    refuse_finished(asked.out)
    base, card = asked.base, asked.base.card
    if asked.replay.classes != card.outputs:
        raise ModelError("what the base learned from has other classes", hint="give the base's tiles to --replay")
    weights = unpack_arrays(base.contents[WEIGHTS_FILE], WEIGHTS_FILE)
    config = _recipe(card, asked.seed)
    learned = features_of_tiles(weights, asked.tiles, config, progress)
    layer = fit_last_layer(asked.replay, learned, config)
    familiarity = _known(asked.replay, learned, config)
    contents = _contents(base, weights, layer, familiarity)
    made = _card(asked, config, layer, familiarity)
    try:
        return write_folder(asked.out, made, contents)
    except OSError as error:
        raise unwritable(f"to {asked.out}", error, "choose another --out") from error


def _recipe(card: ModelCard, seed: int | None) -> TrainConfig:
    """That of the base, as its card keeps it."""
    try:
        config = TrainConfig.from_dict(card.training["recipe"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"the card of {card.name} tells no recipe", hint="give the base's tiles to --replay"
        ) from error
    return config if seed is None else replace(config, seed=seed)


def _known(replay: Replay, learned: Learned, config: TrainConfig) -> Familiarity:
    old, held = replay.part(held=False), replay.part(held=True)
    index = {name: number for number, name in enumerate(replay.classes)}
    labels = np.concatenate([old.labels, np.array([index[label] for label, _, _ in learned.names], np.int64)])
    features = np.concatenate([old.features, learned.features])
    return fit_known_tissue(features, labels, held.features, held.groups, config.false_alarm_rate)


def _contents(base: ModelFolder, weights: Weights, layer: Weights, familiarity: Familiarity) -> dict[str, bytes]:
    contents = {WEIGHTS_FILE: pack_arrays({**weights, **layer})}
    for name in (LITERT_FILE, LITERT_FLOAT_FILE):
        if name in base.contents:
            contents[name] = with_last_layer(base.contents[name], weights, layer)
    stored = unpack_arrays(base.contents[FAMILIARITY_FILE], FAMILIARITY_FILE)
    # What the base's tiles showed of glass: the same as before.
    glass = {name: array for name, array in stored.items() if name not in familiarity.to_arrays()}
    contents[FAMILIARITY_FILE] = pack_arrays(familiarity.to_arrays() | glass)
    return contents


def _card(asked: Further, config: TrainConfig, layer: Weights, familiarity: Familiarity) -> ModelCard:
    held = asked.replay.part(held=True)
    logits = held.features @ layer[KERNEL] + layer[BIAS]
    temperature, kept = fit_temperature(logits, held.labels, held.groups)
    probabilities = softmax(logits, temperature)
    hold_out = {
        "tiles": len(held),
        "groups": len(set(held.groups.tolist())),
        "right": round(float((logits.argmax(axis=1) == held.labels).mean()), 4),
        "temperature_kept": kept,
        "not_recognised_tensorflow": round(float((familiarity.of(held.features) < THRESHOLD).mean()), 6),
    }
    before = asked.base.card
    return replace(
        before,
        name=asked.name,
        version="1.0.0",
        temperature=round(temperature, 6),
        sure_from=round(sure_from(probabilities, held.labels, shares_of(held.names())), 6),
        metrics={"hold_out": hold_out, "further": dict(asked.told)},
        training={
            **before.training,
            "data_sha256": asked.tiles.digest(),
            "tiles": asked.tiles.counts(),
            "command": asked.command,
            "seed": config.seed,
            "recipe": config.to_dict(),
        },
        intended_use=asked.about.intended_use,
        limits=(*asked.about.limits, *(text for text in before.limits if text not in asked.about.limits)),
        files={},
        digest="",
    )
