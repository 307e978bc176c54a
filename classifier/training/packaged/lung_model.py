"""Makes the packaged lung models: `python -m classifier.training.packaged.lung_model TILES --out DIR [--model NAME]`.

lung-v2 is trained on the list that `lung_sources` writes; lung-v1 on LC25000 alone, as `pulmoscope train TILES --base
efficientnet-lite0` would do it: only the card's words are its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from classifier.model_folder.about import LUNG, LUNG_V2
from classifier.networks.efficientnet_lite import EfficientNetLite
from classifier.networks.imagenet import imagenet_weights
from classifier.networks.shape import WHOLE_TILE
from classifier.training.base import EFFICIENTNET, Base, read_base
from classifier.training.packaged.by_hand import train_by_hand
from classifier.training.packaged.lung_sources import ADENOCARCINOMA, MPP, NORMAL, OTHER, SQUAMOUS, TISSUES
from classifier.training.recipe import TrainConfig, fine_tuning
from classifier.training.request import TrainRequest
from classifier.training.train import train
from tiler.spec import TileSpec

FAST_MODEL, CAREFUL_MODEL = "lung-v1", "lung-v2"

# How often a tile on a slide of lung is of a kind: guessed, not fitted to any picture of another laboratory.
# Benign epithelium is a thin line in the lung, and half of the list's tiles of it come from organs that are full of it.
IN_LUNG = {
    ADENOCARCINOMA: 3.0,
    SQUAMOUS: 3.0,
    NORMAL: 3.0,
    OTHER: 0.6,
    "stroma": 2.0,
    "lymphoid": 1.5,
    "necrosis": 1.0,
    "blood": 0.5,
    "epithelium": 0.4,
    "fat": 0.3,
    "other_tissue": 0.2,
}


def careful_recipe(seed: int = 7) -> tuple[Base, TrainConfig]:
    """Of lung-v2: a linear classifier on ImageNet's features at two depths, which are not changed. Changing them
    (`--epochs`) made it better on the laboratories it learned from and worse on others: docs/lung-v2.md."""
    network = EfficientNetLite(stages=5, fields=WHOLE_TILE, taps=(4, 5), embedding=96)
    base = Base(EFFICIENTNET, network, imagenet_weights(network))
    config = replace(
        fine_tuning(base.name, network, TileSpec(192, MPP)),
        seed=seed,
        background=NORMAL,
        tissues=TISSUES,
        priors=IN_LUNG,
    )
    return base, config


def fast_recipe(seed: int = 7) -> tuple[Base, TrainConfig]:
    """Of lung-v1."""
    base = read_base(EFFICIENTNET)
    return base, replace(fine_tuning(base.name, base.network), seed=seed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m classifier.training.packaged.lung_model", description=__doc__)
    parser.add_argument("tiles", type=Path, help="the CSV of lung tiles")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    parser.add_argument("--model", choices=(FAST_MODEL, CAREFUL_MODEL), default=CAREFUL_MODEL)
    parser.add_argument("--epochs", type=int, help="default: as the recipe says; 0: the linear classifier alone")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--further", type=Path, help="JSON of figures measured apart, for the card")
    arguments = parser.parse_args()
    return train_by_hand(lambda show: train(_request(arguments), show))


def _request(arguments: argparse.Namespace) -> TrainRequest:
    careful = arguments.model == CAREFUL_MODEL
    base, config = (careful_recipe if careful else fast_recipe)(arguments.seed)
    if arguments.epochs is not None:
        config = replace(config, epochs=arguments.epochs)
    command = f"python -m classifier.training.packaged.lung_model TILES --out DIR --model {arguments.model}"
    return TrainRequest(
        arguments.tiles,
        arguments.out,
        config,
        base,
        arguments.model,
        LUNG_V2 if careful else LUNG,
        f"{command} --seed {arguments.seed}",
        further=json.loads(arguments.further.read_text(encoding="utf-8")) if arguments.further else {},
    )


if __name__ == "__main__":
    sys.exit(main())
