"""Slides composed of LC25000's tiles, as bags of features with a truth that is known (docs/slides.md). For
`benchmarks.mosaics`; prints nothing.

A slide is 600 tiles with a blot of tumour. LC25000's tiles tell tumour from normal without a fault, so the rule cannot
be beaten on whole ones. Hence a second kind: in `edge` slides a tumour tile is a normal one with a corner, 15% of its
area, of tumour. Every other tile of every slide has a corner of another tile of its own class, so that a pasted corner
by itself tells nothing.

Truth is by construction; the slides are no patients: their tiles come from 31 `val` source images a class, so two
slides share images, and all is from one laboratory.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aggregate.pool import pool
from aggregate.result import TileTable
from aggregate.slide_model.bags import Bag, FeatureSource, LabelledBag
from aggregate.slide_model.figures import slide_figures
from classifier.evaluation.shifts import rescale, stains
from classifier.familiarity import not_turned_away
from classifier.model import load_model
from tiler.spec import TileQuality

MODEL, TILE_PX = "lung-v1", 224
ROWS, COLUMNS = 24, 25
TUMOURS = ("adenocarcinoma", "squamous_cell_carcinoma")
WHOLE, EDGE = KINDS = ("whole", "edge")
NORMAL = "normal"
CORNER_SHARE = 0.15
Counts = dict[tuple[str, float], int]


@dataclass(frozen=True)
class Tiles:
    """What the tile model says of m tiles: probabilities (m, c), features (m, d), whether it recognises them, class and
    split (m,). `classes` are the model's."""

    classes: tuple[str, ...]
    background: str
    sha256: str
    probabilities: NDArray[np.float32]
    features: NDArray[np.float16]
    recognised: NDArray[np.bool_]
    label: NDArray[np.str_]
    split: NDArray[np.str_]
    rows: list[dict[str, str]]


@dataclass(frozen=True)
class Mosaic:
    """A composed slide: its bag, which of its tiles are tumour, the rule's probability that there is tumour."""

    bag: Bag
    tumour: NDArray[np.bool_]
    chosen: NDArray[np.int64]
    rule: float


Slides = list[tuple[Mosaic, tuple[str, float]]]
"""(mosaic, (kind, share of tumour))"""


@dataclass(frozen=True)
class Made(LabelledBag):
    """A labelled slide whose bag is in memory."""

    bag: Bag | None = None

    def read(self) -> Bag:
        assert self.bag is not None
        return self.bag

    def sha256(self) -> str:
        return self.slide_id


def tile_facts(data: Path, cache: Path, shift: str = "") -> Tiles:
    """The model's words on each tile of 224 px with a corner of another of its class, and on each normal one with a
    corner of tumour (``edge``), taken once. `shifted` are the `val` tiles as another laboratory might show them: less
    haematoxylin, more eosin, a coarser scan."""
    model = load_model(MODEL, threads=2)
    rows = _rows(data, shift)
    kept = cache / f"{MODEL}-{shift or 'as-they-are'}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        parts = []
        for at in range(0, len(rows), 32):
            parts.append(model.predict(np.stack([tile_pixels(data, row, shift) for row in rows[at : at + 32]])))
        names = ("probabilities", "features", "familiarity")
        np.savez(kept, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
    told, card = np.load(kept), model.card
    return Tiles(
        card.classes,
        card.background,
        card.digest,
        told["probabilities"],
        told["features"],
        not_turned_away(told["familiarity"], card.familiarity_threshold),
        np.array([row["kind"] for row in rows]),
        np.array([row["split"] for row in rows]),
        rows,
    )


def _rows(data: Path, shift: str) -> list[dict[str, str]]:
    """The list's rows, whose `corner` names another tile of their class and split; then one a normal tile whose corner
    is a tumour tile of its split."""
    with (data / "lc25000" / "tiles.csv").open() as file:
        listed = [row for row in csv.DictReader(file) if row["mpp"] == "1.0"]
    rng = np.random.default_rng(0)
    files = {
        (split, classes): [one["file"] for one in listed if one["split"] == split and one["class"] in classes]
        for split in ("train", "val")
        for classes in (TUMOURS, *((name,) for name in (NORMAL, *TUMOURS)))
    }

    def corner(row: dict[str, str], classes: tuple[str, ...]) -> str:
        kept = files[row["split"], classes]
        chosen = kept[int(rng.integers(len(kept)))]
        return chosen if chosen != row["file"] else corner(row, classes)

    rows = [{**row, "corner": corner(row, (row["class"],)), "kind": row["class"]} for row in listed]
    edges = [{**row, "corner": corner(row, TUMOURS), "kind": EDGE} for row in listed if row["class"] not in TUMOURS]
    return [row for row in (*rows, *edges) if not shift or row["split"] == "val"]


def tile_pixels(data: Path, row: dict[str, str], shift: str) -> NDArray[np.uint8]:
    """uint8 (TILE_PX, TILE_PX, 3) of a row's tile with its pasted corner."""
    pixels, other = (np.array(Image.open(data / "lc25000" / row[name]).convert("RGB")) for name in ("file", "corner"))
    side, rng = round(TILE_PX * CORNER_SHARE**0.5), np.random.default_rng(list(row["file"].encode()))
    y, x, from_y, from_x = rng.integers(0, TILE_PX - side, 4)
    pixels[y : y + side, x : x + side] = other[from_y : from_y + side, from_x : from_x + side]
    return rescale(stains(pixels, haematoxylin=0.8, eosin=1.25), factor=0.85) if shift else pixels


def compose(tiles: Tiles, split: str, kind: str, share: float, rng: np.random.Generator, name: str) -> Mosaic:
    """A slide of normal tiles with a blot of `share` tumour tiles of one class, or ``edge`` tiles, grown from a random
    cell."""
    cells = np.stack(np.divmod(np.arange(ROWS * COLUMNS), COLUMNS), axis=1)
    centre = rng.integers((ROWS, COLUMNS))
    # A ragged disc: distances with noise.
    far = np.hypot(*(cells - centre).T) + rng.uniform(0, 1.5, len(cells))
    tumour = np.zeros(len(cells), np.bool_)
    tumour[np.argsort(far)[: round(share * len(cells))]] = True
    label = EDGE if kind == EDGE else TUMOURS[rng.integers(len(TUMOURS))]
    normal, other = (np.flatnonzero((tiles.split == split) & (tiles.label == one)) for one in (NORMAL, label))
    chosen = np.where(tumour, rng.choice(other, len(cells)), rng.choice(normal, len(cells)))
    return _mosaic(tiles, chosen, cells, tumour, name)


def _mosaic(
    tiles: Tiles, chosen: NDArray[np.int64], cells: NDArray[np.int64], tumour: NDArray[np.bool_], name: str
) -> Mosaic:
    votes, n = tiles.recognised[chosen], len(chosen)
    found = pool(
        tiles.probabilities[chosen][votes],
        cells[votes],
        np.ones(int(votes.sum())),
        background=tiles.classes.index(tiles.background),
    )
    table = TileTable(
        xy=(cells[:, ::-1] * TILE_PX).astype(np.int32),
        probabilities=tiles.probabilities[chosen],
        familiarity=votes.astype(np.float32),
        quality=np.full(n, TileQuality.GOOD, np.uint8),
        features=tiles.features[chosen],
        tissue_fraction=np.ones(n, np.float32),
        votes=votes,
    )
    told = {
        "classes": tiles.classes,
        "background": tiles.background,
        "qc": {"hotspot": found.hotspot, "share_unfamiliar": float((~votes).mean())},
        "probabilities": dict(zip(tiles.classes, found.probabilities.tolist(), strict=True)),
    }
    source = FeatureSource(tiles.features.shape[1], tiles.sha256)
    bag = Bag(name, table.features, source, table.xy, slide_figures(told, table))
    return Mosaic(bag, tumour, chosen, found.hotspot)


def slides_of(tiles: Tiles, split: str, counts: Counts, seed: int) -> Slides:
    """(mosaic, (kind, share of tumour)), as many of each as `counts` says."""
    rng = np.random.default_rng(seed)
    return [
        (compose(tiles, split, kind, share, rng, f"{split}-{kind}-{share}-{i}"), (kind, share))
        for (kind, share), count in counts.items()
        for i in range(count)
    ]
