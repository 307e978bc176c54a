"""How many slides are done, of how many: a line that is written over on a terminal, one now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

_LINE_EVERY_S = 10.0
_LEAST = 2


def slides_shown(every_s: float = _LINE_EVERY_S) -> Callable[[int, int], None]:
    """Takes (done, total) and tells it on standard error; of a single slide nothing."""
    on_terminal, began_s = sys.stderr.isatty(), time.monotonic()
    last_s = began_s

    def show(done: int, total: int) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if total < _LEAST or (not on_terminal and now_s - last_s < every_s):
            return
        last_s = now_s
        left = f", {_short((now_s - began_s) / done * (total - done))} left" if 0 < done < total else ""
        line = f"{done:,} of {total:,} slides{left}"
        if on_terminal:
            print(f"\r{line:<60.60}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    return show


def _short(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
