"""The remaining campaigns: several runs at once, flipped bits, engines and shards, a full disk, a long batch."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from aggregate.result_folder import stored_results
from aggregate.store import verify
from app.ledger.verify import verify_results
from tests.faults.common import digests, flaws, run_to_end, start_run, table


@dataclass(frozen=True)
class TogetherFigures:
    exit_codes: list[int]
    slides: int
    done_once: int  # slides with exactly one `run` entry in the audit log
    lost: int  # slides without a row or without a result
    flaws: list[str]


def run_together(slides: Path, out: Path, *, runs: int) -> TogetherFigures:
    """`runs` runs at once over the same slides, into one output."""
    processes = [start_run(slides, out) for _ in range(runs)]
    codes = [process.wait(timeout=3600) for process in processes]
    names = {path.stem for path in slides.iterdir()}
    ran = Counter(e["slide_id"] for e in _lines(out / "audit.jsonl") if e["event"] == "run")
    have = {name.removesuffix(".zarr") for name in digests(out)} & table(out).keys()
    return TogetherFigures(codes, len(names), sum(ran[name] == 1 for name in names), len(names - have), flaws(out))


@dataclass(frozen=True)
class FlipFigures:
    flips: int
    named: int  # by `verify`, with the result and the file


def flip_bits(out: Path, *, flips: int, seed: int = 0) -> FlipFigures:
    """One flipped bit at a time, anywhere in any stored result of an output; each is mended afterwards."""
    rng = random.Random(seed)
    files = sorted(path for result in stored_results(out) for path in result.rglob("*") if path.is_file())
    named = 0
    for _ in range(flips):
        victim = rng.choice(files)
        whole = victim.read_bytes()
        at, bit = rng.randrange(len(whole)), rng.randrange(8)
        victim.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
        [(name, problems), *others] = verify_results(out).broken.items() or [("", [])]
        result, file = victim.relative_to(out).parts[0], Path(*victim.relative_to(out).parts[1:]).as_posix()
        named += name == result and not others and any(file in problem for problem in problems)
        victim.write_bytes(whole)
    return FlipFigures(flips, named)


def same_on_all_engines(slides: Path, folder: Path, *, shards: int = 4) -> dict[str, bool]:
    """Way of running -> whether its result digests equal those of one local worker."""
    run_to_end(slides, folder / "local-1")
    expected = digests(folder / "local-1")
    run_to_end(slides, folder / "local-2", "--workers", "2")
    run_on_dask_and_kill_one(slides, folder / "dask")
    for i in range(1, shards + 1):
        run_to_end(slides, folder / "shards", "--shard", f"{i}/{shards}")
    others = {name: folder / name for name in ("local-2", "dask", "shards")}
    return {name: digests(out) == expected and not flaws(out) for name, out in others.items()}


def run_on_dask_and_kill_one(slides: Path, out: Path) -> None:
    """Two Dask workers, one of them killed once a third of the slides is done. No slide may be lost by it."""
    process = start_run(slides, out, "--engine", "dask", "--workers", "2")
    count = len(list(slides.iterdir()))
    while len(stored_results(out)) < count // 3 and process.poll() is None:
        time.sleep(0.05)
    os.kill(_dask_worker(process.pid), signal.SIGKILL)
    text, _ = process.communicate(timeout=3600)
    assert process.returncode == 0, text[-2000:]


def _dask_worker(parent: int) -> int:
    """A process below `parent` that has slides' libraries mapped: the nanny and the trackers have not."""
    for pid in _below(parent):
        maps = Path(f"/proc/{pid}/maps")
        if pid != parent and "litert" in maps.read_text(errors="replace"):
            return pid
    raise AssertionError("no worker found")


def _below(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for pid, ppid in (map(int, line.split()) for line in listed.splitlines()):
        children.setdefault(ppid, []).append(pid)
    found = list(children.get(parent, []))
    for pid in found:
        found += children.get(pid, [])
    return found


@dataclass(frozen=True)
class FullDiskFigures:
    exit_code: int
    one_clear_line: bool
    committed: int
    rejected: int  # of the committed, by the store


def fill_the_disk(slides: Path, out: Path) -> FullDiskFigures:
    """A run onto a file system that is too small for its results; `out` lies on one. The disk may be full just after a
    result and before its row, which the next run writes: so results are judged, and not yet the table."""
    process = start_run(slides, out)
    text, _ = process.communicate(timeout=600)
    told = [line for line in text.splitlines() if line.startswith("pulmoscope: output-unwritable: ")]
    broken = sum(bool(verify(path)) for path in stored_results(out))
    return FullDiskFigures(process.returncode, len(told) == 1 and "Traceback" not in text, len(digests(out)), broken)


@dataclass(frozen=True)
class LongBatchFigures:
    slides: int
    parent_mb_at_100: float
    parent_mb_at_end: float
    seconds_per_slide_early: float  # over the second hundred
    seconds_per_slide_late: float  # over the last hundred


def run_long(slides: Path, out: Path) -> LongBatchFigures:
    """One batch over all slides; the parent's resident memory and the time a slide, early and late."""
    process = start_run(slides, out)
    assert process.stdout is not None
    memory: list[float] = []
    times: list[float] = []
    for line in process.stdout:
        if line.startswith("["):
            memory.append(_resident_mb(process.pid))
            times.append(time.monotonic())
    process.wait()
    early = (times[min(200, len(times) - 1)] - times[100]) / max(1, min(200, len(times) - 1) - 100)
    return LongBatchFigures(len(times), memory[99], memory[-1], early, (times[-1] - times[-101]) / 100)


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
