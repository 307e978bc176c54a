"""The whole command, start-up aside, against its floor: reading alone + predicting alone, over the cores.

`python -m benchmarks.command` prints the ratio, how busy the cores are, and the greatest costs of CPU. Where other work
has a part of the cores, only the first ratio and those of CPU tell something: both sides of them are slowed alike.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from aggregate.store import save
from app.config import RunConfig
from app.pipeline import run_slide
from benchmarks.rounds import Call, arguments, interleaved, median_ratio, show_ratio
from benchmarks.slides import drawn_slide
from classifier.model import TileModel, load_model
from tiler import Grid, TileSpec
from tiler.quality import blur_flags, details
from tiler.stream import BATCH_SIZE, read_tiles
from tiler.survey import survey_slide
from wsi import Slide, open_slide
from wsi.files.fingerprint import fingerprint
from wsi.process.tuning import tune_process

# A section of 14 x 12 mm, tissue all over; what a slide costs once weighs more on smaller ones.
SIZE_PX = (56_000, 48_000)


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    cores = len(os.sched_getaffinity(0))
    tune_process()
    model = load_model()
    with tempfile.TemporaryDirectory() as folder:
        path = drawn_slide(Path(folder) / "drawn.svs", SIZE_PX)
        config = RunConfig(Path(folder) / "out", "lung-v1", threads=cores)
        with open_slide(path) as slide:
            spec = TileSpec(model.card.tile.size_px, model.card.tile.mpp)
            grid = survey_slide(slide, spec).grid
            tiles = read_tiles(slide, grid, 0, BATCH_SIZE)
        result = run_slide(path, "s", model, config)
        contenders: dict[str, Callable[[], Call]] = {
            "whole": lambda: partial(_whole, path, model, config),
            "floor": lambda: partial(_floor, open_slide(path), model, grid, tiles, cores),
            "predicting": lambda: partial(_predict, model, tiles, len(grid)),
            "reading": lambda: partial(_read, open_slide(path), grid),
            "blur": lambda: partial(_blur, tiles, len(grid)),
            "finding tissue, laying the grid": lambda: partial(_mask, open_slide(path), spec),
            "hashing the file": lambda: partial(fingerprint, path),
            "opening and checking": lambda: partial(_open, path),
            "storing the result": lambda: partial(save, result, config.out),
        }
        costs = interleaved(contenders, options.rounds)
    whole, floor = costs.pop("whole"), costs.pop("floor")
    walls, floor_walls = ([cost.wall_s for cost in found] for found in (whole, floor))
    show_ratio("wall of the whole / of reading and predicting alone, as busy", median_ratio(walls, floor_walls))
    pairs = zip(costs["reading"], costs["predicting"], strict=True)
    floor_cpu_s = [read.cpu_s + predict.cpu_s for read, predict in pairs]
    floor_s = [cpu_s / cores for cpu_s in floor_cpu_s]
    show_ratio(f"wall of the whole / CPU of both alone on {cores} cores", median_ratio(walls, floor_s))
    show_ratio("CPU of the whole / CPU of both alone", median_ratio([cost.cpu_s for cost in whole], floor_cpu_s))
    available_s = [wall_s * cores for wall_s in walls]
    show_ratio("share of the cores' time used", median_ratio([cost.cpu_s for cost in whole], available_s))
    shares = {
        name: statistics.median(part.cpu_s / all_of_it.cpu_s for part, all_of_it in zip(found, whole, strict=True))
        for name, found in costs.items()
    }
    for name, share in sorted(shares.items(), key=lambda pair: -pair[1]):
        print(f"  {name:<30} {share:6.1%} of the CPU of the whole")


def _whole(path: Path, model: TileModel, config: RunConfig) -> None:
    save(run_slide(path, "s", model, config), config.out)


def _floor(slide: Slide, model: TileModel, grid: Grid, tiles: np.ndarray, cores: int) -> None:
    """Reads all tiles and predicts as many, on all cores, with nothing else to do: what no command can beat."""

    def batch(start: int) -> None:
        stop = min(start + BATCH_SIZE, len(grid))
        with slide.reopen() as mine:
            read_tiles(mine, grid, start, stop)
        model.predict(tiles[: stop - start])

    with slide, ThreadPoolExecutor(cores) as pool:
        list(pool.map(batch, range(0, len(grid), BATCH_SIZE)))


def _predict(model: TileModel, tiles: np.ndarray, count: int) -> None:
    for start in range(0, count, BATCH_SIZE):
        model.predict(tiles[: min(BATCH_SIZE, count - start)])


def _read(slide: Slide, grid: Grid) -> None:
    with slide:
        for start in range(0, len(grid), BATCH_SIZE):
            read_tiles(slide, grid, start, min(start + BATCH_SIZE, len(grid)))


def _blur(tiles: np.ndarray, count: int) -> None:
    for start in range(0, count, BATCH_SIZE):
        blur_flags(details(tiles[: min(BATCH_SIZE, count - start)]))


def _mask(slide: Slide, spec: TileSpec) -> None:
    with slide:
        survey_slide(slide, spec)


def _open(path: Path) -> None:
    open_slide(path).close()


if __name__ == "__main__":
    main()
