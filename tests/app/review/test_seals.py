"""What a signature and an addendum are put under, written out by hand: later versions prove what is signed today."""

import hashlib
from dataclasses import fields, replace

import pytest

from app.review import seals
from app.review.people import Identity, Person, Role
from app.review.records import Addendum, ReadingName, Signature

ANNA = Person("Anna Müller", Role.ADMIN, Identity.OIDC, "anna@example.org")
AT = "2026-11-29T07:30:00.123+00:00"
SIGNATURE = Signature(ANNA, AT, "a" * 64, "b" * 64, "c" * 64, "{}", "d" * 64, "e" * 64, "unknown", "f" * 64)
ADDENDUM = Addendum("p40 positive", "squamous", ANNA, AT, "9" * 64, "unknown", "8" * 64)
SIGNED = (
    '{"at":"2026-11-29T07:30:00.123+00:00",'
    '"by":{"identity":"oidc","name":"Anna M\\u00fcller","role":"admin","subject":"anna@example.org"},'
    f'"content_sha256":"{"e" * 64}","kind":"signature","model_sha256":"{"c" * 64}","previous":"{"f" * 64}",'
    f'"reading":"first","result_sha256":"{"b" * 64}","screen_sha256":"{"d" * 64}","slide_id":"one",'
    f'"slide_sha256":"{"a" * 64}"}}'
)
ADDED = (
    '{"at":"2026-11-29T07:30:00.123+00:00",'
    '"by":{"identity":"oidc","name":"Anna M\\u00fcller","role":"admin","subject":"anna@example.org"},'
    f'"call":"squamous","kind":"addendum","previous":"{"8" * 64}","signature":"{"9" * 64}","slide_id":"one",'
    '"text":"p40 positive"}'
)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_signature_is_the_digest_of_all_that_was_signed():
    assert seals.again("one", ReadingName.FIRST, SIGNATURE) == sha256(SIGNED)


def test_an_addendum_is_the_digest_of_all_that_was_added():
    assert seals.addendum_again("one", ADDENDUM) == sha256(ADDED)


# The digest is what the others are held against; the text of the screen goes in by its own.
@pytest.mark.parametrize("name", sorted({field.name for field in fields(Signature)} - {"digest", "screen"}))
def test_every_field_of_a_signature_is_in_its_digest(name):
    other = replace(SIGNATURE, **{name: replace(ANNA, name="Bert") if name == "by" else "0" * 64})
    assert seals.again("one", ReadingName.FIRST, other) != sha256(SIGNED)


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Addendum)} - {"digest"}))
def test_every_field_of_an_addendum_is_in_its_digest(name):
    other = replace(ADDENDUM, **{name: replace(ANNA, subject="") if name == "by" else "0" * 64})
    assert seals.addendum_again("one", other) != sha256(ADDED)
