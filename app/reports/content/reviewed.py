"""What people decided, as reports tell it: one line on who signed, a table a reading, and the same for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from app.presentation import figures
from app.presentation.figures import moment
from app.presentation.language import tell
from app.presentation.words import class_title
from app.review import coverage, words
from app.review.records import Reading, Region, ReviewStatus, SlideRecord, person_facts
from wsi.text import plain

_MAX_COMMENT = 2000


@dataclass(frozen=True)
class ReviewContent:
    """`status` is one line: who signed, and what, since the call above it is the model's. `readings` are (title, rows
    of name and text), plain text, empty where nobody decided."""

    status: str
    signed: bool
    readings: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def describe_review(record: SlideRecord | None) -> ReviewContent:
    """The words on a record; None: nobody decided."""
    told = [one for one in record.readings if one.decision] if record else []
    final = record.final if record else None
    status = words.status_in_words(final)
    settled = record is not None and record.settled
    if record is not None and record.differ and not settled:
        status = tell("unsigned: two signed readings differ, and there is no consensus yet")
    if settled and final:
        status = f"{status}. {words.outcome_in_words(final)}"
    tables = tuple((words.reading_title(one.name), _rows(one)) for one in told)
    return ReviewContent(status[0].upper() + status[1:] + ".", settled, tables)


def review_facts(record: SlideRecord | None) -> dict[str, Any]:
    """The record for programs: every version, every digest."""
    if record is None or record.final is None:
        return {"status": "unreviewed", "in_words": describe_review(record).status, "readings": []}
    final = record.final
    return {
        "status": str(final.status if record.settled or not final.signature else ReviewStatus.DECIDED),
        "in_words": describe_review(record).status,
        "call": final.call,
        "readings": [_reading_facts(one) for one in record.readings],
        "signed_for_earlier_results": [one.digest for one in record.earlier],
    }


def _rows(reading: Reading) -> tuple[tuple[str, str], ...]:
    decision = reading.decision
    assert decision is not None
    rows = [
        (tell("Decision"), words.decision_in_words(decision)),
        (tell("Comment"), plain(decision.comment, _MAX_COMMENT)),
    ]
    rows.append((tell("Regions"), _regions_in_words(reading.regions)))
    if signature := reading.signature:
        signed = tell("by {person} on {when}", person=words.person_in_words(signature.by), when=moment(signature.at))
        rows += [(tell("Signed"), signed), (tell("On the screen before that"), _seen_in_words(signature.screen))]
        rows.append((tell("Record, SHA-256"), signature.digest))
    else:
        rows.append((tell("Signed"), tell("not signed")))
    rows += [(tell("Addendum"), words.addendum_in_words(one)) for one in reading.addenda]
    return tuple(row for row in rows if row[1])


def _seen_in_words(screen: str) -> str:
    """What of the tissue was shown, as it was signed; empty where nothing was kept."""
    share = coverage.stored_figure(screen)
    if share is None:
        return ""
    step = f"{coverage.FIGURE_STEP:g}x"
    return tell("{share} of the tissue at {step} or more", share=figures.percent(share), step=step)


def _regions_in_words(regions: tuple[Region, ...]) -> str:
    """``3 drawn: Tumour 2, without a class 1``."""
    if not regions:
        return ""
    counts = Counter(_class(one.class_name) for one in regions)
    named = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return tell("{count} drawn: {named}", count=len(regions), named=named)


def _class(name: str) -> str:
    return class_title(name) if name else tell("without a class")


def _reading_facts(reading: Reading) -> dict[str, Any]:
    return {
        "reading": str(reading.name),
        "status": str(reading.status),
        "call": reading.call,
        "decisions": [one.content() for one in reading.decisions],
        "regions": [one.content() for one in reading.regions],
        "signature": _signature_facts(reading),
        "addenda": [
            {"text": one.text, "call": one.call, "by": person_facts(one.by), "at": one.at, "sha256": one.digest}
            for one in reading.addenda
        ],
    }


def _signature_facts(reading: Reading) -> dict[str, Any] | None:
    if (made := reading.signature) is None:
        return None
    return {
        "by": person_facts(made.by),
        "at": made.at,
        "sha256": made.digest,
        "previous_sha256": made.previous,
        "decision_sha256": made.content_sha256,
        "slide_sha256": made.slide_sha256,
        "result_sha256": made.result_sha256,
        "model_sha256": made.model_sha256,
        "screen_sha256": made.screen_sha256,
        "screen": made.screen,
    }
