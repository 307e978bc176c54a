"""What a signature and an addendum put their digest under. The same facts give the same digest for ever: `verify`
counts them anew from the rows."""

from __future__ import annotations

from typing import Any

from app.review.canonical import digest
from app.review.people import Person
from app.review.records import Addendum, ReadingName, Signature, person_facts

SIGNATURE, ADDENDUM = "signature", "addendum"


def signature_digest(
    slide_id: str, reading: ReadingName, by: Person, at: str, digests: dict[str, str], previous: str
) -> str:
    """`digests` are the five that a signature holds, by the names of its fields."""
    facts: dict[str, Any] = {"kind": SIGNATURE, "slide_id": slide_id, "reading": reading, "at": at, **digests}
    return digest({**facts, "by": person_facts(by), "previous": previous})


def addendum_digest(slide_id: str, signature: str, text: str, call: str, by: Person, at: str, previous: str) -> str:
    """`signature` is the digest of the signature that it is added to."""
    facts = {"kind": ADDENDUM, "slide_id": slide_id, "signature": signature, "text": text, "call": call, "at": at}
    return digest({**facts, "by": person_facts(by), "previous": previous})


def digests_of(signature: Signature) -> dict[str, str]:
    return {
        "slide_sha256": signature.slide_sha256,
        "result_sha256": signature.result_sha256,
        "model_sha256": signature.model_sha256,
        "screen_sha256": signature.screen_sha256,
        "content_sha256": signature.content_sha256,
    }


def again(slide_id: str, reading: ReadingName, signature: Signature) -> str:
    """The digest that a stored signature should have."""
    return signature_digest(slide_id, reading, signature.by, signature.at, digests_of(signature), signature.previous)


def addendum_again(slide_id: str, added: Addendum) -> str:
    """The digest that a stored addendum should have."""
    return addendum_digest(slide_id, added.signature, added.text, added.call, added.by, added.at, added.previous)
