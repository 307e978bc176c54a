"""Clears from a run's output what is proven broken, so that the next run does it again. Nothing is deleted but what
runs had staged: a broken result is set aside. A broken audit log stays as it is, for a person to judge."""

from __future__ import annotations

import secrets
from pathlib import Path

from aggregate.store import STAGING, SUFFIX, clear_staging, load_summary, result_path, verify
from app.ledger.audit import AuditLog, current_user
from app.ledger.locks import prepare_locks, try_lock
from app.ledger.records import SlideRow
from app.ledger.table import merge_rows
from app.ledger.verify import Verification, disagreements, stored_rows
from wsi.errors import OutputUnwritableError

SET_ASIDE = ".set-aside"


def repair_results(folder: Path, found: Verification) -> list[str]:
    """Repairs what `found` says, a line each. A slide that a run is at is left alone.

    A result that does not verify is moved to `.set-aside`; a row without a result leaves the table; a row that
    disagrees with a whole result is written again from it. Raises OutputUnwritableError.
    """
    if folder.suffix == SUFFIX:
        folder = folder.resolve().parent
    prepare_locks(folder)
    audit = AuditLog(folder, current_user(), secrets.token_hex(4))
    told = [f"{slide_id}: cleared what a killed run had staged" for slide_id in _clear_abandoned(folder)]
    for name in found.broken:
        slide_id = name.removesuffix(SUFFIX)
        with try_lock(folder, slide_id) as ours:
            what = _repair(folder, slide_id) if ours else "left alone, a run is at it"
            if ours and what:
                audit.record("repair", slide_id, {"what": what}, durable=True)
        if what:
            told.append(f"{name}: {what}")
    return told


def _repair(folder: Path, slide_id: str) -> str:
    """What was done, if anything. The slide is ours, so what is found now stays so."""
    result = result_path(folder, slide_id)
    rows = [row for row in stored_rows(folder) if row.slide_id == slide_id]
    if not result.exists():
        merge_rows(folder, (), (), without=frozenset({slide_id}))
        return "taken out of the table, its result is missing" if rows else ""
    if verify(result):
        _set_aside(folder, result)
        merge_rows(folder, (), (), without=frozenset({slide_id}))
        return f"moved to {SET_ASIDE}, run again to redo it"
    if any(disagreements(folder, row) for row in rows):
        merge_rows(folder, [SlideRow.of_summary(rows[0].file, load_summary(result))], ())
        return "its row was written again from the result"
    return ""


def _set_aside(folder: Path, result: Path) -> None:
    try:
        (folder / SET_ASIDE).mkdir(exist_ok=True)
        result.rename(folder / SET_ASIDE / f"{result.name}~{secrets.token_hex(4)}")
    except OSError as error:
        raise OutputUnwritableError(f"cannot move {result}: {error.strerror}") from error


def _clear_abandoned(folder: Path) -> list[str]:
    """Ids of the slides whose staging was cleared."""
    cleared = []
    for slide_id in sorted({path.name.rsplit("~", 1)[0] for path in (folder / STAGING).glob("*~*")}):
        with try_lock(folder, slide_id) as ours:
            if ours:
                clear_staging(folder, slide_id)
                cleared.append(slide_id)
    return cleared
