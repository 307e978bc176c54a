"""What people decided, as records of other programs need to know it: which reading counts, and whether it is signed."""

from __future__ import annotations

from dataclasses import dataclass

from app.review import words
from app.review.records import Reading, SlideRecord
from wsi.text import plain

_MAX_TEXT = 2000


@dataclass(frozen=True)
class Stated:
    """The reading that counts. `final`: a person with a name signed it, and no other signed reading says otherwise.

    `state` is a digest of all that was said: another one as soon as anything was added.
    """

    reading: Reading
    final: bool
    state: str

    @property
    def person(self) -> str:
        """Name, role, and how the name is known."""
        signature, decision = self.reading.signature, self.reading.decision
        assert decision is not None
        return words.person_in_words(signature.by if signature else decision.by)

    def lines(self) -> list[str]:
        """Decision, comment, who signed, addenda: a line each."""
        reading = self.reading
        assert reading.decision is not None
        told = [f"{words.reading_title(reading.name)}: {words.decision_in_words(reading.decision)}"]
        if reading.decision.comment:
            told.append(f"Comment: {plain(reading.decision.comment, _MAX_TEXT)}")
        told.append(_capital(words.status_in_words(reading)))
        return told + [f"Addendum, {words.addendum_in_words(one)}" for one in reading.addenda]

    def digests(self) -> dict[str, str]:
        """Name -> SHA-256 of what was signed; empty where nothing was."""
        if (signature := self.reading.signature) is None:
            return {}
        digests = {"record": signature.digest, "decision": signature.content_sha256, "result": signature.result_sha256}
        return {f"SHA-256 of the signed {name}": digest for name, digest in digests.items()}


def stated(record: SlideRecord | None) -> Stated | None:
    """None where nobody decided on this very result."""
    reading = record.final if record else None
    if record is None or reading is None or reading.decision is None:
        return None
    named = reading.signature is not None and bool(plain(reading.signature.by.name))
    said = [one.digest for one in reading.addenda]
    return Stated(reading, named and record.settled, "\0".join((reading.content_sha256, *_sealed(reading), *said)))


def _sealed(reading: Reading) -> tuple[str, ...]:
    return (reading.signature.digest,) if reading.signature else ()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
