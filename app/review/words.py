"""Decisions and signatures in plain words, for pages and reports. What people wrote passes `plain` or is escaped by who
shows it."""

from __future__ import annotations

from datetime import UTC, datetime

from aggregate.result import UNDETERMINED
from app.presentation.words import CANNOT_TELL, class_title
from app.review.people import Identity, Person
from app.review.records import OTHER, Addendum, Decision, Reading, ReadingName, Signature, Verdict
from wsi.text import plain

UNSIGNED = "unsigned: no person has decided on this result"
DECIDED = "unsigned: a person has decided, and has not signed"
OTHER_TITLE = "Something else"
_READINGS = {
    ReadingName.FIRST: "First reading",
    ReadingName.SECOND: "Second reading",
    ReadingName.CONSENSUS: "Consensus",
}
_IDENTITIES = {Identity.STATED: "name stated, not checked by a login", Identity.OIDC: "known by a login"}


def call_of_a_person(call: str) -> str:
    """The title of a class, `Cannot tell` or `Something else`."""
    return {UNDETERMINED: CANNOT_TELL, OTHER: OTHER_TITLE}.get(call) or class_title(call)


def decision_in_words(decision: Decision) -> str:
    """``Agrees: Adenocarcinoma``, ``Changed to Normal``, ``Cannot tell``."""
    if decision.verdict is Verdict.CANNOT_TELL:
        return CANNOT_TELL
    title = call_of_a_person(decision.call)
    return f"Agrees: {title}" if decision.verdict is Verdict.AGREE else f"Changed to {title}"


def reading_title(name: ReadingName) -> str:
    return _READINGS[name]


def person_in_words(who: Person) -> str:
    """``Anna Reader (reviewer; known by a login)``."""
    return f"{plain(who.name)} ({who.role}; {_IDENTITIES[who.identity]})"


def signed_in_words(signature: Signature) -> str:
    return f"signed by {person_in_words(signature.by)} on {when(signature.at)}"


def status_in_words(reading: Reading | None) -> str:
    """One line on the reading that counts: unsigned, or by whom and when."""
    if reading is None or reading.decision is None:
        return UNSIGNED
    return signed_in_words(reading.signature) if reading.signature else DECIDED


def addendum_in_words(added: Addendum) -> str:
    """What was added, by whom and when; its text comes last."""
    call = f"; the call is now {call_of_a_person(added.call)}" if added.call else ""
    return f"{when(added.at)}, {person_in_words(added.by)}{call}: {plain(added.text, 2000)}"


def when(at: str) -> str:
    """``29 November 2026, 08:03 UTC``; a text that is no ISO time is shown as it is."""
    try:
        moment = datetime.fromisoformat(at).astimezone(UTC)
    except ValueError:
        return plain(at)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
