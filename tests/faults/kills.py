"""Runs killed with -9 at random moments, each taken up by the next: the end must equal that of one run in peace."""

from __future__ import annotations

import math
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aggregate.result_folder import STAGING
from tests.faults.common import digests, flaws, run_to_end, start_run, table

# Of the kills: while the run starts, while a result is being written, and shortly after one was begun.
_MOMENTS = ("start", "write", "write", "write", "after")
_START_S = 7.0


@dataclass(frozen=True)
class KillFigures:
    killed: int
    while_writing: int  # a result lay staged without its commit.json when the process was gone
    outputs: int
    unequal: int  # outputs whose table or digests differ from the uninterrupted run's, or that have a flaw


def kill_runs(slides: Path, folder: Path, *, kills: int, seed: int = 0) -> KillFigures:
    """Kills `kills` runs over `slides`, on as many outputs as that takes."""
    rng = random.Random(seed)
    run_to_end(slides, folder / "whole")
    expected = table(folder / "whole"), digests(folder / "whole")
    killed = writing = unequal = outputs = 0
    while killed < kills:
        out = folder / f"killed-{outputs}"
        ended = False
        while killed < kills and not ended:
            before = _staged(out)
            ended = not _kill(start_run(slides, out), out, rng.choice(_MOMENTS), rng)
            killed += not ended
            writing += not ended and bool(_staged(out) - before)
        run_to_end(slides, out)
        unequal += (table(out), digests(out)) != expected or bool(flaws(out))
        outputs += 1
    return KillFigures(killed, writing, outputs, unequal)


def _kill(process: subprocess.Popen[str], out: Path, moment: str, rng: random.Random) -> bool:
    """Kills the run at this moment; False if it had ended before."""
    if moment == "start":
        ended = _wait(process, lambda: False, rng.uniform(0, _START_S))
    else:
        ended = _wait_for_writes(process, out, rng.randint(1, 3))
        if moment == "after" and not ended:
            ended = _wait(process, lambda: False, rng.uniform(0, 0.5))
    process.kill()
    process.communicate()
    time.sleep(0.05)  # the kernel ends the workers
    return not ended


def _wait_for_writes(process: subprocess.Popen[str], out: Path, count: int) -> bool:
    """Until this run has begun to write `count` results. Whether the process ended before."""
    seen = _staged(out)
    for _ in range(count):
        if _wait(process, lambda known=frozenset(seen): bool(_staged(out) - known)):
            return True
        seen |= _staged(out)
    return False


def _wait(process: subprocess.Popen[str], until: Callable[[], bool], at_most_s: float = math.inf) -> bool:
    """Until the condition holds or the time is over. Whether the process ended before."""
    started = time.monotonic()
    while not until() and time.monotonic() - started < at_most_s:
        if process.poll() is not None:
            return True
        time.sleep(0.001)
    return False


def _staged(out: Path) -> set[str]:
    """Results that are being written: staged, with files, and not yet sealed."""
    found = set()
    for path in (out / STAGING).glob("*~*"):
        if (path / "zarr.json").exists() and not (path / "commit.json").exists():
            found.add(path.name)
    return found
