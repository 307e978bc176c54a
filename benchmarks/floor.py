"""The whole command, from a cold process to the sealed result, as a share of the machine's floor: what reading the same
tiles and the network on them cost alone, on all cores, in a process that has everything loaded.

`python -m benchmarks.floor [--rounds N] [--quick] [--model NAME] [--dir DIR]`: woven slides of a section of 14 x 12 mm
and of 7 x 6 mm, tissue all over, and of 100,000 x 80,000 px with 40% tissue, with the peak memory of all processes.
Tiles of 1.0 and 0.5 um/px are a packaged model's with another scale on a copy of its card: the same work, no result of
use. `own` is the scale that the card states. On a busy machine read the shares of CPU.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.peak_memory import peak_memory
from benchmarks.rounds import Cost, arguments, interleaved, median_ratio
from benchmarks.woven import Woven, weave
from classifier.model import TileModel, load_model
from classifier.model_folder.find import DEFAULT_MODEL, FAST_MODEL, find_model
from tiler import Grid, TileSpec
from tiler.stream import BATCH_SIZE, read_tiles
from tiler.survey import survey_slide
from wsi import Slide, open_slide
from wsi.process.tuning import tune_process

SLIDES = {
    "14 x 12 mm": Woven((56_000, 48_000)),
    "7 x 6 mm": Woven((28_000, 24_000)),
    "100,000 x 80,000 px, 40% tissue": Woven((100_000, 80_000), 0.4),
}
SECTION, BIOPSY, LARGE = SLIDES
FULL = [
    *(
        (slide, model, mpp)
        for slide in (SECTION, BIOPSY)
        for model in (FAST_MODEL, DEFAULT_MODEL)
        for mpp in (1.0, 0.5)
    ),
    *((slide, DEFAULT_MODEL, None) for slide in (SECTION, BIOPSY)),
    *((LARGE, model, None) for model in (FAST_MODEL, DEFAULT_MODEL)),
]
QUICK = [
    (SECTION, FAST_MODEL, 1.0),
    (BIOPSY, FAST_MODEL, 1.0),
    (BIOPSY, DEFAULT_MODEL, None),
    (LARGE, FAST_MODEL, None),
]


@dataclass(frozen=True)
class Work:
    """What is measured of one slide with one model: the model's folder, and its tiles on the slide."""

    slide: Path
    folder: Path
    model: TileModel
    grid: Grid


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--quick", action="store_true", help="fewer rows, one round: under two minutes")
    parser.add_argument("--model", choices=(FAST_MODEL, DEFAULT_MODEL), help="only this one")
    parser.add_argument("--dir", type=Path, help="where the slides are woven: 900 MB; default: a temporary folder")
    options = parser.parse_args()
    tune_process()
    rows = [row for row in (QUICK if options.quick else FULL) if options.model in (None, row[1])]
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        woven = {
            name: weave(Path(folder) / f"{number}.svs", what) for number, (name, what) in enumerate(SLIDES.items())
        }
        for slide, name, mpp in rows:
            work = _work(woven[slide], _at_scale(name, mpp, Path(folder)))
            title = f"{slide}, {name} at {'its own' if mpp is None else mpp} um/px, {len(work.grid)} tiles"
            print(title, flush=True)
            _show(work, Path(folder), 1 if options.quick else options.rounds)


def _at_scale(name: str, mpp: float | None, folder: Path) -> Path:
    """The folder of a packaged model; where `mpp` is another than its own, a copy whose card says that."""
    packaged = find_model(name)
    card = json.loads((packaged / "card.json").read_text(encoding="utf-8"))
    if mpp in (None, card["tile"]["mpp"]):
        return packaged
    copy = folder / f"{name} at {mpp}"
    if not copy.exists():
        shutil.copytree(packaged, copy)
        card["tile"]["mpp"] = mpp
        (copy / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return copy


def _work(path: Path, folder: Path) -> Work:
    model = load_model(folder)
    with open_slide(path) as slide:
        grid = survey_slide(slide, TileSpec(model.card.tile.size_px, model.card.tile.mpp)).grid
    return Work(path, folder, model, grid)


def _show(work: Work, folder: Path, rounds: int) -> None:
    cores = len(os.sched_getaffinity(0))
    tiles = _some_tiles(work)
    costs = interleaved(
        {
            "whole": lambda: partial(_command, work, folder / "out"),
            "floor": lambda: partial(_alone, work, cores, None),
            "reading": lambda: partial(_read, work, cores),
            "network": lambda: partial(_alone, work, cores, tiles),
        },
        rounds,
    )
    whole, floor = costs["whole"], costs["floor"]
    for unit, words in (("wall_s", "wall"), ("cpu_s", "CPU")):
        below, above = ([getattr(cost, unit) for cost in found] for found in (whole, floor))
        share, least, most = median_ratio(above, below)
        print(f"  floor / whole, {words:<5} {share:6.1%}  ({least:.1%} to {most:.1%})")
    for name, found in costs.items():
        print(f"  {name:<10} {_median(found, 'wall_s'):7.2f} s wall {_median(found, 'cpu_s'):7.2f} s CPU")
    peak = peak_memory(_words(work, folder / "out"))
    print(f"  peak of all processes {peak.all_mb:.0f} MB, of the largest {peak.largest_process_mb:.0f} MB", flush=True)


def _median(costs: list[Cost], unit: str) -> float:
    return statistics.median(getattr(cost, unit) for cost in costs)


def _some_tiles(work: Work) -> np.ndarray:
    with open_slide(work.slide) as slide:
        return read_tiles(slide, work.grid, 0, min(BATCH_SIZE, len(work.grid)))


def _words(work: Work, out: Path) -> list[str]:
    shutil.rmtree(out, ignore_errors=True)
    return [sys.executable, "-m", "app.cli", "run", str(work.slide), "--out", str(out), "--model", str(work.folder)]


def _command(work: Work, out: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(_words(work, out), check=True, capture_output=True, env=environment)


def _batches(work: Work) -> Iterator[tuple[int, int]]:
    return ((start, min(start + BATCH_SIZE, len(work.grid))) for start in range(0, len(work.grid), BATCH_SIZE))


def _alone(work: Work, cores: int, tiles: np.ndarray | None) -> None:
    """Reads each batch and shows it to the network, or shows it `tiles` as often."""

    def batch(slide: Slide, first: int, last: int) -> None:
        shown = read_tiles(slide, work.grid, first, last) if tiles is None else tiles[: last - first]
        work.model.forward(shown)

    _on_cores(work, cores, batch)


def _read(work: Work, cores: int) -> None:
    _on_cores(work, cores, lambda slide, first, last: read_tiles(slide, work.grid, first, last))


def _on_cores(work: Work, cores: int, do: Callable[[Slide, int, int], object]) -> None:
    with open_slide(work.slide) as slide, ThreadPoolExecutor(cores) as pool:
        handles = [slide.reopen() for _ in range(cores)]
        free = list(handles)

        def one(span: tuple[int, int]) -> None:
            handle = free.pop()
            do(handle, *span)
            free.append(handle)

        list(pool.map(one, _batches(work)))
        for handle in handles:
            handle.close()


if __name__ == "__main__":
    main()
