"""`pulmoscope verify`: results, table and audit log, and what people signed on them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from aggregate.result_folder import SUFFIX
from app.ledger.verify import Verification, verify_results


def verify_all(results: Path, head: str, database: str | None, *, quick: bool = False) -> Verification:
    """Raises UsageError as `verify_results` does, and for an address of a database that is none."""
    found = verify_results(results, head, quick=quick)
    if results.suffix == SUFFIX or not _has_records(results, found, database):
        return found
    from app.review.proof import prove

    proof = prove(results, database)
    return replace(found, reviews=proof.problems, signed=proof.records, notes=found.notes + proof.notes)


def _has_records(results: Path, found: Verification, database: str | None) -> bool:
    """Whether people left anything here; a database is not imported for nothing."""
    named = database or os.environ.get("PULMOSCOPE_DATABASE")
    return bool(found.people or named) or os.path.lexists(results / "reviews.sqlite")
