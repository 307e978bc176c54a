"""An output folder is made fit to be written to, whatever lies there. What is in the way is set aside, never deleted,
and never followed where it is a link."""

from __future__ import annotations

from pathlib import Path

from aggregate.result_folder import STAGING
from app.ledger.aside import SET_ASIDE
from app.ledger.audit import AUDIT
from app.ledger.locks import clear_the_way, prepare_locks
from app.ledger.records import SLIDES_CSV
from app.ledger.slide_ids import SLIDE_IDS
from app.ledger.table import JOURNAL

RUN_LOG = "run.jsonl"


def prepare_output(out: Path) -> list[str]:
    """A line for each thing that had to be moved, or that a user should know. Raises OutputUnwritableError."""
    told = prepare_locks(out)
    return told + clear_the_way(out, (SET_ASIDE, STAGING), (SLIDES_CSV, JOURNAL, AUDIT, RUN_LOG, SLIDE_IDS))
