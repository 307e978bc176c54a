"""Slides of known truth, composed of LC25000's tiles: attention beside the pooled rule, calibration, sets
(docs/slides.md).

`PULMOSCOPE_DATA=DIR python -m benchmarks.mosaics CACHE` takes the features of every tile once (lung-v1), composes
slides of 600 tiles of them as bags, with a blot of 0, 1, 3 or 10% tumour tiles (`benchmarks.composed`), trains on
slides of the `train` groups, tests on slides of the `val` groups, and prints the figures. `--slides N` first draws N of
them as real files and runs them, to show that a composed bag is what `run` gives.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aggregate.slide_model.calibrate import fit_calibration
from aggregate.slide_model.conformal import LEVELS, fit_sets
from aggregate.slide_model.fit import SlideRecipe
from aggregate.slide_model.judge import balanced_accuracy
from aggregate.slide_model.labels import LabelledSlides
from aggregate.slide_model.model import SlideModel, load_slide_model
from aggregate.slide_model.train import SlideTraining, train_on
from benchmarks.composed import (
    COLUMNS,
    EDGE,
    KINDS,
    MODEL,
    ROWS,
    TILE_PX,
    WHOLE,
    Counts,
    Made,
    Slides,
    Tiles,
    slides_of,
    tile_facts,
    tile_pixels,
)
from classifier.evaluation.metrics import area_under_curve, expected_calibration_error
from classifier.model import load_model

CLASSES = ("normal", "tumour")
SHARES = (0.01, 0.03, 0.1)
# As `train-slides` makes.
FOLDS = 5
SHIFTED = "shifted"
# Chosen beforehand: what cross-validation mostly chooses from sixty slides, and two hundred choices cost minutes.
SMOOTH = ("temperature-and-bias",)


def trained(made: Slides, network: str, folds: int, out: Path) -> SlideModel:
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
        request = SlideTraining(Path(), (), out, SlideRecipe(network=network, folds=folds))
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
        mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(repetitions)
        told = f"{name:<30} ECE {mean[0]:.3f} (raw {mean[1]:.3f})"
        for i, level in enumerate(LEVELS):
            (normal, tumour), size = (
                (_with_error(mean[at], error[at]) for at in (2 + 3 * i, 3 + 3 * i)),
                mean[4 + 3 * i],
            )
            told += f" | {level:.0%}: normal {normal}, tumour {tumour}, size {size:.2f}"
        print(told)


def _with_error(mean: float, error: float) -> str:
    """The mean of all repetitions and, in brackets, its 95% interval."""
    return f"{mean:.3f} [{mean - 1.96 * error:.3f} to {min(1.0, mean + 1.96 * error):.3f}]"


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
            picture[y : y + TILE_PX, x : x + TILE_PX] = tile_pixels(data, tiles.rows[index], "")
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
    parser.add_argument("--folds", type=int, default=FOLDS)
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
        model = trained(made, name, options.folds, options.cache / f"model-{name}-{options.folds}")
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
