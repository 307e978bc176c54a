"""What is remembered of a slide: decisions in every version, regions, signatures, addenda. Frozen; no database here.

A case is one result of one slide: a slide that is run anew with other findings is a new case, and what was signed for
the old one stays with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aggregate.result import UNDETERMINED, SlideResult
from app.review.canonical import digest
from app.review.people import Person

OTHER = "other"
"""The call of a person who sees what none of the model's classes names."""


class Verdict(StrEnum):
    AGREE = "agree"
    CHANGED = "changed"
    CANNOT_TELL = "cannot-tell"


class ReadingName(StrEnum):
    FIRST = "first"
    SECOND = "second"
    CONSENSUS = "consensus"


class ReviewStatus(StrEnum):
    UNREVIEWED = "unreviewed"
    DECIDED = "decided"
    SIGNED = "signed"


class Shape(StrEnum):
    POLYGON = "polygon"
    RECTANGLE = "rectangle"


Rings = tuple[tuple[tuple[float, float], ...], ...]
"""Outer ring first, then holes; (x, y) in level-0 px, the first point not repeated at the end."""


@dataclass(frozen=True)
class Case:
    """What a decision is about. `classes` are those that a person may call; `call` is the result's own."""

    slide_id: str
    result_sha256: str
    slide_sha256: str
    model_sha256: str
    call: str
    classes: tuple[str, ...]
    size_px: tuple[int, int]

    @classmethod
    def of(cls, result: SlideResult, result_sha256: str) -> Case:
        """`result_sha256` as `aggregate.store.committed_digests` tells it."""
        return cls(
            result.slide_id,
            result_sha256,
            result.slide.sha256,
            result.provenance.model.sha256,
            result.decision.call,
            result.classes,
            result.slide.size_px,
        )


@dataclass(frozen=True)
class Decision:
    """One version of what a person decided. `call` is always told: the result's own where they agree, `undetermined`
    where they cannot tell."""

    number: int
    reading: ReadingName
    version: int
    verdict: Verdict
    call: str
    comment: str
    by: Person
    at: str

    def content(self) -> dict[str, Any]:
        return {
            "reading": self.reading,
            "version": self.version,
            "verdict": self.verdict,
            "call": self.call,
            "comment": self.comment,
            "by": person_facts(self.by),
            "at": self.at,
        }


@dataclass(frozen=True)
class Region:
    """One version of a region that a person drew; `removed` where this version takes it away."""

    region_id: str
    reading: ReadingName
    version: int
    shape: Shape
    rings: Rings
    class_name: str
    comment: str
    by: Person
    at: str
    removed: bool = False

    def content(self) -> dict[str, Any]:
        return {
            "region_id": self.region_id,
            "version": self.version,
            "shape": self.shape,
            "rings": self.rings,
            "class": self.class_name,
            "comment": self.comment,
            "removed": self.removed,
            "by": person_facts(self.by),
            "at": self.at,
        }


@dataclass(frozen=True)
class Addendum:
    """What was added to a signed record. `call` is empty where the call stays. `digest` is of all of it, and holds
    `previous`, the digest of the signature or addendum before it in the whole database."""

    text: str
    call: str
    by: Person
    at: str
    signature: str
    digest: str
    previous: str


@dataclass(frozen=True)
class Signature:
    """`content_sha256` is that of the decision and its regions as they were signed; `screen` what was on the screen, as
    canonical JSON. `digest` is of all of it, and holds `previous` as an addendum does."""

    by: Person
    at: str
    slide_sha256: str
    result_sha256: str
    model_sha256: str
    screen: str
    screen_sha256: str
    content_sha256: str
    digest: str
    previous: str


@dataclass(frozen=True)
class Reading:
    """One reading of a case: every version of the decision and of its regions, the signature, its addenda."""

    name: ReadingName
    decisions: tuple[Decision, ...] = ()
    drawn: tuple[Region, ...] = ()
    signature: Signature | None = None
    addenda: tuple[Addendum, ...] = ()

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions as they stand, in the order they were drawn."""
        last = {one.region_id: one for one in self.drawn}
        return tuple(one for one in last.values() if not one.removed)

    @property
    def owner(self) -> Person | None:
        """Who began it, by a decision or a region."""
        begun = [(one.at, one.by) for one in self.decisions[:1]] + [(one.at, one.by) for one in self.drawn[:1]]
        return min(begun, key=lambda one: one[0])[1] if begun else None

    @property
    def decision(self) -> Decision | None:
        """The last version."""
        return self.decisions[-1] if self.decisions else None

    @property
    def version(self) -> int:
        """Of the decision; 0 before the first. What `decide` is told as `seen`."""
        return self.decisions[-1].version if self.decisions else 0

    @property
    def call(self) -> str:
        """What holds now: the last addendum's call, else the decision's; empty before any."""
        changed = [one.call for one in self.addenda if one.call]
        return changed[-1] if changed else self.decision.call if self.decision else ""

    @property
    def status(self) -> ReviewStatus:
        if self.signature:
            return ReviewStatus.SIGNED
        return ReviewStatus.DECIDED if self.decisions else ReviewStatus.UNREVIEWED

    @property
    def content_sha256(self) -> str:
        """Of every version of the decision and the regions: what a signature is put under."""
        return digest(
            {
                "decisions": [one.content() for one in self.decisions],
                "regions": [one.content() for one in self.drawn],
            }
        )


@dataclass(frozen=True)
class SlideRecord:
    """All that is remembered of a case; `earlier` are signatures under other results of the same slide."""

    slide_id: str
    result_sha256: str
    readings: tuple[Reading, ...] = ()
    earlier: tuple[Signature, ...] = ()

    def reading(self, name: ReadingName) -> Reading:
        """An empty one where nobody began it."""
        return next((one for one in self.readings if one.name is name), Reading(name))

    @property
    def final(self) -> Reading | None:
        """The reading that counts: the consensus where there is one, else the first that says anything."""
        told = {one.name: one for one in self.readings if one.decisions}
        return told.get(ReadingName.CONSENSUS) or told.get(ReadingName.FIRST) or told.get(ReadingName.SECOND)

    @property
    def settled(self) -> bool:
        """Whether the reading that counts is signed, and no other signed one says otherwise without a consensus."""
        final = self.final
        if final is None or final.signature is None:
            return False
        return not self.differ or final.name is ReadingName.CONSENSUS

    @property
    def differ(self) -> bool:
        """Whether both readings are signed and say different things."""
        first, second = self.reading(ReadingName.FIRST), self.reading(ReadingName.SECOND)
        return bool(first.signature and second.signature) and first.call != second.call


@dataclass(frozen=True)
class ReviewState:
    """What a list shows of a slide. `awaits` is ``second`` or ``consensus`` where another reading is wanted still;
    `result_sha256` is that of the result it was said of. How many `regions` stand, and who drew them, is told where it
    was asked for (`Reviews.listed`)."""

    slide_id: str
    status: ReviewStatus = ReviewStatus.UNREVIEWED
    verdict: str = ""
    call: str = ""
    by: str = ""
    at: str = ""
    awaits: str = ""
    addenda: int = 0
    result_sha256: str = ""
    regions: int = 0
    drawn_by: tuple[str, ...] = ()


def person_facts(who: Person) -> dict[str, str]:
    return {"name": who.name, "role": who.role, "identity": who.identity, "subject": who.subject}


def called(case: Case, verdict: Verdict, call: str) -> str:
    """The call that a verdict stands for. Raises ValueError where it stands for none."""
    if verdict is Verdict.AGREE:
        return case.call
    if verdict is Verdict.CANNOT_TELL:
        return UNDETERMINED
    if call not in (*case.classes, OTHER) or call == case.call:
        raise ValueError(call)
    return call
