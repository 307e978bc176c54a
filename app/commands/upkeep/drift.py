"""`pulmoscope drift`: the watch over results folders, told on the terminal and to a monitor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.upkeep.drift.gather import watch_folders
from app.upkeep.drift.report import DriftPlan
from app.upkeep.drift.tell import drift_lines, metrics_text
from wsi.files.writing import unwritable, write_file


@dataclass(frozen=True)
class Told:
    alarm: bool
    facts: dict[str, Any]
    lines: list[str]


def watch(
    results: Sequence[Path],
    *,
    baseline: Path | None,
    first: int,
    once_in: int,
    metrics: Path | None,
    database: str | None,
) -> Told:
    """Raises UsageError (no results, no such baseline), ReviewError, OutputUnwritableError."""
    report, unread = watch_folders(results, baseline, DriftPlan(first, once_in), database)
    if metrics is not None:
        try:
            write_file(metrics, metrics_text(report).encode())
        except OSError as error:
            raise unwritable(metrics.name, error) from error
    return Told(bool(report.alarms), report.to_dict() | {"unread": list(unread)}, drift_lines(report, unread))
