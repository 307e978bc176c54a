"""A batch of mixed slides: slides an hour and how busy the cores are, overlapping (as `run` does by itself) beside one
slide after another in one command, and beside a command for each slide.

`python -m benchmarks.batch [--slides 200] [--model NAME] [--rounds N] [--quick]`: woven slides of 3 x 2, 5 x 4 and
7 x 6 mm, of which 40 to 100% is tissue. Each way is the whole command, from a cold process to the last sealed result.
Where other work has a part of the cores, read the ratio and the CPU, not the share of the cores.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from aggregate.result_folder import committed_digest, stored_results
from benchmarks.rounds import arguments, interleaved, median_ratio, show_ratio
from benchmarks.woven import Woven, weave
from classifier.model_folder.find import FAST_MODEL

SIZES_PX = ((12_000, 8_000), (20_000, 16_000), (28_000, 24_000))
SHARES = (1.0, 0.6, 0.8, 0.4)
OVERLAPPING, IN_TURN, EACH = "overlapping", "one after another", "a command each"
WAYS = {OVERLAPPING: (), IN_TURN: ("--workers", "1"), EACH: ("--workers", "1")}


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--slides", type=int, default=200)
    parser.add_argument("--model", default=FAST_MODEL)
    parser.add_argument("--quick", action="store_true", help="40 slides, one round: two minutes")
    parser.add_argument("--dir", type=Path, help="where the slides are woven: 60 MB each; default: a temporary folder")
    options = parser.parse_args()
    slides, rounds = (40, 1) if options.quick else (options.slides, options.rounds)
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        home = Path(folder)
        _weave_all(home / "slides", slides)
        runs = {way: partial(_command, home, way, options.model, words) for way, words in WAYS.items()}
        costs = interleaved({way: partial(lambda run: run, run) for way, run in runs.items()}, rounds)
        digests = [[committed_digest(path) for path in stored_results(home / way)] for way in WAYS]
    assert all(found == digests[0] for found in digests) and len(digests[0]) == slides, "the ways gave other results"
    cores = len(os.sched_getaffinity(0))
    print(f"{slides} slides, {options.model}, {cores} cores; all ways gave the same digests")
    for way, found in costs.items():
        hourly = statistics.median(3600 * slides / cost.wall_s for cost in found)
        busy = statistics.median(cost.cpu_s / cost.wall_s / cores for cost in found)
        cpu = statistics.median(cost.cpu_s for cost in found) / slides
        print(f"  {way:<20} {hourly:7.0f} slides an hour, cores {busy:.0%} busy, {cpu:.3f} s CPU a slide")
    walls = {way: [cost.wall_s for cost in found] for way, found in costs.items()}
    for way in (IN_TURN, EACH):
        show_ratio(f"slides an hour, overlapping / {way}", median_ratio(walls[way], walls[OVERLAPPING]))


def _weave_all(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        size_px, share = SIZES_PX[number % len(SIZES_PX)], SHARES[number % len(SHARES)]
        weave(folder / f"{number:04}.svs", Woven(size_px, share, seed=number))


def _command(home: Path, way: str, model: str, words: tuple[str, ...]) -> None:
    out = home / way
    shutil.rmtree(out, ignore_errors=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for slides in sorted((home / "slides").iterdir()) if way == EACH else [home / "slides"]:
        run = ["run", str(slides), "--out", str(out), "--model", model, *words]
        subprocess.run([sys.executable, "-m", "app.cli", *run], check=True, capture_output=True, env=environment)


if __name__ == "__main__":
    main()
