"""How many threads a process may keep busy: by what it is allowed of the machine, not by what the machine has.

A container or a batch system gives a part, by affinity or by quotas of control groups; `os.cpu_count()` tells neither.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A thread that reads and predicts: a slide handle with its cache, an interpreter of the network, batches of tiles, and
# the address space that the C library puts by for it (128 MB, of which it uses little).
_GB_A_THREAD = 0.25
# A slide that is opened, hashed and masked, or stored, keeps one core busy at most and waits for the disk: so the crew
# has a few hands more than there are cores (docs/design/2026-11-29-workers.md).
_THREADS_A_WORKER, _SPARE_WORKERS = 2, 2
_CONTROL_GROUPS, _OURS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def threads_within(workers: int, memory_gb: float) -> int:
    """Threads for each of `workers` processes that may take `memory_gb` each; at least one."""
    share_gb = min(memory_gb, usable_memory_gb() / workers)
    return max(1, min(usable_cores() // workers, int(share_gb / _GB_A_THREAD)))


@dataclass(frozen=True)
class Crew:
    """How many processes do slides side by side, and on how many threads each."""

    workers: int
    threads: int


def crew_for(slides: int, memory_gb: float) -> Crew:
    """Who does so many `slides` soonest, where each worker may take `memory_gb`; one slide has all the cores."""
    cores = usable_cores()
    wanted = cores // _THREADS_A_WORKER + _SPARE_WORKERS
    workers = max(1, min(slides, wanted, int(usable_memory_gb() / memory_gb)))
    threads = max(math.ceil(cores / workers), min(_THREADS_A_WORKER, cores))
    share_gb = min(memory_gb, usable_memory_gb() / workers)
    return Crew(workers, max(1, min(threads, int(share_gb / _GB_A_THREAD))))


def usable_cores() -> int:
    """Cores by affinity and, where a control group limits time, by its quota; part of a core counts as one."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on every system
    cores = os.cpu_count() or 1 if allowed is None else len(allowed(0))
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas())]))


def usable_memory_gb() -> float:
    """The machine's memory, or what control groups leave of it."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return float(min([machine, *_memory_limits()])) / (1 << 30)


def _quotas() -> Iterator[float]:
    """Cores that each control group around this process allows."""
    for folder in _folders("cpu"):
        for files in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
                quota, period = " ".join((folder / name).read_text() for name in files).split()
                if float(quota) > 0:  # "max" and -1 are none
                    yield float(quota) / float(period)


def _memory_limits() -> Iterator[int]:
    for folder in _folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):
                if (limit := int((folder / name).read_text())) > 0:
                    yield limit


def _folders(controller: str) -> Iterator[Path]:
    """The control groups around this process, by both versions; in a container the outermost is its own."""
    try:
        lines = _OURS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = _CONTROL_GROUPS / controllers
        inner = root / place.strip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(root))
