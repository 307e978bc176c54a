"""Proves a run's output whole: each result against its own digests, the table and the audit log against the results.
Changes nothing; `repairing` does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from aggregate.result import SlideStatus
from aggregate.store import SUFFIX, committed_digest, load_summary, result_path, verify
from app.ledger.audit import AUDIT, Chain, check_chain
from app.ledger.records import SLIDES_CSV, SlideRow
from app.ledger.table import read_table
from wsi.errors import StoreError, UsageError


@dataclass(frozen=True)
class Verification:
    """`results`: result name -> its problems, empty where it is whole. `audit`: what is wrong with the audit log.
    `notes` are told and are no fault."""

    results: dict[str, list[str]]
    audit: list[str]
    notes: list[str]

    @property
    def broken(self) -> dict[str, list[str]]:
        return {name: problems for name, problems in self.results.items() if problems}


def verify_results(folder: Path) -> Verification:
    """Checks every result folder in `folder`, or `folder` itself, if it is one (then without table and audit log).

    A row of the table whose result is missing or says something else is a problem of that result, and so is a
    digest that the audit log does not know. Raises UsageError where there is nothing to verify.
    """
    if folder.suffix == SUFFIX:
        return Verification({folder.name: verify(folder)}, [], [])
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="give the --out of `pulmoscope run`")
    checked = {path.name: verify(path) for path in sorted(folder.glob(f"*{SUFFIX}"))}
    for row in stored_rows(folder):
        name = f"{row.slide_id}{SUFFIX}"
        checked.setdefault(name, [f"is missing, though {SLIDES_CSV} says {row.status}"])
        if not checked[name]:
            checked[name] += disagreements(folder, row)
    if not checked and not (folder / AUDIT).exists():
        raise UsageError(f"{folder} holds no result", hint="give the --out of `pulmoscope run`")
    # The log is read last: a run that goes on meanwhile records a result before it can be seen.
    chain = _chain(folder, any(not problems for problems in checked.values()))
    for name, problems in checked.items():
        if not problems and committed_digest(folder / name) not in chain.results.get(name.removesuffix(SUFFIX), ()):
            problems.append(f"{AUDIT} has no record of it")
    return Verification(checked, chain.problems, chain.notes)


def report_of(found: Verification, repairs: list[str], *, as_json: bool) -> str:
    """What was found and repaired, as lines or as one JSON object."""
    if as_json:
        facts = {"broken": found.broken, "audit": found.audit, "notes": found.notes, "repairs": repairs}
        return json.dumps({"results": len(found.results), **facts})
    lines = [f"{name}: {problem}" for name, problems in found.broken.items() for problem in problems]
    lines += [f"{AUDIT}: {problem}" for problem in found.audit]
    lines += [f"{AUDIT}: note: {note}" for note in found.notes]
    lines += [f"repaired: {repair}" for repair in repairs]
    whole = len(found.results) - len(found.broken)
    return "\n".join([*lines, f"{len(found.results)} results: {whole} whole and unaltered, {len(found.broken)} broken"])


def stored_rows(folder: Path) -> list[SlideRow]:
    """The rows of the table that say that there is a result. Raises UsageError if the table cannot be read."""
    try:
        return [row for row in read_table(folder) if row.status is not SlideStatus.FAILED]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder / SLIDES_CSV} cannot be read ({type(error).__name__})",
            hint="move it away: running again with the same command writes it anew",
        ) from error


def disagreements(folder: Path, row: SlideRow) -> list[str]:
    """Where a row of the table says something else than its result, a line each."""
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


def _chain(folder: Path, has_results: bool) -> Chain:
    try:
        return check_chain(folder / AUDIT)
    except FileNotFoundError:
        return Chain(problems=["is missing"] if has_results else [])
    except OSError as error:
        return Chain(problems=[f"cannot be read ({error.strerror})"])
