"""What a model says of a laboratory that it never saw: `python -m benchmarks.left_out PREDICTIONS TILES --site SITE`.

PREDICTIONS is the predictions.csv of `pulmoscope evaluate`, TILES the list that was judged (with a column `site`).
Prints, by tile: how many are told as what they are, and between the two carcinomas. By case and kind: tumour or not,
and which of the two carcinomas, each by the mean of its tiles' probabilities. The model is to be trained on a list from
`classifier.training.packaged.lung_sources --without SITE`.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

CARCINOMAS = ("adenocarcinoma", "squamous_cell_carcinoma")
TUMOURS = frozenset((*CARCINOMAS, "other_tumour"))


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--site", required=True)
    asked = parser.parse_args()
    judged = read_judged(asked.predictions, asked.tiles, asked.site)
    print(f"| {asked.site}, {len(judged)} tiles | right | of |")
    print("| --- | --- | --- |")
    for title, answers in figures_of(judged).items():
        print(f"| {title} | {sum(answers)} ({np.mean(answers):.3f}) | {len(answers)} |")


Tile = tuple[str, str, dict[str, float]]


def read_judged(predictions: Path, tiles: Path, site: str) -> list[Tile]:
    """(class, source group, probability by output) of each tile of the site."""
    with tiles.open(newline="", encoding="utf-8") as file:
        of_site = {row["file"] for row in csv.DictReader(file) if row["site"] == site}
    with predictions.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["file"] in of_site]
    return [
        (row["class"], row["source_group"], {name[2:]: float(row[name]) for name in row if name.startswith("p_")})
        for row in rows
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
