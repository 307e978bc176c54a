"""How time and peak memory grow with the slide: area x1, x4, x16 on 1 and 2 threads; and `--giant`.

`python -m benchmarks.scaling`: each run is a process of its own that does what a worker of `pulmoscope run` does; the
start of Python and the loading of libraries and model are not in the time, but are in the memory.
`python -m benchmarks.scaling --giant`: `pulmoscope run` itself on 150,000 x 100,000 px and on a tenth of its area,
tissue all over, with the memory of all its processes and the time from opening the slide to its result.
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from app.ledger.records import SLIDES_CSV
from benchmarks.peak_memory import peak_memory
from benchmarks.rounds import arguments
from benchmarks.slides import repeated_slide

BASE_PX = (12_000, 8_000)
GIANT_PX = (150_000, 100_000)
TENTH_PX = (47_434, 31_623)

_ONE_RUN = """
import json, resource, sys, time
from pathlib import Path
from aggregate.store import save
from app.config import RunConfig
from wsi.process.tuning import tune_process
from app.pipeline import run_slide
from classifier.model import load_model
slide, out, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
tune_process()
model = load_model()
started = time.perf_counter()
result = run_slide(slide, "s", model, RunConfig(out, "lung-v1", threads=threads))
save(result, out)
figures = {"wall_s": time.perf_counter() - started, "tiles": len(result.tiles.xy)}
figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(figures))
"""


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--giant", action="store_true", help="only 150,000 x 100,000 px and a tenth of its area")
    options = parser.parse_args()
    if options.giant:
        _giant(options.rounds)
        return
    sizes = [(factor, (BASE_PX[0] * side, BASE_PX[1] * side)) for factor, side in ((1, 1), (4, 2), (16, 4))]
    rows = [(f"area x{factor}, {threads} threads", size, threads) for factor, size in sizes for threads in (1, 2)]
    _table(rows, options.rounds)


def _table(rows: list[tuple[str, tuple[int, int], int]], rounds: int) -> None:
    found: list[list[dict[str, float]]] = [[] for _ in rows]
    with tempfile.TemporaryDirectory() as folder:
        slides = [repeated_slide(Path(folder) / f"{index}.svs", row[1]) for index, row in enumerate(rows)]
        for _ in range(rounds):
            for index, row in enumerate(rows):
                found[index].append(_one_run(slides[index], Path(folder) / "out", row[2]))
    for row, runs in zip(rows, found, strict=True):
        wall_s, peak_mb, tiles = (statistics.median(run[key] for run in runs) for key in ("wall_s", "peak_mb", "tiles"))
        print(f"{row[0]:<28} {tiles:8.0f} tiles  {1000 * wall_s / tiles:7.2f} ms a tile  peak {peak_mb:6.0f} MB")


def _giant(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        slides = {size: repeated_slide(Path(folder) / f"{size[0]}.svs", size) for size in (TENTH_PX, GIANT_PX)}
        for _ in range(rounds):
            for size, slide in slides.items():
                print(f"{size[0]:,} x {size[1]:,} px: {_one_command(slide, Path(folder) / 'out')}", flush=True)


def _one_command(slide: Path, out: Path) -> str:
    peak = peak_memory([sys.executable, "-m", "app.cli", "run", str(slide), "--out", str(out), "--overwrite"])
    with (out / SLIDES_CSV).open(newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["slide_id"] == slide.stem)
    tiles, seconds = int(row["tiles"]), float(row["seconds"])
    return (
        f"{tiles} tiles, {1000 * seconds / tiles:.2f} ms a tile, peak of all processes {peak.all_mb:.0f} MB, "
        f"of the largest {peak.largest_process_mb:.0f} MB"
    )


def _one_run(slide: Path, out: Path, threads: int) -> dict[str, float]:
    command = [sys.executable, "-c", _ONE_RUN, str(slide), str(out), str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()
