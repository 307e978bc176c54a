"""A batch from a slow disk with `--cache`, and with room for one slide only, so that nothing is copied ahead.

`python -m benchmarks.slow_disk [--rounds N]`. The disk is a stand-in: reads of the files pass a gate that holds each
for 100 ms and lets 20 MB a second through in all. Wall is given as a share of the time that the bytes take through it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

from app.batch.engines.staging.copying import FileSource
from app.batch.engines.staging.engine import StagedEngine
from app.batch.engines.staging.stager import Parts
from app.batch.inputs import collect_jobs
from app.batch.job import SlideJob
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from benchmarks.rounds import arguments
from benchmarks.slides import drawn_slide
from classifier.model_folder.find import DEMO_MODEL
from wsi.readers.slide_files import slide_files

SLIDES, SLIDE_BYTES = 10, 60_000_000
SIZE_PX = (3_000, 2_400)
DELAY_S, BYTES_A_SECOND = 0.1, 20e6


class Gate:
    """What every read passes: a delay of its own, then its share of one line."""

    def __init__(self) -> None:
        self._line, self._free_at = threading.Lock(), 0.0

    def read(self, fd: int, length: int, offset: int) -> bytes:
        time.sleep(DELAY_S)
        with self._line:
            now = time.monotonic()
            self._free_at = max(now, self._free_at) + length / BYTES_A_SECOND
            wait = self._free_at - now
        time.sleep(wait)
        return os.pread(fd, length, offset)

    def parts(self, job: SlideJob) -> Parts:
        return [(file.name, partial(FileSource.of, file, self.read)) for file in slide_files(job.path)]


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        total = _slides(root)
        transfer = total / BYTES_A_SECOND
        print(f"{SLIDES} slides, {total / 1e6:.0f} MB, {transfer:.1f} s through the gate")
        shares: dict[str, list[float]] = {"ahead": [], "one at a time": []}
        for number in range(options.rounds):
            for name, limit_gb in (("ahead", 1.0), ("one at a time", SLIDE_BYTES * 1.1 / 1e9)):
                shares[name].append(_wall(root, f"{name}-{number}", limit_gb) / transfer)
        for name, told in shares.items():
            print(f"{name}: wall {statistics.median(told):.2f} of the transfer ({min(told):.2f} to {max(told):.2f})")


def _slides(root: Path) -> int:
    """Small slides made long: what lies behind a TIFF's last directory is nobody's."""
    (root / "in").mkdir()
    drawn = drawn_slide(root / "drawn.svs", SIZE_PX)
    for number in range(SLIDES):
        path = root / "in" / f"{number}.svs"
        shutil.copy(drawn, path)
        with path.open("ab") as file:
            file.write(os.urandom(SLIDE_BYTES - path.stat().st_size))
    return SLIDES * SLIDE_BYTES


def _wall(root: Path, name: str, limit_gb: float) -> float:
    config = RunConfig(out=root / name, model=DEMO_MODEL, cache=root / "cache")
    engine = StagedEngine(root / "cache", limit_gb, parts_of=Gate().parts)
    jobs, tally = collect_jobs([root / "in"], None), Tally()
    started = time.perf_counter()
    for _ in run_batch(jobs, config, ("normal",), engine=engine, tally=tally):
        pass
    wall = time.perf_counter() - started
    assert [str(row.status) for row in tally.rows].count("failed") == 0 and not list((root / "cache").iterdir())
    return wall


if __name__ == "__main__":
    main()
