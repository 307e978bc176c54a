"""Whether what was signed is as it was signed: every record against its digest, the chain, the rows it speaks of and
the audit log. Changes nothing. Drafts that nobody signed have no proof, and none is claimed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, inspect, select, text

from app.ledger.audit import AUDIT, Chain, audit_key, check_chain
from app.presentation.figures import moment
from app.review import seals
from app.review.canonical import text_digest
from app.review.kept import tables
from app.review.kept.address import database_url
from app.review.kept.database import REVIEWS, Database
from app.review.kept.rows import FIRST_LINK, Row, addenda_query, addendum, load_record, signature, signatures_query
from app.review.records import ReadingName
from app.review.words import reading_title
from wsi.errors import ReviewError
from wsi.text import plain

# What keeps rows from being changed, as the migrations make it: (SQLite, PostgreSQL).
_TRIGGERS = {"sqlite": 12, "postgresql": 12}


@dataclass
class Proof:
    """`problems` of the records; `notes` are told and are no fault; `records` counts signatures and addenda."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: int = 0


def prove(results: Path, address: str | None = None) -> Proof:
    """Checks the records of a results folder against themselves and its audit log. A database that cannot be read is a
    problem. Raises UsageError for an address, or an audit key, that is none."""
    url = database_url(address)
    database = Database(results / REVIEWS if url is None else url)
    proof = Proof()
    try:
        with database.reading() as connection:
            known = _check(connection, proof, database.told) if connection is not None else {}
        # The log is read after the records: of each it has a line before the record is kept.
        chain = _log(results)
        with database.reading() as connection:
            # Somebody may have signed between: those are there by now.
            since = (
                set(connection.execute(select(tables.seals.c.digest)).scalars()) if connection is not None else set()
            )
    except ReviewError as error:
        proof.problems.append(error.detail)
        return proof
    gone = {digest: slide_id for digest, slide_id in chain.sealed.items() if digest not in since}
    _check_log(known, gone, chain, proof, database.told)
    return proof


def _log(results: Path) -> Chain:
    """What the log says of the records; its own flaws are told by who checks it whole."""
    try:
        return check_chain(results / AUDIT, audit_key())
    except OSError:
        return Chain()


def _check(connection: Connection, proof: Proof, told: str) -> dict[str, str]:
    """Slide id of each record by its digest; what is wrong inside the database goes to `proof`."""
    try:
        known = _check_chain(connection, proof, told)
        for row in connection.execute(signatures_query()).mappings():
            proof.problems += [f"{told}: {problem}" for problem in _of_signature(connection, row)]
        for row in connection.execute(addenda_query()).mappings():
            if seals.addendum_again(row["slide_id"], addendum(row)) != row["digest"]:
                whose = f"the addendum of {plain(row['reviewer'])} to {plain(row['slide_id'])}"
                proof.problems.append(f"{told}: {whose} is not as it was signed")
    except (ValueError, TypeError, KeyError) as error:
        proof.problems.append(f"{told}: holds what no record can hold ({type(error).__name__})")
        return {}
    if missing := _missing_triggers(connection):
        proof.problems.append(f"{told}: {missing} of the rules that keep records from being changed are gone")
    return known


def _check_chain(connection: Connection, proof: Proof, told: str) -> dict[str, str]:
    before, known = FIRST_LINK, {}
    alone = _without_record(connection)
    for row in connection.execute(select(tables.seals).order_by(tables.seals.c.id)).mappings():
        whose = f"the {plain(row['kind'])} of {plain(row['slide_id'])}"
        if row["previous"] != before:
            proof.problems.append(f"{told}: {whose} does not follow the record before it")
        if row["id"] in alone:
            proof.problems.append(f"{told}: {whose} was removed")
        before = row["digest"]
        known[row["digest"]] = row["slide_id"]
    proof.records = len(known)
    return known


def _without_record(connection: Connection) -> set[int]:
    """Links of the chain whose signature or addendum is not there."""
    numbers = set(connection.execute(select(tables.seals.c.id)).scalars())
    for table in (tables.signatures, tables.addenda):
        numbers -= set(connection.execute(select(table.c.seal_id)).scalars())
    return numbers


def _of_signature(connection: Connection, row: Row) -> Iterator[str]:
    made, name = signature(row), ReadingName(row["reading"])
    whose = f"{reading_title(name).lower()} of {plain(row['slide_id'])}"
    whose += f", signed by {plain(made.by.name)} on {moment(made.at)}"
    if seals.again(row["slide_id"], name, made) != made.digest:
        yield f"the {whose}: the signature is not as it was made"
    if text_digest(made.screen) != made.screen_sha256:
        yield f"the {whose}: what was on the screen is not as it was signed"
    reading = load_record(connection, row["slide_id"], made.result_sha256).reading(name)
    last = reading.decision
    if reading.content_sha256 != made.content_sha256 or last is None or last.number != row["decision_id"]:
        yield f"the {whose}: the decision or its regions were changed since"


def _check_log(known: dict[str, str], gone: dict[str, str], chain: Chain, proof: Proof, told: str) -> None:
    """What the database and the audit log say of each other; `gone` are those that the log alone knows."""
    if gone and not known:
        proof.problems.append(
            f"{told}: {len(gone)} signed records that the audit log knows are not there; if they are in PostgreSQL, "
            "give --database"
        )
    elif gone:
        proof.problems += [
            f"{told}: a signed record of {plain(slide_id)} was removed: the audit log knows it"
            for slide_id in gone.values()
        ]
    proof.problems += [
        f"{told}: a signed record of {plain(slide_id)} was added: the audit log has none"
        for digest, slide_id in known.items()
        if chain.sealed.get(digest, chain.sealing.get(digest)) != slide_id
    ]
    proof.notes += [
        f"{plain(slide_id)} was about to be signed when the program ended: nothing was signed"
        for digest, slide_id in chain.sealing.items()
        if digest not in known and digest not in chain.sealed
    ]


def _missing_triggers(connection: Connection) -> int:
    """How many of our triggers are not there."""
    dialect = connection.dialect.name
    queries = {
        "sqlite": "SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT COUNT(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' "
        "AND tgrelid::regclass::text IN ('decisions', 'regions', 'seals', 'signatures', 'addenda')",
    }
    if not inspect(connection).has_table("seals"):
        return _TRIGGERS[dialect]
    return max(0, _TRIGGERS[dialect] - int(connection.execute(text(queries[dialect])).scalar() or 0))
