"""What a results folder remembers of people: read it, decide, draw, sign, add. The rules are here and in `turns`; the
database refuses on its own what goes round them, and the audit log tells what went round both."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import Connection, insert

from app.ledger.audit import AuditEvent, AuditLog, current_user
from app.ledger.locks import prepare_locks
from app.presentation import words
from app.review import seals
from app.review.canonical import canonical, comment, now, text_digest
from app.review.drawing import Points, fitted
from app.review.kept import tables
from app.review.kept.address import database_url
from app.review.kept.database import REVIEWS, Database
from app.review.kept.drawn import with_regions
from app.review.kept.rows import last_link, load_record, person_columns, signature_number, written_rings
from app.review.kept.states import load_states
from app.review.people import Person, check_may_decide
from app.review.records import (
    Addendum,
    Case,
    Decision,
    Reading,
    ReadingName,
    Region,
    ReviewState,
    Shape,
    Signature,
    SlideRecord,
    Verdict,
    called,
)
from app.review.turns import is_blind, progress, seen_by, turn_of
from wsi.errors import ReviewConflictError, SignedError, UsageError
from wsi.text import plain

MAX_REGIONS = 2000


def open_reviews(results: Path, database: str | None = None, *, second_reading: bool = False) -> Reviews:
    """The reviews of a results folder: in `reviews.sqlite` there, or in the PostgreSQL that `database` (or
    PULMOSCOPE_DATABASE) names. Nothing is written, and no connection made, before it is needed. Raises UsageError."""
    url = database_url(database)
    return Reviews(results, Database(results / REVIEWS if url is None else url), second_reading=second_reading)


class Reviews:
    """Safe to share among threads. `second_reading`: two people read each slide, blind to each other."""

    def __init__(self, results: Path, database: Database, *, second_reading: bool = False) -> None:
        self.results = results
        self.database = database
        self.second_reading = second_reading

    def check(self) -> None:
        """Raises ReviewError where a server does not answer. A file that cannot be read is told beside the slides: they
        can be looked at without it."""
        if self.database.is_server:
            with self.database.reading():
                pass

    def states(
        self, slide_ids: Collection[str] | None = None, *, seen_by: Person | None = None
    ) -> dict[str, ReviewState]:
        """How far slides are, as `seen_by` may know it; of those alone that anything is known of, of all where no ids
        are given. One query. Raises ReviewError."""
        with self.database.reading() as connection:
            if connection is None:
                return {}
            return load_states(connection, slide_ids, seen_by, double=self.second_reading)

    def listed(self, *, seen_by: Person | None = None) -> dict[str, ReviewState]:
        """As `states`, with the regions that were drawn, also where nobody decided yet. Raises ReviewError."""
        states = self.states(seen_by=seen_by)
        with self.database.reading() as connection:
            if connection is None:
                return states
            return with_regions(states, connection, seen_by, double=self.second_reading)

    def record(self, slide_id: str, result_sha256: str | None = None) -> SlideRecord:
        """All that is kept of one result of a slide, of its newest where none is named. Raises ReviewError."""
        with self.database.reading() as connection:
            if connection is None:
                return SlideRecord(slide_id, result_sha256 or "")
            return load_record(connection, slide_id, result_sha256)

    def seen_by(self, record: SlideRecord, who: Person | None) -> SlideRecord:
        """The record without what is hidden from `who`: for pages and for reports that they ask for."""
        return seen_by(record, who, double=self.second_reading)

    def turn(self, record: SlideRecord, who: Person | None) -> ReadingName | None:
        """The reading that `who` would write now; None: it is signed, or they only look."""
        return turn_of(progress(record), who, double=self.second_reading)

    def decide(
        self, case: Case, verdict: Verdict, by: Person, *, call: str = "", comment_text: str = "", seen: int = 0
    ) -> Decision:
        """Keeps a version of a decision. `seen` is the version that was on the screen (0: none).

        Raises UsageError (a call that is none), SignedError, NotAllowedError, and ReviewConflictError where somebody
        decided meanwhile: it tells what, and nothing is lost.
        """
        try:
            stands = called(case, verdict, call)
        except ValueError:
            raise UsageError(f"{plain(call) or 'no class'} is no other call of this slide") from None
        text = comment(comment_text)
        with self._turn(case, by) as (connection, reading):
            if reading.version != seen:
                _tell_conflict(reading, seen)
            at, version = now(), reading.version + 1
            row = {**_case(case, reading.name), "version": version, "verdict": str(verdict), "call": stands}
            number = _insert(connection, tables.decisions, {**row, "comment": text, **person_columns(by, at)})
        return Decision(number, reading.name, version, verdict, stands, text, by, at)

    def sign(self, case: Case, by: Person, *, content_sha256: str, screen: Mapping[str, Any]) -> Signature:
        """Signs the reading whose turn it is, which locks it. `content_sha256` is the reading's as it was on the
        screen; `screen` is what was shown there: layer, settings, viewport.

        Raises as `decide` does, and UsageError where nothing was decided, or by somebody else.
        """
        shown = canonical(screen)
        with self._sealed(case.slide_id, by, "signed") as announce, self._turn(case, by) as (connection, reading):
            if reading.decision is None:
                raise UsageError("nothing was decided yet, so there is nothing to sign", hint="decide first")
            if reading.content_sha256 != content_sha256:
                _tell_conflict(reading, 0)
            if reading.decision.by.key != by.key:
                raise UsageError(f"this is the decision of {reading.decision.by.name}", hint="make it yours first")
            made = _signature(case, reading, by, shown, last_link(connection))
            announce(made.digest)
            _insert_signature(connection, case, reading, made)
        return made

    def add_addendum(self, case: Case, by: Person, text: str, *, call: str = "") -> Addendum:
        """Adds to the signed reading that counts; with a `call` it stands from now on.

        Raises UsageError (no text, a call that is none), SignedError where nothing is signed, NotAllowedError.
        """
        added = comment(text)
        if not added or (call and call not in (*case.classes, "undetermined", "other")):
            raise UsageError("an addendum says something, and a call of its own is one of the slide's classes")
        check_may_decide(by)
        with self._sealed(case.slide_id, by, "addendum") as announce, self.database.writing() as connection:
            record = load_record(connection, case.slide_id, case.result_sha256)
            blind = is_blind(self.turn(record, by), by, double=self.second_reading)
            signed = None if blind else record.final
            if signed is None or signed.signature is None:
                raise SignedError("there is nothing signed to add to", hint="sign your own reading first")
            made = _addendum(case.slide_id, signed.signature.digest, added, call, by, last_link(connection))
            announce(made.digest)
            _insert_addendum(connection, case.slide_id, made)
        return made

    def add_region(
        self,
        case: Case,
        by: Person,
        shape: Shape,
        rings: Sequence[Points],
        *,
        class_name: str = "",
        comment_text: str = "",
        region_id: str | None = None,
        seen: int = 0,
    ) -> Region:
        """Keeps a region, or with `region_id` and the version that was `seen` another version of it.

        `rings` are in level-0 px; `class_name` is free text. Raises as `decide` does, UsageError for what is no region.
        """
        fit = fitted(shape, rings, case.size_px)
        return self._draw(case, by, region_id, seen, (shape, fit, plain(class_name, 100), comment(comment_text), False))

    def remove_region(self, case: Case, by: Person, region_id: str, *, seen: int) -> Region:
        """Takes a region away, by a version that says so. Raises as `decide` does."""
        return self._draw(case, by, region_id, seen, None)

    def _draw(
        self, case: Case, by: Person, region_id: str | None, seen: int, told: tuple[Shape, Any, str, str, bool] | None
    ) -> Region:
        with self._turn(case, by) as (connection, reading):
            before = next((one for one in reading.regions if one.region_id == region_id), None)
            known = max((one.version for one in reading.drawn if one.region_id == region_id), default=0)
            if region_id is not None and (before.version if before else known) != seen:
                raise ReviewConflictError("this region was changed or removed meanwhile", hint="look again")
            if before is None and (told is None or len(reading.regions) >= MAX_REGIONS):
                raise UsageError("there is no such region, or there are too many", hint=f"{MAX_REGIONS} are kept")
            shape, rings, class_name, text, removed = told or _taken_away(before)
            name, version, at = region_id or str(uuid.uuid4()), seen + 1, now()
            made = Region(name, reading.name, version, shape, rings, class_name, text, by, at, removed)
            _insert(connection, tables.regions, {**_case(case, reading.name), **_region_columns(made)})
        return made

    @contextmanager
    def _turn(self, case: Case, by: Person) -> Iterator[tuple[Connection, Reading]]:
        """The reading that is `by`'s to write, in a transaction that nobody else writes beside."""
        check_may_decide(by)
        with self.database.writing() as connection:
            record = load_record(connection, case.slide_id, case.result_sha256)
            turn = self.turn(record, by)
            if turn is None:
                _tell_signed(record)
            yield connection, record.reading(turn)

    @contextmanager
    def _sealed(self, slide_id: str, by: Person, event: AuditEvent) -> Iterator[Any]:
        """Two lines of the audit log: one before the record is kept, one after the transaction inside ended well."""
        prepare_locks(self.results)
        log = AuditLog(self.results, by.name, secrets.token_hex(4))
        facts = {"identity": str(by.identity), "account": current_user()}
        told: list[str] = []

        def announce(record_sha256: str) -> None:
            log.record("sealing", slide_id, {**facts, "record_sha256": record_sha256}, durable=True)
            told.append(record_sha256)

        yield announce
        log.record(event, slide_id, {**facts, "record_sha256": told[0]}, durable=True)


def _tell_conflict(reading: Reading, seen: int) -> NoReturn:
    latest = reading.decision
    if latest is None or latest.version == seen:
        raise ReviewConflictError("regions were changed meanwhile", hint="look again")
    said = "cannot tell" if latest.verdict is Verdict.CANNOT_TELL else words.class_title(latest.call)
    raise ReviewConflictError(
        f"{latest.by.name} decided meanwhile ({latest.at[11:16]} UTC): {said}", hint="look again, then decide"
    )


def _tell_signed(record: SlideRecord) -> NoReturn:
    final = record.final
    if final is None or final.signature is None:
        raise SignedError("both readings are taken", hint="wait until they are signed")
    told = f"{final.signature.by.name} signed on {final.signature.at[:10]}"
    raise SignedError(f"this slide is signed ({told})", hint="add an addendum")


def _taken_away(before: Region | None) -> tuple[Shape, Any, str, str, bool]:
    assert before is not None
    return before.shape, before.rings, before.class_name, before.comment, True


def _case(case: Case, reading: ReadingName) -> dict[str, str]:
    return {"slide_id": case.slide_id, "result_sha256": case.result_sha256, "reading": str(reading)}


def _region_columns(made: Region) -> dict[str, Any]:
    told = {"region_id": made.region_id, "version": made.version, "shape": str(made.shape), "removed": made.removed}
    drawn = {"rings": written_rings(made.rings), "class": made.class_name, "comment": made.comment}
    return {**told, **drawn, **person_columns(made.by, made.at)}


def _signature(case: Case, reading: Reading, by: Person, screen: str, previous: str) -> Signature:
    at = now()
    digests = {
        "slide_sha256": case.slide_sha256,
        "result_sha256": case.result_sha256,
        "model_sha256": case.model_sha256,
        "screen_sha256": text_digest(screen),
        "content_sha256": reading.content_sha256,
    }
    sealed = seals.signature_digest(case.slide_id, reading.name, by, at, digests, previous)
    return Signature(by, at, screen=screen, digest=sealed, previous=previous, **digests)


def _insert_signature(connection: Connection, case: Case, reading: Reading, made: Signature) -> None:
    assert reading.decision is not None
    row = {"decision_id": reading.decision.number, "screen": made.screen, **seals.digests_of(made)}
    seal_id = _insert_seal(connection, seals.SIGNATURE, case.slide_id, made.digest, made.previous)
    whose = {**_case(case, reading.name), **person_columns(made.by, made.at)}
    _insert(connection, tables.signatures, {"seal_id": seal_id, **row, **whose})


def _addendum(slide_id: str, signature: str, text: str, call: str, by: Person, previous: str) -> Addendum:
    at = now()
    sealed = seals.addendum_digest(slide_id, signature, text, call, by, at, previous)
    return Addendum(text, call, by, at, signature, sealed, previous)


def _insert_addendum(connection: Connection, slide_id: str, made: Addendum) -> None:
    seal_id = _insert_seal(connection, seals.ADDENDUM, slide_id, made.digest, made.previous)
    row = {"signature_id": signature_number(connection, made.signature), "text": made.text, "call": made.call}
    _insert(connection, tables.addenda, {"seal_id": seal_id, **row, **person_columns(made.by, made.at)})


def _insert_seal(connection: Connection, kind: str, slide_id: str, sealed: str, previous: str) -> int:
    row = {"kind": kind, "slide_id": slide_id, "digest": sealed, "previous": previous}
    return _insert(connection, tables.seals, row)


def _insert(connection: Connection, table: Any, row: Mapping[str, Any]) -> int:
    """The number of the new row."""
    made = connection.execute(insert(table).values(row)).inserted_primary_key
    assert made is not None
    return int(made[0])
