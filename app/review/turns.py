"""Whose turn it is, and what one may see before: pure rules over what is remembered.

With a second reading, the first two people read each on their own: neither sees anything of the other's before their
own is signed. Where the two differ, a consensus is open to everybody who decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.review.people import Person, Role
from app.review.records import ReadingName, SlideRecord

Key = tuple[str, str]
_OWN = (ReadingName.FIRST, ReadingName.SECOND)


@dataclass(frozen=True)
class Progress:
    """How far one reading is: who began it, whether it is signed, what it says."""

    name: ReadingName
    owner: Key | None
    signed: bool
    call: str


def turn_of(begun: Iterable[Progress], who: Person | None, *, double: bool) -> ReadingName | None:
    """The reading that `who` would write; None where there is none for them: all is signed, or they only look."""
    if who is None or who.role is Role.READER:
        return None
    found = {one.name: one for one in begun}
    first, second, consensus = (found.get(name) or Progress(name, None, False, "") for name in ReadingName)
    if not double:
        return None if first.signed else ReadingName.FIRST
    mine = [one for one in (first, second) if one.owner == who.key]
    if mine and not mine[0].signed:
        return mine[0].name
    if not mine and (free := [one.name for one in (first, second) if one.owner is None]):
        return free[0]
    return ReadingName.CONSENSUS if awaits(found.values()) == "consensus" and not consensus.signed else None


def awaits(begun: Iterable[Progress]) -> str:
    """``second`` or ``consensus`` where that is wanted still, after the first reading was signed."""
    found = {one.name: one for one in begun}
    first, second, consensus = (found.get(name) for name in ReadingName)
    if first is None or not first.signed:
        return ""
    if second is None or not second.signed:
        return "second"
    agreed = first.call == second.call or (consensus is not None and consensus.signed)
    return "" if agreed else "consensus"


def is_blind(turn: ReadingName | None, who: Person | None, *, double: bool) -> bool:
    """Whether what others said must not be shown. Who has not said who they are may be the second reader yet."""
    return double and (who is None or turn in _OWN)


def progress(record: SlideRecord) -> list[Progress]:
    return [
        Progress(one.name, one.owner.key if one.owner else None, one.signature is not None, one.call)
        for one in record.readings
    ]


def seen_by(record: SlideRecord, who: Person | None, *, double: bool) -> SlideRecord:
    """The record without what is hidden from `who`."""
    turn = turn_of(progress(record), who, double=double)
    if not is_blind(turn, who, double=double):
        return record
    own = tuple(one for one in record.readings if who and one.name is turn and one.owner and one.owner.key == who.key)
    return replace(record, readings=own, earlier=())
