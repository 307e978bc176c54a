"""Cases: which slides are of one case, and what becomes of it. Loaded for an output that was told of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsi.process.later import from_homes

if TYPE_CHECKING:
    from app.ledger.cases.members import note_members
    from app.ledger.cases.rows import write_cases
    from app.ledger.cases.told import are_told

__all__ = ["are_told", "note_members", "write_cases"]

__getattr__ = from_homes(__name__, {"are_told": "told", "note_members": "members", "write_cases": "rows"})
