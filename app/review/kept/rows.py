"""Rows of the tables as records, and records as rows. Knows SQL and no rule."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from app.review.kept import tables
from app.review.kept.checks import checked, odd_rows_told
from app.review.people import Identity, Person, Role
from app.review.records import (
    Addendum,
    Decision,
    Reading,
    ReadingName,
    Region,
    Rings,
    Shape,
    Signature,
    SlideRecord,
    Verdict,
)
from wsi.files.reading import parse_json

Row = RowMapping
FIRST_LINK = "0" * 64


def load_record(connection: Connection, slide_id: str, result_sha256: str | None) -> SlideRecord:
    """What is kept of a case; of the slide's newest where no result is named. Raises OddRowError."""
    with odd_rows_told():
        return _record(connection, slide_id, result_sha256)


def _record(connection: Connection, slide_id: str, result_sha256: str | None) -> SlideRecord:
    decided = _of_slide(connection, tables.decisions, slide_id)
    drawn = _of_slide(connection, tables.regions, slide_id)
    signed = _signatures(connection, slide_id)
    wanted = result_sha256 or _newest(decided, drawn)
    added = _addenda(connection, slide_id)
    readings = (_reading(name, wanted, decided, drawn, signed, added) for name in ReadingName)
    return SlideRecord(
        slide_id,
        wanted,
        tuple(one for one in readings if one.decisions or one.drawn),
        tuple(signature(row) for row in signed if row["result_sha256"] != wanted),
    )


def _newest(decided: list[Row], drawn: list[Row]) -> str:
    rows = sorted((*decided, *drawn), key=lambda row: str(row["at"]))
    return str(rows[-1]["result_sha256"]) if rows else ""


def _reading(
    name: ReadingName, result: str, decided: list[Row], drawn: list[Row], signed: list[Row], added: list[Row]
) -> Reading:
    def mine(rows: list[Row]) -> list[Row]:
        return [row for row in rows if row["result_sha256"] == result and row["reading"] == name]

    seal = next(iter(mine(signed)), None)
    return Reading(
        name,
        tuple(map(decision, mine(decided))),
        tuple(map(region, mine(drawn))),
        None if seal is None else signature(seal),
        () if seal is None else tuple(addendum(row) for row in added if row["signature_id"] == seal["id"]),
    )


def decision(row: Row) -> Decision:
    verdict, call, words = Verdict(row["verdict"]), row["call"], row["comment"]
    return Decision(row["id"], ReadingName(row["reading"]), row["version"], verdict, call, words, who(row), row["at"])


def region(row: Row) -> Region:
    return Region(
        row["region_id"],
        ReadingName(row["reading"]),
        row["version"],
        Shape(row["shape"]),
        rings_of(row["rings"]),
        row["class"],
        row["comment"],
        who(row),
        row["at"],
        bool(row["removed"]),
    )


def signature(row: Row) -> Signature:
    return Signature(
        who(row),
        row["at"],
        row["slide_sha256"],
        row["result_sha256"],
        row["model_sha256"],
        row["screen"],
        row["screen_sha256"],
        row["content_sha256"],
        row["digest"],
        row["previous"],
    )


def addendum(row: Row) -> Addendum:
    return Addendum(
        row["text"], row["call"], who(row), row["at"], row["signature_digest"], row["digest"], row["previous"]
    )


def who(row: Row) -> Person:
    return Person(row["reviewer"], Role(row["role"]), Identity(row["identity"]), row["subject"])


def person_columns(person: Person, at: str) -> dict[str, str]:
    told = {"reviewer": person.name, "role": str(person.role), "identity": str(person.identity)}
    return {**told, "subject": person.subject, "at": at}


def rings_of(text: str) -> Rings:
    return tuple(tuple((float(x), float(y)) for x, y in ring) for ring in parse_json(text))


def written_rings(rings: Rings) -> str:
    return json.dumps(rings, separators=(",", ":"), allow_nan=False)


def signature_number(connection: Connection, digest: str) -> int:
    """The number of the signature with this digest."""
    query = select(tables.signatures.c.id).join(tables.seals).where(tables.seals.c.digest == digest)
    return int(connection.execute(query).scalar_one())


def last_link(connection: Connection) -> str:
    """The digest of the last signature or addendum of the whole database."""
    seals = tables.seals
    found = connection.execute(select(seals.c.digest).order_by(seals.c.id.desc()).limit(1)).scalar()
    return str(found or FIRST_LINK)


def _of_slide(connection: Connection, table: Any, slide_id: str) -> list[Row]:
    query = select(table).where(table.c.slide_id == slide_id).order_by(table.c.id)
    return checked(connection.execute(query).mappings())


def _signatures(connection: Connection, slide_id: str) -> list[Row]:
    query = signatures_query().where(tables.signatures.c.slide_id == slide_id)
    return checked(connection.execute(query).mappings())


def signatures_query() -> Any:
    seals = tables.seals
    query = select(tables.signatures, seals.c.digest, seals.c.previous).join(seals)
    return query.order_by(tables.signatures.c.id)


def _addenda(connection: Connection, slide_id: str) -> list[Row]:
    query = addenda_query().where(tables.signatures.c.slide_id == slide_id)
    return checked(connection.execute(query).mappings())


def addenda_query() -> Any:
    own, other = tables.seals.alias("own"), tables.seals.alias("other")
    added, signed = tables.addenda, tables.signatures
    query = select(
        added, own.c.digest, own.c.previous, other.c.digest.label("signature_digest"), signed.c.slide_id
    ).join_from(added, own, added.c.seal_id == own.c.id)
    query = query.join(signed, added.c.signature_id == signed.c.id).join(other, signed.c.seal_id == other.c.id)
    return query.order_by(added.c.id)
