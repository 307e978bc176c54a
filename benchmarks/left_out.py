"""What lung-v2's recipe says of a laboratory that it never saw: `python -m benchmarks.left_out TILES [--site SITE]...`.

TILES is the list that `classifier.training.packaged.lung_sources` writes. For each site the linear classifier is fitted
on all others and shown the site's tiles (of LC25000 the `val` split). Prints, by tile: how many are told as what they
are, and between the two carcinomas. By case and kind: tumour or not, and which of the two carcinomas, by the mean of
its tiles' probabilities. Some ten minutes a site. `--beside lung-v1` shows the same tiles to a model as it is packaged:
what that says of a laboratory that it learned from means nothing.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from classifier.calibrate import softmax
from classifier.dataset.predict import forward_tiles
from classifier.dataset.split import TRAIN, VALIDATION
from classifier.dataset.tile_list import TileRecord, TileSet, read_tile_set
from classifier.dataset.whites import with_whites
from classifier.model import TileModel, load_model
from classifier.model_folder.about import LUNG_V2
from classifier.networks.build import build_network, network_weights
from classifier.runtimes.tensorflow import TensorFlowRuntime
from classifier.training.package import Origin, bare_card, unfitted
from classifier.training.packaged.lung_model import careful_recipe
from classifier.training.probe import probe

CARCINOMAS = ("adenocarcinoma", "squamous_cell_carcinoma")
TUMOURS = frozenset((*CARCINOMAS, "other_tumour"))
SITES = ("lc25000", "atlas")

Tile = tuple[str, str, dict[str, float]]


def main() -> None:
    """Prints a Markdown table a site."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--site", action="append", help=f"default: {', '.join(SITES)}")
    parser.add_argument("--beside", metavar="MODEL", action="append", default=[])
    asked = parser.parse_args()
    listed = read_tile_set(asked.tiles)
    for site in asked.site or SITES:
        shown = with_whites(TileSet(tuple(judged_of(listed, site)), listed.classes))
        for name in asked.beside:
            print_figures(f"{site}, {name} as it is packaged", judge(load_model(name), shown))
        print_figures(f"{site}, trained without it", judge(train_without(listed, site), shown))


def print_figures(title: str, judged: list[Tile]) -> None:
    print(f"\n| {title}, {len(judged)} tiles | right | of |", flush=True)
    print("| --- | --- | --- |")
    for line, answers in figures_of(judged).items():
        print(f"| {line} | {sum(answers)} ({np.mean(answers):.3f}) | {len(answers)} |", flush=True)


def judged_of(listed: TileSet, site: str) -> list[TileRecord]:
    """The site's tiles that judge: its `val` split, or all where it has none."""
    own = [record for record in listed.records if record.site == site]
    return [record for record in own if record.split == VALIDATION] or own


def train_without(listed: TileSet, site: str) -> TileModel:
    """A model of all laboratories but `site`."""
    learned = [record for record in listed.records if record.site != site and record.split == TRAIN]
    present = {record.label for record in learned}
    classes = tuple(name for name in listed.classes if name in present)
    base, recipe = careful_recipe()
    config = replace(recipe, tissues=tuple(name for name in recipe.tissues if name in present))
    classes = (*(name for name in classes if name not in config.tissues), *config.tissues)
    taught = with_whites(TileSet(tuple(learned), classes))
    start = base.weights_for(classes)
    whole = network_weights(build_network(config.network, len(classes), config.tile.size_px))
    weights = {**whole, **probe(start, taught, config)}
    card = bare_card(taught, taught, config, Origin("left-out", LUNG_V2, "", "0" * 64))
    return TileModel(card, TensorFlowRuntime(card, weights), unfitted(card))


def judge(model: TileModel, shown: TileSet) -> list[Tile]:
    """(class, source group, probability by output) of each tile."""
    p = softmax(forward_tiles(model, shown)[0], 1.0)
    return [
        (record.label, record.group, dict(zip(model.card.outputs, map(float, row), strict=True)))
        for record, row in zip(shown.records, p, strict=True)
    ]


def figures_of(judged: list[Tile]) -> dict[str, list[bool]]:
    """Right or wrong, by what was asked; of two carcinomas the likelier one counts, whatever else is likely."""
    cases: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for label, group, p in judged:
        cases[group, label].append(p)
    means = {key: {name: float(np.mean([p[name] for p in told])) for name in told[0]} for key, told in cases.items()}
    return {
        "tiles told as what they are": [max(p, key=lambda name: p[name]) == label for label, _, p in judged],
        "tiles of the two carcinomas: which": [carcinoma(p) == label for label, _, p in judged if label in CARCINOMAS],
        "tiles: tumour or not": [is_tumour(p) == (label in TUMOURS) for label, _, p in judged],
        "cases and kinds: tumour or not": [is_tumour(p) == (label in TUMOURS) for (_, label), p in means.items()],
        "cases of the two carcinomas: which": [
            carcinoma(p) == label for (_, label), p in means.items() if label in CARCINOMAS
        ],
    }


def carcinoma(p: dict[str, float]) -> str:
    """The likelier of the two."""
    return max(CARCINOMAS, key=lambda name: p[name])


def is_tumour(p: dict[str, float]) -> bool:
    """Whether the tumours together are likelier than all without tumour."""
    return sum(p[name] for name in p if name in TUMOURS) > 0.5


if __name__ == "__main__":
    main()
