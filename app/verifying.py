"""Proves stored results whole: each against its own digests, and the table against the store."""

from __future__ import annotations

from pathlib import Path

from aggregate.store import SUFFIX, load_summary, result_path, verify
from app.records import SLIDES_CSV, SlideRow, read_rows
from wsi.errors import StoreError, UsageError


def verify_results(folder: Path) -> dict[str, list[str]]:
    """Result name -> problems, for every result folder in `folder` (or `folder` itself, if it is one).

    A row of the table whose result is missing or says something else is a problem of that result.
    Raises UsageError where there is nothing to verify.
    """
    if folder.suffix == SUFFIX:
        return {folder.name: verify(folder)}
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="give the --out of `pulmoscope run`")
    checked = {path.name: verify(path) for path in sorted(folder.glob(f"*{SUFFIX}"))}
    rows = [row for row in read_rows(folder / SLIDES_CSV) if row.status != "failed"]
    for row in rows:
        checked.setdefault(f"{row.slide_id}{SUFFIX}", [f"is missing, though {SLIDES_CSV} says {row.status}"])
        if not checked[f"{row.slide_id}{SUFFIX}"]:
            checked[f"{row.slide_id}{SUFFIX}"] += _disagreements(folder, row)
    if not checked:
        raise UsageError(f"{folder} holds no result", hint="give the --out of `pulmoscope run`")
    return checked


def _disagreements(folder: Path, row: SlideRow) -> list[str]:
    try:
        summary = load_summary(result_path(folder, row.slide_id))
    except StoreError as error:
        return [error.detail]
    stored = {
        "status": summary["status"],
        "call": summary["call"],
        "review_reasons": tuple(summary["review_reasons"]),
    }
    problems = [
        f"{SLIDES_CSV} says {name} {getattr(row, name)}, the result {value}"
        for name, value in stored.items()
        if getattr(row, name) != value
    ]
    for name, p in summary["probabilities"].items():
        told = row.probabilities.get(name)
        if (p is None) != (told is None) or (p is not None and told is not None and abs(p - told) > 1e-6):
            problems.append(f"{SLIDES_CSV} says p_{name} {told}, the result {p}")
    return problems
