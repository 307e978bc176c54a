"""Interleaved rounds: every contender in turn, several times, so that a busy or throttled machine hits all alike."""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Call = Callable[[], object]


@dataclass(frozen=True)
class Cost:
    """What one call took: wall and CPU seconds, CPU of all threads of this process and of children that have ended."""

    wall_s: float
    cpu_s: float


def measure(call: Call) -> Cost:
    wall, cpu = time.perf_counter(), _cpu_s()
    call()
    return Cost(time.perf_counter() - wall, _cpu_s() - cpu)


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def interleaved(contenders: Mapping[str, Callable[[], Call]], rounds: int) -> dict[str, list[Cost]]:
    """Costs by contender, one a round. A contender makes ready what is then measured: opens the slide, gives the call.

    A first round warms files and code up and is not counted.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, make_ready in contenders.items():
            cost = measure(make_ready())
            if number:
                costs[name].append(cost)
    return costs


def median_ratio(above: list[float], below: list[float]) -> tuple[float, float, float]:
    """Median, least and greatest of the ratios within each round."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def arguments(what: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--rounds", type=int, default=5)
    return parser


def show_ratio(label: str, ratios: tuple[float, float, float]) -> None:
    print(f"{label:<64} {ratios[0]:6.2f}  ({ratios[1]:.2f} to {ratios[2]:.2f})", flush=True)
