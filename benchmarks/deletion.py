"""Are the maps of evidence true to the model? The deletion test on the tumour tiles that a model calls rightly.

`python -m benchmarks.deletion TILES [--model M] [--split val] [--sample N]` prints the share of tiles whose curve lies
under that of random deletion, and the mean areas.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from classifier.dataset.predict import batches
from classifier.dataset.tile_list import TileSet, read_tile_set
from classifier.evaluation.deletion import CELLS_PER_SIDE, RANDOM_ORDERS, STEPS, DeletionResult, deletion_test
from classifier.model import TileModel, load_model
from classifier.model_folder.find import DEFAULT_MODEL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--split", default="val")
    parser.add_argument("--sample", type=int, default=0, help="Only so many tiles, drawn at random; 0: all.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = load_model(options.model)
    pixels, labels = called_tumours(model, read_tile_set(options.tiles).of_split(options.split))
    if options.sample:
        chosen = np.random.default_rng(options.seed).permutation(len(pixels))[: options.sample]
        pixels, labels = pixels[chosen], labels[chosen]
    found = deletion_test(
        model,
        pixels,
        seed=options.seed,
        progress=lambda done: print(f"\r{done} of {len(pixels)} tiles", end="", file=sys.stderr, flush=True),
    )
    print(f"\n{model.card.name} ({model.runtime}), {CELLS_PER_SIDE}x{CELLS_PER_SIDE} cells, {STEPS} steps, ", end="")
    print(f"{RANDOM_ORDERS} random orders a tile, seed {options.seed}")
    show("all tumours", found)
    for index in np.unique(labels):
        show(model.card.classes[index], DeletionResult(found.by_map[labels == index], found.by_chance[labels == index]))


def called_tumours(model: TileModel, tiles: TileSet) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, size, size, 3) and labels (n,), in the card's order, of the tumour tiles that are called rightly."""
    card = model.card
    wanted = [record for record in tiles.records if record.label in card.tumour_classes]
    labels = np.array([card.classes.index(record.label) for record in wanted])
    tumours = TileSet(tuple(wanted), tiles.classes)
    pixels = np.concatenate([part for _, part in batches(tumours, card.tile)])
    right = model.predict(pixels).probabilities.argmax(axis=1) == labels
    return pixels[right], labels[right]


def show(label: str, found: DeletionResult) -> None:
    print(
        f"{label:<28} {found.beaten} of {len(found)} beat random ({100 * found.share:.1f}%); mean area by the map "
        f"{found.by_map.mean():.3f}, by chance {found.by_chance.mean():.3f}"
    )


if __name__ == "__main__":
    main()
