"""Slides of known truth, composed of LC25000's tiles: attention beside the pooled rule, calibration, sets
(docs/slides.md).

`PULMOSCOPE_DATA=DIR python -m benchmarks.mosaics CACHE` takes the features of every tile once (lung-v1), composes
slides of 600 tiles of them as bags, with a blot of 0, 1, 3 or 10% tumour tiles, trains on slides of the `train` groups,
tests on slides of the `val` groups, and prints the figures. `--slides N` first draws N of them as real files and runs
them, to show that a composed bag is what `run` gives.

LC25000's tiles tell tumour from normal without a fault, so the rule cannot be beaten on whole ones. Hence a second
kind: in `edge` slides a tumour tile is a normal one with a corner, 15% of its area, of tumour. Every normal tile of
every slide has a corner of another normal tile, so that a pasted corner by itself tells nothing.

Truth is by construction; the slides are no patients: their tiles come from 31 `val` source images a class, so two
slides share images, and all is from one laboratory.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aggregate.pool import pool
from aggregate.result import TileTable
from aggregate.slide_model.bags import Bag, FeatureSource, LabelledBag
from aggregate.slide_model.calibrate import fit_calibration
from aggregate.slide_model.conformal import LEVELS, fit_sets
from aggregate.slide_model.figures import slide_figures
from aggregate.slide_model.fit import SlideRecipe
from aggregate.slide_model.judge import balanced_accuracy
from aggregate.slide_model.labels import LabelledSlides
from aggregate.slide_model.model import SlideModel, load_slide_model
from aggregate.slide_model.train import SlideTraining, train_on
from classifier.evaluation.metrics import area_under_curve, expected_calibration_error
from classifier.evaluation.shifts import rescale, stains
from classifier.familiarity import not_turned_away
from classifier.model import load_model
from tiler.spec import TileQuality

MODEL, TILE_PX = "lung-v1", 224
ROWS, COLUMNS = 24, 25
CLASSES = ("normal", "tumour")
SHARES = (0.01, 0.03, 0.1)
TUMOURS = ("adenocarcinoma", "squamous_cell_carcinoma")
WHOLE, EDGE = KINDS = ("whole", "edge")
SEAM = "seam"
CORNER_SHARE = 0.15
# Two networks, not five: the pages' figures were made on a busy machine.
FOLDS = 2
SHIFTED = "shifted"
# Chosen beforehand: what cross-validation mostly chooses from sixty slides, and two hundred choices cost minutes.
SMOOTH = ("temperature-and-bias",)
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
    """The model's words on all tiles of 224 px, and on each normal one with a corner of tumour (``edge``) and of other
    normal tissue (``seam``), taken once. `shifted` are the `val` tiles as another laboratory might show them: less
    haematoxylin, more eosin, a coarser scan."""
    model = load_model(MODEL, threads=2)
    rows = _rows(data, shift)
    kept = cache / f"{MODEL}-{shift or 'as-they-are'}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        parts = []
        for at in range(0, len(rows), 32):
            parts.append(model.predict(np.stack([_pixels(data, row, shift) for row in rows[at : at + 32]])))
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
        np.array([row["kind"] or row["class"] for row in rows]),
        np.array([row["split"] for row in rows]),
        rows,
    )


def _rows(data: Path, shift: str) -> list[dict[str, str]]:
    """The list's rows, then one a normal tile whose `corner` names a tumour tile of its split."""
    with (data / "lc25000" / "tiles.csv").open() as file:
        rows = [{**row, "corner": "", "kind": ""} for row in csv.DictReader(file) if row["mpp"] == "1.0"]
    rng = np.random.default_rng(0)
    tumours = {
        split: [row["file"] for row in rows if row["split"] == split and row["class"] in TUMOURS]
        for split in ("train", "val")
    }
    edges = [{**row, "corner": str(rng.choice(tumours[row["split"]]))} for row in rows if row["class"] not in TUMOURS]
    return [row for row in (*rows, *edges) if not shift or row["split"] == "val"]


def _pixels(data: Path, row: dict[str, str], shift: str) -> NDArray[np.uint8]:
    pixels = np.array(Image.open(data / "lc25000" / row["file"]).convert("RGB"))
    if row["corner"]:
        side, rng = round(TILE_PX * CORNER_SHARE**0.5), np.random.default_rng(list(row["file"].encode()))
        y, x, from_y, from_x = rng.integers(0, TILE_PX - side, 4)
        tumour = np.array(Image.open(data / "lc25000" / row["corner"]).convert("RGB"))
        pixels[y : y + side, x : x + side] = tumour[from_y : from_y + side, from_x : from_x + side]
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
    normal, other = (np.flatnonzero((tiles.split == split) & (tiles.label == one)) for one in (SEAM, label))
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


def trained(made: Slides, network: str, out: Path) -> SlideModel:
    """The slide model of `train-slides` on these mosaics; an earlier one in `out` is taken."""
    if not (out / "slide_model.json").exists():
        listed = LabelledSlides(
            tuple(
                Made(mosaic.bag.slide_id, Path(), int(what[1] > 0), mosaic.bag.slide_id, bag=mosaic.bag)
                for mosaic, what in made
            ),
            CLASSES,
            True,
        )
        request = SlideTraining(Path(), (), out, SlideRecipe(network=network, folds=FOLDS))
        train_on(listed, request, lambda told: print(f"\r{told!s:<90.90}", end="", flush=True))
        print()
    return load_slide_model(out)


def compare(models: dict[str, SlideModel], tests: Slides) -> None:
    """Show 2: a line for each model, kind and share of tumour, against the slides with none."""
    mosaics, whats = [mosaic for mosaic, _ in tests], [what for _, what in tests]
    told: dict[str, NDArray[np.float64]] = {"pooled rule": np.array([mosaic.rule for mosaic in mosaics])}
    mass: dict[str, NDArray[np.float64]] = {}
    for name, model in models.items():
        opinions = [model.opinion(mosaic.bag) for mosaic in mosaics]
        told[name] = np.array([opinion.probabilities[1] for opinion in opinions])
        mass[name] = np.array([_mass(o.attention, m.tumour) for o, m in zip(opinions, mosaics, strict=True)])
    for what in dict.fromkeys(what for what in whats if what[1]):
        positive = np.array([one == what for one in whats])
        chosen = positive | np.array([one[1] == 0 for one in whats])
        for name, p in told.items():
            both, truth = np.stack([1 - p[chosen], p[chosen]], axis=1), positive[chosen]
            line = f"{what[0]}, {what[1]:4.0%} tumour, {name:<16} AUC {area_under_curve(p[chosen], truth):.3f}  "
            line += f"balanced accuracy {balanced_accuracy(both, truth.astype(int)):.3f}"
            if name in mass and np.isfinite(mass[name]).all():
                line += f"  attention on tumour {mass[name][positive].mean():.2f}"
            print(line, flush=True)


def _mass(attention: NDArray[np.float32] | None, tumour: NDArray[np.bool_]) -> float:
    return float("nan") if attention is None else float(np.sum(attention[tumour]))


def logits_of(model: SlideModel, made: Slides) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return np.array([model.logits(mosaic.bag)[0] for mosaic, _ in made]), np.array(
        [int(what[1] > 0) for _, what in made]
    )


def repeated(
    site: tuple[NDArray[np.float64], NDArray[np.int64]],
    other: tuple[NDArray[np.float64], NDArray[np.int64]],
    *,
    repetitions: int = 200,
    known: int = 60,
    tested: int = 200,
) -> None:
    """Show 3: calibrated on `known` slides of one site, tested on `tested` of it and of the other; then the other's own
    `known` slides calibrate."""
    rng = np.random.default_rng(0)
    rows: dict[str, list[list[float]]] = {}
    for _ in range(repetitions):
        here, there = (_halves(one[1], known, tested, rng) for one in (site, other))
        for name, (fitted, judged) in {
            "first site": ((site, here[0]), (site, here[1])),
            "second site, not recalibrated": ((site, here[0]), (other, there[1])),
            "second site, recalibrated": ((other, there[0]), (other, there[1])),
        }.items():
            rows.setdefault(name, []).append(_one(*_at(*fitted), *_at(*judged)))
    for name, found in rows.items():
        mean = np.mean(found, axis=0)
        told = f"{name:<30} ECE {mean[0]:.3f} (raw {mean[1]:.3f})"
        for i, level in enumerate(LEVELS):
            normal, tumour, size = mean[2 + 3 * i : 5 + 3 * i]
            told += f" | {level:.0%}: normal {normal:.3f}, tumour {tumour:.3f}, size {size:.2f}"
        print(told)


def by_site(first: Any, second: Any, *, repetitions: int = 200, known: int = 60, tested: int = 200) -> None:
    """Show 3, both sites at once: `known` slides of each calibrate together, told apart or not."""
    rng = np.random.default_rng(1)
    rows: dict[str, list[list[float]]] = {"sites told": [], "sites not told": []}
    for _ in range(repetitions):
        parts = [(one, *_halves(one[1], known, tested, rng)) for one in (first, second)]
        logits, labels = (np.concatenate([_at(one, fit)[i] for one, fit, _ in parts]) for i in (0, 1))
        names = [f"p{i}" for i in range(len(labels))]
        calibration, _ = fit_calibration(logits, labels, names, methods=SMOOTH)
        for told, sites in (("sites told", ["a"] * known + ["b"] * known), ("sites not told", [])):
            sets = fit_sets(calibration.apply(logits), labels, names, sites)
            found = []
            for one, _, test in parts:
                p, truth = calibration.apply(one[0][test]), one[1][test]
                bounds = np.array([bound.from_p for bound in sets.bounds["0.95"]])
                held, size = p[np.arange(len(truth)), truth] >= bounds[truth], (p >= bounds).sum(axis=1)
                found += [held[truth == 0].mean(), held[truth == 1].mean(), size.mean()]
            rows[told].append(found)
    for told, found in rows.items():
        a, b = np.mean(found, axis=0).reshape(2, 3)
        print(
            f"95%, {told}: first site normal {a[0]:.3f}, tumour {a[1]:.3f}, size {a[2]:.2f}; "
            f"second normal {b[0]:.3f}, tumour {b[1]:.3f}, size {b[2]:.2f}"
        )


def _halves(labels: NDArray[np.int64], known: int, tested: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Indices of `known` and `tested` slides apart, half of either of each class."""
    orders = [rng.permutation(np.flatnonzero(labels == label)) for label in (0, 1)]
    return (
        np.concatenate([order[: known // 2] for order in orders]),
        np.concatenate([order[known // 2 : known // 2 + tested // 2] for order in orders]),
    )


def _at(site: tuple[Any, Any], chosen: NDArray[np.int64]) -> tuple[Any, Any]:
    return site[0][chosen], site[1][chosen]


def _one(known: Any, known_labels: Any, tested: Any, labels: Any) -> list[float]:
    names = [f"p{i}" for i in range(len(known_labels))]
    calibration, _ = fit_calibration(known, known_labels, names, methods=SMOOTH)
    sets = fit_sets(calibration.apply(known), known_labels, names)
    p = calibration.apply(tested)
    raw = np.exp(tested - tested.max(axis=1, keepdims=True))
    found = [
        expected_calibration_error(p, labels),
        expected_calibration_error(raw / raw.sum(axis=1, keepdims=True), labels),
    ]
    for level in LEVELS:
        bounds = np.array([bound.from_p for bound in sets.bounds[f"{level:g}"]])
        held = p[np.arange(len(labels)), labels] >= bounds[labels]
        found += [held[labels == 0].mean(), held[labels == 1].mean(), (p >= bounds).sum(axis=1).mean()]
    return [float(value) for value in found]


def check_slides(tiles: Tiles, data: Path, cache: Path, count: int) -> None:
    """Draws mosaics as files, runs them, and tells how near the stored features are to the composed ones."""
    from aggregate import store
    from aggregate.result_folder import result_path
    from aggregate.slide_model.bags import bag_of_stored
    from app.config import RunConfig
    from app.pipeline import run_slide

    model = load_model(MODEL, threads=2)
    counts = {(WHOLE, 0.0): 1, (WHOLE, 0.03): 1, (EDGE, 0.03): 1, (WHOLE, 0.1): 1}
    for i, (mosaic, what) in enumerate(slides_of(tiles, "val", counts, seed=77)[:count]):
        picture = np.zeros((ROWS * TILE_PX, COLUMNS * TILE_PX, 3), np.uint8)
        for (x, y), index in zip(mosaic.bag.places.astype(int), mosaic.chosen, strict=True):
            picture[y : y + TILE_PX, x : x + TILE_PX] = _pixels(data, tiles.rows[index], "")
        path = cache / f"mosaic-{i}.png"
        Image.fromarray(picture).save(path)
        config = RunConfig(cache / "out", MODEL)
        result = run_slide(path, f"mosaic-{i}", model, config, mpp=1.0)
        store.save(result, cache / "out")
        stored = bag_of_stored(result_path(cache / "out", f"mosaic-{i}"))
        at = {tuple(place): row for row, place in enumerate(mosaic.bag.places.tolist())}
        rows = [at.get(tuple(place), -1) for place in stored.places.tolist()]
        there = np.array(rows) >= 0
        ours = mosaic.bag.features[np.array(rows)[there]].astype(float)
        theirs = stored.features[there].astype(float)
        near = float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])
        far = float(np.abs(ours - theirs).max() / ours.std())
        print(
            f"{what[0]}, {what[1]:.0%}: {len(stored)} of {len(mosaic.bag)} good tiles, {there.sum()} in place; "
            f"features correlate {near:.5f}, farthest {far:.2f} spreads; hotspot {result.qc['hotspot']:.3f} "
            f"(composed {mosaic.rule:.3f}), call {result.decision.call}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--slides", type=int, default=0)
    parser.add_argument("--network", nargs="*", default=["rule-figures", "gated-attention"])
    options = parser.parse_args()
    data = Path(os.environ["PULMOSCOPE_DATA"])
    tiles, elsewhere = tile_facts(data, options.cache), tile_facts(data, options.cache, SHIFTED)
    every = [(kind, share) for kind in KINDS for share in SHARES]
    made = slides_of(tiles, "train", {(WHOLE, 0.0): 80, **dict.fromkeys(every, 13)}, seed=1)
    tests = slides_of(tiles, "val", {(WHOLE, 0.0): 80, **dict.fromkeys(every, 40)}, seed=2)
    counts: Counts = {(WHOLE, 0.0): 200, (EDGE, 0.01): 100, (EDGE, 0.03): 100}
    pools = [slides_of(one, "val", counts, seed) for one, seed in ((tiles, 3), (elsewhere, 4))]
    for name in options.network:
        model = trained(made, name, options.cache / f"model-{name}")
        compare({name: model}, tests)
        site, other = (logits_of(model, pool) for pool in pools)
        print(f"edge slides with 1 and 3% tumour, or none: AUC {_auc(*site):.3f}, second site {_auc(*other):.3f}")
        repeated(site, other)
        by_site(site, other)
        sys.stdout.flush()
    if options.slides:
        check_slides(tiles, data, options.cache, options.slides)


def _auc(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return area_under_curve(logits[:, 1] - logits[:, 0], labels == 1)


if __name__ == "__main__":
    main()
