"""What a process that reads slides may not do: outlive its parent, take all memory or time, leave core files."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """A worker whose parent was killed must not go on writing to an output that a new run now holds.

    The kernel counts the *thread* that started it as its parent: for processes that the main thread starts.
    """
    if sys.platform == "linux":
        import ctypes  # not at the top: every command would wait for it, and only workers need it

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def leave_with(parent: int, look_every_s: float = 1.0) -> None:
    """As `die_with`, for processes that any thread of the parent may start: looks for the parent now and then."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(look_every_s)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def no_core_files() -> None:
    """A process that aborts leaves no copy of its memory on disk: pixels and names of slides are in it."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


@contextlib.contextmanager
def memory_limit(memory_gb: float) -> Iterator[None]:
    """Allows `memory_gb` more address space than the process has now: a slide that asks for 86 GB gets none.

    Where the process was given a lower limit itself (`ulimit -v`), that one stays.
    """
    if sys.platform != "linux":
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (a virtual file)
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    wanted = in_use + int(memory_gb * (1 << 30))
    given = [limit for limit in (before, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *given]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


def memory_is_limited() -> bool:
    """Whether this process may take only so much memory: what asks for too much ends with an error."""
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def allow_cpu_seconds(seconds: float) -> None:
    """The kernel ends this process once it has used `seconds` more of CPU time, whatever its libraries are at."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    wanted = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
