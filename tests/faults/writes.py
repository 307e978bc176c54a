"""Every nth write of one slide's run failing: whatever is committed afterwards must verify, and a run in peace must
end as if nothing had been. Run as a module inside a process that has `failing_writes.c` preloaded."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aggregate.result_folder import result_path
from aggregate.store import verify
from app.batch.engines.events import Event, SlideStarted
from app.batch.engines.task import ModelCache, process_slide
from app.batch.inputs import collect_jobs
from app.batch.job import SlideJob
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from classifier.model_folder.find import DEMO_MODEL
from tests.faults.common import ROOT, digests, flaws
from wsi.errors import OutputUnwritableError

_CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")


@dataclass
class WriteFigures:
    writes: int = 0  # calls that change the output, in one slide's run
    tried: int = 0
    told: int = 0  # ended with one clear error; the others succeeded in spite of the failing call
    rejected: list[str] = field(default_factory=list)  # committed, and verify refuses it
    unequal: list[str] = field(default_factory=list)  # the run in peace afterwards did not end as it should


@dataclass(frozen=True)
class InThisProcess:
    """An engine without worker processes, so that the faults meet it."""

    model: ModelCache

    def run_jobs(self, jobs: Sequence[SlideJob], config: RunConfig) -> Generator[Event, None, None]:
        for job in jobs:
            yield SlideStarted(job)
            yield process_slide(job, config, self.model).of(job)


def fail_each_write(slide: Path, folder: Path, *, step: int = 1) -> WriteFigures:
    """In a process of its own, every `step`th n. Raises CalledProcessError where there is no C compiler."""
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "failing_writes.so"
    source = Path(__file__).with_name("failing_writes.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.writes", str(library), str(slide), str(folder), str(step)],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(library)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return WriteFigures(**json.loads(done.stdout.splitlines()[-1]))


def _try_all(library: ctypes.CDLL, slide: Path, folder: Path, step: int) -> WriteFigures:
    """A full disk from the nth write on, and a single EIO at it; onto nothing, and over an older result."""
    figures = WriteFigures()
    model = ModelCache(RunConfig(out=folder, model=DEMO_MODEL))
    for overlap in (0.0, 0.5):  # the older result
        older = folder / f"older-{overlap}"
        _run(slide, older, overlap, model)
    expected = digests(folder / "older-0.0")
    for name, error, once, older in (
        ("full", errno.ENOSPC, 0, None),
        ("error", errno.EIO, 1, None),
        ("full-over-older", errno.ENOSPC, 0, folder / "older-0.5"),
        ("error-over-older", errno.EIO, 1, folder / "older-0.5"),
    ):
        n = 1
        while True:
            out = folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            if older:
                shutil.copytree(older, out)
            library.arm(str(out).encode(), n, error, once)
            try:
                _run(slide, out, 0.0, model)
            except OutputUnwritableError:
                figures.told += 1
            writes = library.disarm()
            figures.writes = max(figures.writes, writes)
            figures.tried += 1
            result = result_path(out, slide.stem)
            if result.exists() and verify(result):
                figures.rejected.append(f"{name} {n}: {verify(result)[0]}")
            _run(slide, out, 0.0, model)
            if digests(out) != expected or flaws(out):
                figures.unequal.append(f"{name} {n}: {flaws(out)}")
            if n > writes:
                break
            n += step
    return figures


def _run(slide: Path, out: Path, overlap: float, model: ModelCache) -> None:
    config = RunConfig(out=out, model=DEMO_MODEL, overlap=overlap)
    for _ in run_batch(collect_jobs([slide], None), config, _CLASSES, engine=InThisProcess(model), tally=Tally()):
        pass


if __name__ == "__main__":
    ctypes_library = ctypes.CDLL(sys.argv[1])
    ctypes_library.disarm.restype = ctypes.c_long
    found = _try_all(ctypes_library, Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    print(json.dumps(asdict(found)))
