"""A candidate: the base trained on, with what a laboratory's readers signed beside what it must not forget: tiles that
are given, or else the features that it learned from, where they are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.upkeep.learning.learning_set import LearningSet
from classifier.dataset.split import TEST, TRAIN
from classifier.dataset.tile_list import TileSet, read_tile_set
from classifier.model_folder.about import About
from classifier.model_folder.arrays import unpack_arrays
from classifier.model_folder.card import WEIGHTS_FILE, ModelCard
from classifier.model_folder.files import ModelFolder, read_card, read_folder
from classifier.model_folder.find import find_model
from classifier.progress import ProgressCallback, quiet
from classifier.training.base import Base, read_base
from classifier.training.packaged.replay.retrain import Further, train_last_layer
from classifier.training.packaged.replay.stored import Replay, find_replay
from classifier.training.recipe import fine_tuning
from classifier.training.request import TrainRequest
from classifier.training.train import train
from wsi.errors import DatasetError, UsageError

COMMAND = "pulmoscope retrain --base MODEL --learning DIR [--replay TILES] --out CANDIDATE"
Warn = Callable[[str], None]
# Tiles of one list never share a group with those of the other.
_LEARNED, _REPLAYED = "learned/", "replayed/"
_ABOUT = About(
    intended_use="Research use only. Trained further on regions that readers of one laboratory signed; it assists, a "
    "person decides.",
    limits=("Judged where its base was and where it was corrected: see the report of its gate.",),
    never_shown=(),
)


@dataclass(frozen=True)
class RetrainRequest:
    """`replay` is a list of tiles that holds every class of the base: what it is not to forget. Its own splits stand.
    None: the features that the base learned from, which are kept for `lung-v2` and all that is retrained from it."""

    base: str
    learning: Path
    replay: Path | None
    out: Path
    name: str = ""
    seed: int | None = None


def retrain(request: RetrainRequest, progress: ProgressCallback = quiet, warn: Warn = lambda text: None) -> ModelCard:
    """Trains the candidate and notes in the learning set that it did. The tiles of the fifth of the groups that judges
    are not learned from. Raises UsageError, DatasetError, ModelError, StoreError, OutputBusyError,
    OutputUnwritableError."""
    learning = LearningSet(request.learning)
    with learning.writing() as writing:
        standing = learning.standing()
        if not standing.regions:
            raise UsageError("nothing was learned yet", hint="`pulmoscope learn` takes in what was signed")
        learned = read_tile_set(writing.list_tiles(), fewest_classes=1)
        told = {"version": standing.version, "regions": len(standing.regions)}
        card = (_on_features if request.replay is None else _on_tiles)(request, learned, told, progress, warn)
        writing.trained(card.digest)
    return card


def _on_tiles(
    request: RetrainRequest, learned: TileSet, told: Mapping[str, Any], progress: ProgressCallback, warn: Warn
) -> ModelCard:
    assert request.replay is not None
    base = read_base(request.base)
    tiles = together(learned, read_tile_set(request.replay), base)
    background = read_card(find_model(request.base)).background
    recipe = replace(fine_tuning(base.name, base.network, base.tile), tissues=base.tissues, background=background)
    if request.seed is not None:
        recipe = replace(recipe, seed=request.seed)
    further = {
        "base": base.name,
        "learning": told,
        "replayed_tiles": sum(record.group.startswith(_REPLAYED) for record in tiles.records),
        "learned_tiles": sum(record.group.startswith(_LEARNED) for record in tiles.records),
    }
    name = request.name or base.name.split()[0]
    return train(TrainRequest(tiles, request.out, recipe, base, name, _ABOUT, COMMAND, further), progress, warn)


def _on_features(
    request: RetrainRequest, learned: TileSet, told: Mapping[str, Any], progress: ProgressCallback, warn: Warn
) -> ModelCard:
    base = read_folder(find_model(request.base))
    replay = kept_features(base)
    if replay is None:
        raise UsageError(
            f"what {base.card.name} learned from is not kept",
            hint="give --replay TILES, with tiles of each of its classes",
        )
    tiles = learned.of_split(TRAIN)
    if not len(tiles):
        raise DatasetError("all that was learned is set aside to judge", hint="sign regions on slides of more patients")
    further = {
        "base": f"{base.card.name} {base.card.digest}",
        "learning": told,
        "replayed_features": len(replay.part(held=False)),
        "learned_tiles": len(tiles),
    }
    name = request.name or base.card.name
    return train_last_layer(
        Further(base, replay, tiles, request.out, name, _ABOUT, COMMAND, further, request.seed), progress
    )


def kept_features(base: ModelFolder) -> Replay | None:
    """What a model learned from, where it is kept. Raises ModelError."""
    if WEIGHTS_FILE not in base.contents:
        return None
    return find_replay(unpack_arrays(base.contents[WEIGHTS_FILE], WEIGHTS_FILE))


def together(learned: TileSet, replayed: TileSet, base: Base) -> TileSet:
    """One list to train on: all of the replayed tiles, and the learned ones that do not judge. Raises DatasetError."""
    outputs = frozenset((*base.classes, *base.tissues))
    missing = sorted(outputs - frozenset(replayed.classes))
    if missing:
        raise DatasetError(
            f"the replayed tiles have none of {', '.join(missing)}: {base.name} would forget it",
            hint="--replay takes a list with tiles of every class of the base",
        )
    strange = sorted({*learned.classes, *replayed.classes} - outputs)
    if strange:
        raise DatasetError(f"{base.name} knows no {', '.join(strange)}", hint="train a new model with `train --base`")
    of_learned = learned.of_split(TRAIN).records
    records = (
        *(replace(record, group=_LEARNED + record.group) for record in of_learned),
        *(replace(record, group=_REPLAYED + record.group) for record in replayed.records if record.split != TEST),
    )
    if not replayed.has_splits:
        records = tuple(replace(record, split="") for record in records)
    return TileSet(records, replayed.classes, (*replayed.warnings, *learned.warnings))
