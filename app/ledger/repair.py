"""Clears from a run's output what is proven broken, so that the next run does it again. Nothing is deleted but what
runs had staged: a broken result is set aside. A broken audit log stays as it is, for a person to judge."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from aggregate.layout.attributes import is_slide_id
from aggregate.result import SlideStatus
from aggregate.result_folder import SUFFIX, clear_staging, load_summary, result_path, staged_folders
from aggregate.store import verify
from app.ledger.aside import set_aside
from app.ledger.audit import AuditLog, current_user
from app.ledger.locks import try_lock
from app.ledger.prepare import prepare_output
from app.ledger.records import SlideRow
from app.ledger.table import merge_rows, read_table
from app.ledger.verify import Verification, disagreements


def repair_results(folder: Path, found: Verification) -> list[str]:
    """Repairs what `found` says, a line each. A slide that a run is at is left alone.

    A result that does not verify is moved to `.set-aside`; a row without a result leaves the table; a row that
    disagrees with a whole result, or is missing, is written again from it. Raises OutputUnwritableError.
    """
    if folder.suffix == SUFFIX:
        folder = folder.resolve().parent
    told = prepare_output(folder)
    audit = AuditLog(folder, current_user(), secrets.token_hex(4))
    told += [f"{slide_id}: cleared what a killed run had staged" for slide_id in _clear_abandoned(folder)]
    told += merge_rows(folder, (), ())
    for name in found.broken:
        slide_id = name.removesuffix(SUFFIX)
        if not is_slide_id(slide_id):
            told.append(f"{name}: moved to {set_aside(folder, folder / name)}")
            continue
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
    row = read_table(folder).rows.get(slide_id)
    if not os.path.lexists(result):
        merge_rows(folder, (), (), without=frozenset({slide_id}))
        return "taken out of the table, its result is missing" if row else ""
    if verify(result):
        kept_as = set_aside(folder, result)
        merge_rows(folder, (), (), without=frozenset({slide_id}))
        return f"moved to {Path(kept_as).parent}, run again to redo it"
    if row is None or (row.status is not SlideStatus.FAILED and disagreements(folder, row)):
        summary = load_summary(result)
        file = summary["slide"]["file"]
        # The row's folder is kept where its file's name is the result's: only the table knows it.
        told = row.file if row and Path(row.file).name == file else file
        merge_rows(folder, [SlideRow.of_summary(told, summary)], ())
        return "its row was written again from the result"
    return ""


def _clear_abandoned(folder: Path) -> list[str]:
    """Ids of the slides whose staging was cleared."""
    cleared = []
    for slide_id in sorted({path.name.rpartition("~")[0] for path in staged_folders(folder)}):
        if not is_slide_id(slide_id):
            continue
        with try_lock(folder, slide_id) as ours:
            if ours:
                clear_staging(folder, slide_id)
                cleared.append(slide_id)
    return cleared
