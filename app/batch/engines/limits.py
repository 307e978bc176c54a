"""What a process that reads slides may not do: outlive its parent, talk on stderr, take all memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """A worker whose parent was killed must not go on writing to an output that a new run now holds."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Native libraries write to stderr what they please, file names and a slide's text among it. PULMOSCOPE_DEBUG
    lets them."""
    if os.environ.get("PULMOSCOPE_DEBUG"):
        yield
        return
    before = [os.dup(stream) for stream in (1, 2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nothing, stream)
        yield
    finally:
        for stream, saved in zip((1, 2), before, strict=True):
            os.dup2(saved, stream)
            os.close(saved)
        os.close(nothing)


@contextlib.contextmanager
def memory_limit(memory_gb: float) -> Iterator[None]:
    """Allows `memory_gb` more address space than the process has now: a slide that asks for 86 GB gets none."""
    if sys.platform != "linux":
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (a virtual file)
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + int(memory_gb * (1 << 30)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))
