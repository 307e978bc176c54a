"""How often the watch cries wolf, and how soon it tells a change.

python -m benchmarks.drift [--streams 40] [--weeks 1000]: laboratories of twenty slides a week and one scanner, whose
signals are drawn: as they are for `weeks` weeks (false alarms), and then with one signal shifted by so many standard
deviations from slide 200 on (how many slides until the alarm, of streams where it came within 300). The limit is the
command's own. Signals are drawn from a lognormal, a normal and a yes-or-no law in turn.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from app.upkeep.drift.report import DriftPlan, DriftReport, watch_laboratory
from app.upkeep.drift.signals import SIGNALS, WatchedSlide

A_WEEK = 20
CHANGE_AT = 200
WITHIN = 300
NAMES = tuple(signal.name for signal in SIGNALS)
SHIFTED = NAMES[3]
START = datetime(2026, 1, 5, tzinfo=UTC)


def laboratory(seed: int, slides: int, shift: float = 0.0) -> Iterator[WatchedSlide]:
    rng = np.random.default_rng(seed)
    for number in range(slides):
        drawn = rng.normal(size=len(NAMES))
        values = {name: _law(index, float(z)) for index, (name, z) in enumerate(zip(NAMES, drawn, strict=True))}
        if number >= CHANGE_AT:
            values[SHIFTED] = float(drawn[NAMES.index(SHIFTED)]) + shift
        else:
            values[SHIFTED] = float(drawn[NAMES.index(SHIFTED)])
        when = START + timedelta(days=7 * (number // A_WEEK), minutes=number % A_WEEK)
        yield WatchedSlide(f"drawn-{number}", f"{seed}-{number}", when, "drawn", "drawn", values)


def _law(index: int, z: float) -> float:
    return (float(np.exp(z)), z, float(z > 1.3))[index % 3]


def watched(seed: int, slides: int, shift: float = 0.0) -> DriftReport:
    return watch_laboratory(laboratory(seed, slides, shift), (), DriftPlan())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--weeks", type=int, default=1000)
    arguments = parser.parse_args()
    alarmed = sum(bool(watched(seed, arguments.weeks * A_WEEK).alarms) for seed in range(arguments.streams))
    told = f"{arguments.streams} laboratories of {arguments.weeks:,} weeks ({arguments.weeks * A_WEEK:,} slides)"
    promised = f"one alarm in {DriftPlan().once_in:,} slides on average at most"
    print(f"no change, {told}: {alarmed} ever alarmed; promised: {promised}")
    for shift in (0.75, 1.0, 1.5, 2.0, 3.0):
        delays = []
        for seed in range(arguments.streams):
            report = watched(10_000 + seed, CHANGE_AT + WITHIN, shift)
            told = [f.verdict.at for f in report.alarms if f.signal.name == SHIFTED and f.verdict.at is not None]
            delays += [at + DriftPlan().first - CHANGE_AT + 1 for at in told]
        found = [delay for delay in delays if delay > 0]
        after = f"after {statistics.median(found):g} slides, at most {max(found)}" if found else "never"
        print(f"shifted by {shift} SD: told in {len(found)} of {arguments.streams}, {after}")


if __name__ == "__main__":
    main()
