"""Keeps what lung-v2 learned from, as features: `python -m classifier.training.packaged.lung_replay TILES`.

TILES is the list that lung-v2 was trained on; another one is refused. Takes the network's features of two of the six
views that the recipe makes of each tile, and of the held-out tiles as they are, and keeps them with the program.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from classifier.dataset.tile_list import TileSet, read_tile_set
from classifier.dataset.whites import with_whites
from classifier.model_folder.arrays import unpack_arrays
from classifier.model_folder.card import WEIGHTS_FILE
from classifier.model_folder.files import ModelFolder, read_folder
from classifier.model_folder.find import DEFAULT_MODEL, find_model
from classifier.progress import Progress, ProgressCallback, quiet
from classifier.training.packaged.replay.head import VIEWS, embedded
from classifier.training.packaged.replay.stored import FOLDER, Replay, write_replay
from classifier.training.probe import tapped_features
from classifier.training.recipe import TrainConfig
from classifier.training.train import learned_and_held
from wsi.errors import DatasetError, PulmoscopeError


def make_replay(folder: ModelFolder, listed: TileSet, progress: ProgressCallback = quiet) -> Replay:
    """The features of a tapped model's own list, in the order of its outputs. Raises DatasetError on another list."""
    card = folder.card
    if listed.digest() != card.training["data_sha256"]:
        raise DatasetError(
            f"{card.name} was trained on another list", hint="write it with `lung_sources`, as its page says"
        )
    config = TrainConfig.from_dict(card.training["recipe"])
    weights = unpack_arrays(folder.contents[WEIGHTS_FILE], WEIGHTS_FILE)
    learned, held = learned_and_held(with_whites(replace(listed, classes=card.outputs)), config)
    whole = replace(config, crop_px=config.tile.size_px)
    parts = [
        tapped_features(weights, learned, config, VIEWS, progress),
        tapped_features(weights, held, whole, 1, progress),
    ]
    records = (*learned.records * VIEWS, *held.records)
    return Replay(
        card.outputs,
        embedded(weights, np.concatenate(parts)),
        np.concatenate([np.tile(learned.labels, VIEWS), held.labels]),
        np.array([record.site for record in records]),
        np.array([record.group for record in records]),
        np.repeat([False, True], [len(learned) * VIEWS, len(held)]),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m classifier.training.packaged.lung_replay", description=__doc__)
    parser.add_argument("tiles", type=Path, help="the CSV that lung-v2 was trained on")
    parser.add_argument("--out", type=Path, default=FOLDER, help="another folder than the program's own")
    arguments = parser.parse_args()

    def show(progress: Progress) -> None:
        print(f"\r{progress!s:<100}", end="", file=sys.stderr, flush=True)

    try:
        folder = read_folder(find_model(DEFAULT_MODEL))
        replay = make_replay(folder, read_tile_set(arguments.tiles), show)
        path = write_replay(replay, unpack_arrays(folder.contents[WEIGHTS_FILE], WEIGHTS_FILE), arguments.out)
    except PulmoscopeError as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_code
    print(f"\n{path.name}: {len(replay)} features, {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
