"""Decisions and signatures in plain words, for pages and reports. What people wrote passes `plain` or is escaped by who
shows it."""

from __future__ import annotations

from aggregate.result import UNDETERMINED
from app.presentation import figures
from app.presentation.language import said, tell
from app.presentation.words import CANNOT_TELL, class_title
from app.review.people import Identity, Person
from app.review.records import OTHER, Addendum, Decision, Reading, ReadingName, Signature, Verdict
from wsi.text import plain

UNSIGNED = said("unsigned: no person has decided on this result")
DECIDED = said("unsigned: a person has decided, and has not signed")
OTHER_TITLE = said("Something else")
_READINGS = {
    ReadingName.FIRST: said("First reading"),
    ReadingName.SECOND: said("Second reading"),
    ReadingName.CONSENSUS: said("Consensus"),
}
_IDENTITIES = {Identity.STATED: said("name stated, not checked by a login"), Identity.OIDC: said("known by a login")}
_ROLES = (said("reviewer"), said("reader"), said("admin"))


def call_of_a_person(call: str) -> str:
    """The title of a class, `Cannot tell` or `Something else`."""
    known = {UNDETERMINED: CANNOT_TELL, OTHER: OTHER_TITLE}.get(call)
    return tell(known) if known else class_title(call)


def decision_in_words(decision: Decision) -> str:
    """``Agrees: Adenocarcinoma``, ``Changed to Normal``, ``Cannot tell``."""
    if decision.verdict is Verdict.CANNOT_TELL:
        return tell(CANNOT_TELL)
    title = call_of_a_person(decision.call)
    agrees = decision.verdict is Verdict.AGREE
    return tell("Agrees: {call}", call=title) if agrees else tell("Changed to {call}", call=title)


def outcome_in_words(reading: Reading) -> str:
    """The decision of a reading that has one, and what an addendum made of it since."""
    assert reading.decision is not None
    decided = decision_in_words(reading.decision)
    changed = reading.call != reading.decision.call
    return decided + (tell("; the call is now {call}", call=call_of_a_person(reading.call)) if changed else "")


def reading_title(name: ReadingName) -> str:
    return tell(_READINGS[name])


def person_in_words(who: Person) -> str:
    """``Anna Reader (reviewer; known by a login)``."""
    role = tell(who.role) if who.role in _ROLES else plain(who.role)
    return f"{plain(who.name)} ({role}; {tell(_IDENTITIES[who.identity])})"


def signed_in_words(signature: Signature) -> str:
    return tell("signed by {person} on {when}", person=person_in_words(signature.by), when=figures.moment(signature.at))


def status_in_words(reading: Reading | None) -> str:
    """One line on the reading that counts: unsigned, or by whom and when."""
    if reading is None or reading.decision is None:
        return tell(UNSIGNED)
    return signed_in_words(reading.signature) if reading.signature else tell(DECIDED)


def addendum_in_words(added: Addendum) -> str:
    """What was added, by whom and when; its text comes last."""
    call = tell("; the call is now {call}", call=call_of_a_person(added.call)) if added.call else ""
    return f"{figures.moment(added.at)}, {person_in_words(added.by)}{call}: {plain(added.text, 2000)}"
