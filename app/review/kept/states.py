"""How far each slide is, for a list: one query over the whole database, whatever the number of slides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from app.review.kept.checks import check_cell, odd_rows_told
from app.review.people import Person
from app.review.records import ReadingName, ReviewState, ReviewStatus, Verdict
from app.review.turns import Progress, awaits, is_blind, turn_of

_SAME = "{0}.slide_id = d.slide_id AND {0}.result_sha256 = d.result_sha256 AND {0}.reading = d.reading"
_LAST_DECISIONS = f"""
SELECT d.slide_id, d.result_sha256, d.reading, d.verdict, d.call, d.reviewer, d.at,
       f.identity, f.subject, f.reviewer, s.reviewer, s.at, a.n, c.call
FROM decisions d
JOIN decisions f ON {_SAME.format("f")} AND f.version = 1
LEFT JOIN decisions later ON {_SAME.format("later")} AND later.version = d.version + 1
LEFT JOIN signatures s ON {_SAME.format("s")}
LEFT JOIN (SELECT signature_id, COUNT(*) AS n, MAX(CASE WHEN call <> '' THEN id END) AS last
           FROM addenda GROUP BY signature_id) a ON a.signature_id = s.id
LEFT JOIN addenda c ON c.id = a.last
WHERE later.id IS NULL
ORDER BY d.slide_id, d.id
"""


@dataclass(frozen=True)
class _Line:
    slide_id: str
    result_sha256: str
    reading: str
    verdict: str
    call: str
    by: str
    at: str
    owner_identity: str
    owner_subject: str
    owner_name: str
    signer: str | None
    signed_at: str | None
    addenda: int | None
    changed_call: str | None

    def check(self) -> None:
        """Raises OddRowError where a cell holds what is never written there."""
        for name in _COLUMNS:
            check_cell(name, getattr(self, name))
        for name, column in _COLUMNS_OF_SIGNED.items():
            if (value := getattr(self, name)) is not None:
                check_cell(column, value)
        Verdict(self.verdict)

    @property
    def progress(self) -> Progress:
        owner = Person(self.owner_name, subject=self.owner_subject).key[1]
        call = self.changed_call or self.call
        return Progress(ReadingName(self.reading), (self.owner_identity, owner), self.signer is not None, call)


_COLUMNS = ("slide_id", "result_sha256", "reading", "call", "by", "at", "owner_identity", "owner_subject", "owner_name")
_COLUMNS_OF_SIGNED = {"signer": "reviewer", "signed_at": "at", "addenda": "id", "changed_call": "call"}


def load_states(
    connection: Connection, slide_ids: Collection[str] | None, who: Person | None, *, double: bool
) -> dict[str, ReviewState]:
    """Of those slides that anything is known of; None: of all. Raises OddRowError."""
    wanted = None if slide_ids is None else set(slide_ids)
    found = {}
    with odd_rows_told():
        for lines in _by_slide(connection.execute(text(_LAST_DECISIONS)), wanted):
            found[lines[0].slide_id] = _state(lines, who, double=double)
    return found


def _by_slide(rows: Iterable[object], wanted: set[str] | None) -> Iterator[list[_Line]]:
    """The readings of each slide's newest case."""
    lines: list[_Line] = []
    for row in rows:
        line = _Line(*row)  # type: ignore[misc]
        if wanted is not None and line.slide_id not in wanted:
            continue
        line.check()
        if lines and lines[0].slide_id != line.slide_id:
            yield _newest(lines)
            lines = []
        lines.append(line)
    if lines:
        yield _newest(lines)


def _newest(lines: list[_Line]) -> list[_Line]:
    """In the order of their ids the last line is of the case that was decided on last."""
    return [line for line in lines if line.result_sha256 == lines[-1].result_sha256]


def _state(lines: list[_Line], who: Person | None, *, double: bool) -> ReviewState:
    slide_id, begun = lines[0].slide_id, [line.progress for line in lines]
    turn = turn_of(begun, who, double=double)
    if is_blind(turn, who, double=double):
        lines = [line for line in lines if who and line.reading == turn and line.progress.owner == who.key]
        if not lines:
            return ReviewState(slide_id, awaits=turn or "")
    of = {line.reading: line for line in lines}
    line = of.get(ReadingName.CONSENSUS) or of.get(ReadingName.FIRST) or lines[-1]
    return ReviewState(
        slide_id,
        ReviewStatus.SIGNED if line.signer else ReviewStatus.DECIDED,
        line.verdict,
        line.changed_call or line.call,
        line.signer or line.by,
        line.signed_at or line.at,
        awaits(begun) if double else "",
        line.addenda or 0,
        line.result_sha256,
    )
