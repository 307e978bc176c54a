"""A case as something that people decide on and sign: its slides together, under one digest.

It goes by its token, so that neither the database nor the audit log tells whose it is. Another result of one of its
slides, or another slide in it, makes it another one: what was signed for the earlier stays with that.
"""

from __future__ import annotations

from app.ledger.cases.rows import CaseRow
from app.review.canonical import digest
from app.review.records import Case


def case_to_decide(row: CaseRow) -> Case:
    """What is decided on. Nothing is drawn on a case, so its size is a px."""
    members = sorted((one.row.slide_id, one.result_sha256) for one in row.members)
    told = {"slides": members, "call": row.told.call, "origin": row.told.origin}
    return Case(
        row.token,
        digest({"case": row.token, **told}),
        digest({"slides": sorted(one.slide_sha256 for one in row.members)}),
        digest({"models": sorted({one.model_sha256 for one in row.members if one.model_sha256})}),
        row.told.call,
        row.classes,
        (1, 1),
    )
