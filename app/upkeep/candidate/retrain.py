"""A candidate: the base trained on, with what a laboratory's readers signed beside the tiles that it must not
forget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from app.upkeep.learning.learning_set import LearningSet
from classifier.dataset.split import TEST
from classifier.dataset.tile_list import TileSet, read_tile_set
from classifier.model_folder.about import About
from classifier.model_folder.card import ModelCard
from classifier.model_folder.files import read_card
from classifier.model_folder.find import find_model
from classifier.progress import ProgressCallback, quiet
from classifier.training.base import Base, read_base
from classifier.training.recipe import fine_tuning
from classifier.training.request import TrainRequest
from classifier.training.train import train
from wsi.errors import DatasetError, UsageError

COMMAND = "pulmoscope retrain --base MODEL --learning DIR --replay TILES --out CANDIDATE"
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
    """`replay` is a list of tiles that holds every class of the base: what it is not to forget. Its own splits
    stand."""

    base: str
    learning: Path
    replay: Path
    out: Path
    name: str = ""
    seed: int | None = None


def retrain(
    request: RetrainRequest, progress: ProgressCallback = quiet, warn: Callable[[str], None] = lambda text: None
) -> ModelCard:
    """Trains the candidate and notes in the learning set that it did. The tiles of the fifth of the groups that judges
    are not learned from. Raises UsageError, DatasetError, ModelError, StoreError, OutputBusyError,
    OutputUnwritableError."""
    base, learning = read_base(request.base), LearningSet(request.learning)
    with learning.writing() as writing:
        standing = learning.standing()
        if not standing.regions:
            raise UsageError("nothing was learned yet", hint="`pulmoscope learn` takes in what was signed")
        tiles = together(read_tile_set(writing.list_tiles(), fewest_classes=1), read_tile_set(request.replay), base)
        background = read_card(find_model(request.base)).background
        recipe = replace(fine_tuning(base.name, base.network, base.tile), tissues=base.tissues, background=background)
        if request.seed is not None:
            recipe = replace(recipe, seed=request.seed)
        further = {
            "base": base.name,
            "learning": {"version": standing.version, "regions": len(standing.regions)},
            "replayed_tiles": sum(record.group.startswith(_REPLAYED) for record in tiles.records),
            "learned_tiles": sum(record.group.startswith(_LEARNED) for record in tiles.records),
        }
        asked = TrainRequest(
            tiles, request.out, recipe, base, request.name or base.name.split()[0], _ABOUT, COMMAND, further
        )
        card = train(asked, progress, warn)
        writing.trained(card.digest)
    return card


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
    of_learned = learned.of_split("train").records
    records = (
        *(replace(record, group=_LEARNED + record.group) for record in of_learned),
        *(replace(record, group=_REPLAYED + record.group) for record in replayed.records if record.split != TEST),
    )
    if not replayed.has_splits:
        records = tuple(replace(record, split="") for record in records)
    return TileSet(records, replayed.classes, (*replayed.warnings, *learned.warnings))
