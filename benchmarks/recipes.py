"""The lung model's recipe beside others: `python -m benchmarks.recipes TILES DIR NAME...` trains each into DIR/NAME.

Prints a line for each from its card: accuracy, recalls, calibration and the worst shift on the validation groups. A run
that was interrupted goes on; one that has ended is only read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from classifier.dataset.split import TRAIN, VALIDATION
from classifier.dataset.tile_list import TileRecord, TileSet, read_tile_set
from classifier.evaluation.intervals import Figure
from classifier.model_folder.card import CARD_FILE, ModelCard
from classifier.model_folder.files import read_card
from classifier.networks.efficientnet_lite import EfficientNetLite
from classifier.progress import Progress
from classifier.training.augment import Augmentation
from classifier.training.base import EFFICIENTNET, Base, read_base
from classifier.training.recipe import TrainConfig, fine_tuning
from classifier.training.request import TrainRequest
from classifier.training.train import train

SEED = 7
UNCHANGED = Augmentation(scale=0.0, stain_share=0.0, hue_share=0.0, blur_share=0.0, jpeg_share=0.0)


@dataclass(frozen=True)
class Variant:
    """A way to train: on `chosen` tiles, with the lung model's recipe `changed`, from its base or `from_nothing`."""

    chosen: Callable[[TileSet], TileSet] = lambda tiles: tiles
    changed: Callable[[TrainConfig], TrainConfig] = lambda config: config
    from_nothing: bool = False


def leaking(tiles: TileSet) -> TileSet:
    """As most published splits: single tiles at random, so that near copies lie on both sides."""
    rng = np.random.default_rng(SEED)
    share = sum(record.split == VALIDATION for record in tiles.records) / len(tiles)

    def alone(record: TileRecord) -> TileRecord:
        return replace(record, group=record.file, split=VALIDATION if rng.random() < share else TRAIN)

    return replace(tiles, records=tuple(alone(record) for record in tiles.records))


def images_a_class(count: int) -> Callable[[TileSet], TileSet]:
    """Only `count` source images of each class to learn from; all validation groups stay."""

    def chosen(tiles: TileSet) -> TileSet:
        rng = np.random.default_rng(SEED)
        training = tiles.of_split(TRAIN)
        kept: set[str] = set()
        for label in tiles.classes:
            groups = sorted({record.group for record in training.records if record.label == label})
            kept.update(rng.permutation(groups)[:count].tolist())
        return replace(tiles, records=(*training.of_groups(kept).records, *tiles.of_split(VALIDATION).records))

    return chosen


VARIANTS = {
    "as-shipped": Variant(),
    "seed-8": Variant(changed=lambda config: replace(config, seed=8)),
    "seed-9": Variant(changed=lambda config: replace(config, seed=9)),
    "no-augmentation": Variant(changed=lambda config: replace(config, augmentation=UNCHANGED)),
    "random-split": Variant(chosen=leaking),
    "from-nothing": Variant(from_nothing=True),
    "two-fields": Variant(changed=lambda config: replace(config, network=EfficientNetLite(fields=(2, 1)))),
    **{f"{count}-images": Variant(chosen=images_a_class(count)) for count in (5, 20, 100)},
    **{
        f"{count}-images-from-nothing": Variant(chosen=images_a_class(count), from_nothing=True)
        for count in (5, 20, 100)
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", choices=sorted(VARIANTS), metavar="NAME", help=", ".join(VARIANTS))
    options = parser.parse_args()
    base, tiles = read_base(EFFICIENTNET), read_tile_set(options.tiles)
    for name in options.names:
        out = options.folder / name
        card = read_card(out) if (out / CARD_FILE).exists() else _train(VARIANTS[name], tiles, out, base)
        print(line(name, card), flush=True)


def _train(variant: Variant, tiles: TileSet, out: Path, base: Base) -> ModelCard:
    config = fine_tuning(base.name, base.network)
    if variant.from_nothing:
        config = replace(TrainConfig(), min_steps=config.min_steps)

    def show(progress: Progress) -> None:
        print(f"\r{progress!s:<100.100}", end="", file=sys.stderr, flush=True)

    start = None if variant.from_nothing else base
    recipe = variant.changed(replace(config, seed=SEED))
    card = train(TrainRequest(variant.chosen(tiles), out, recipe, start), show)
    print(file=sys.stderr)
    return card


def line(name: str, card: ModelCard) -> str:
    """One row of a Markdown table."""
    found = card.metrics[VALIDATION]
    figures = found["figures"]
    recalls = " / ".join(f"{figures[f'sensitivity:{label}']['value']:.3f}" for label in card.classes)
    accuracy = Figure.from_dict(figures["accuracy"])
    worst = min(found["shifts"], key=lambda shift: shift["difference"]["value"])
    return (
        f"| {name} | {accuracy} | {recalls} "
        f"| {figures['ece']['value']:.3f} | {100 * worst['difference']['value']:+.1f} ({worst['title']}) |"
    )


if __name__ == "__main__":
    main()
