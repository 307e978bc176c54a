"""What the list tells of a slide, as the browser gets it, and which slide needs a person first. Draws nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aggregate import store
from aggregate.result import UNDETERMINED, SlideStatus
from app.ledger.cases.members import Member
from app.ledger.records import SlideRow
from app.presentation import words
from app.review.records import ReviewState, ReviewStatus
from app.viewer.catalog import Entry
from wsi.errors import StoreError
from wsi.files.finite import finite
from wsi.text import plain

STATUS_WORDS = {
    "review": "To review",
    "done": "Done",
    "failed": "Failed",
    "running": "Running",
    "queued": "Queued",
}
# The order of the list, from the top; each but the last two with the least confident first.
ORDER_WORDS = (
    "Not yet signed slides come first. Of them: to review and no tumour called (a miss would cost most), to review and "
    "a tumour called, failed, other tumour calls, other normal calls. Within each the least confident comes first."
)
_REVIEW_NO_TUMOUR, _REVIEW_TUMOUR, _FAILED, _TUMOUR, _NORMAL, _RUNNING, _QUEUED = range(7)
_TRIES = 5
_AWAITS = {"second": ", awaits a second reading", "consensus": ", awaits consensus"}
_SIGNED = 10  # more than any severity: what is signed follows what is not


def severity(row: SlideRow, background: str) -> int:
    """How far up a slide belongs: 0 is first. As ORDER_WORDS says it."""
    tumour = row.call not in ("", UNDETERMINED, background)
    if row.status is SlideStatus.FAILED:
        return _FAILED
    if row.status is SlideStatus.REVIEW:
        return _REVIEW_TUMOUR if tumour else _REVIEW_NO_TUMOUR
    return _TUMOUR if tumour else _NORMAL


def rank(row: SlideRow, background: str, signed: bool) -> float:
    """The place of a slide in the list, smallest first: severity before confidence."""
    confidence = _confidence(row)
    level = severity(row, background) + _SIGNED * signed
    return level + (0.0 if confidence is None else min(0.999, max(0.0, confidence)))


def listed(entry: Entry, background: str, review: ReviewState, member: Member | None = None) -> dict[str, Any]:
    """A slide as one line of the list; what is not known is null. `member` tells its case, where it has one."""
    row, signed = entry.row, is_signed(entry, review)
    confidence, stamp = _confidence(row), store.stamp(entry.result_path)
    return {
        "id": row.slide_id,
        "status": str(row.status),
        "call": _call(row),
        "confidence": confidence,
        "told": "" if confidence is None else words.confidence_figure(confidence),
        "why": _why(row),
        "review": _reviewed(row, review),
        "signed": signed,
        "tissue": finite(row.tissue_mm2),
        "mpp": finite(row.mpp),
        "upload": entry.uploaded,
        "rank": rank(row, background, signed),
        "picture": f"{stamp:x}" if stamp else "",
        "words": " ".join((row.call, str(row.status), *row.review_reasons)),
        **of_case(member),
    }


def of_case(member: Member | None) -> dict[str, Any]:
    """The case that a line tells, and by what its page goes; nothing for a slide without one."""
    return {} if member is None else {"case": plain(member.case), "case_token": member.token}


def under_way(slide_id: str, status: str, member: Member | None = None) -> dict[str, Any]:
    """The line of a slide that is being run, or waits for it, and has no row yet."""
    rank = {"running": _RUNNING, "queued": _QUEUED}[status]
    nothing = dict.fromkeys(("confidence", "tissue", "mpp"))
    texts = dict.fromkeys(("call", "told", "why", "review"), "")
    return {
        **{"id": slide_id, "status": status, "signed": False, "upload": False, "rank": rank, "picture": ""},
        **nothing,
        **texts,
        "words": status,
        **of_case(member),
    }


def backgrounds(entries: Mapping[str, Entry], known: dict[str, str]) -> dict[str, str]:
    """The class that is no tumour, by the model that the rows tell; `known` are those that were found before."""
    tried = Counter[str]()
    for entry in entries.values():
        model = entry.row.model
        if model in known or entry.row.status is SlideStatus.FAILED or tried[model] >= _TRIES:
            continue
        tried[model] += 1
        with suppress(StoreError, KeyError):
            known[model] = str(store.load_summary(entry.result_path)["background"])
    return known


def is_signed(entry: Entry, review: ReviewState) -> bool:
    """Whether all that is wanted was signed, and of the result that is stored now."""
    if review.status is not ReviewStatus.SIGNED or review.awaits:
        return False
    with suppress(StoreError):
        return store.committed_digest(entry.result_path) == review.result_sha256
    return False


def _reviewed(row: SlideRow, review: ReviewState) -> str:
    if review.status is ReviewStatus.UNREVIEWED:
        names = review.drawn_by[0] + (" and others" if review.drawn_by[1:] else "") if review.drawn_by else ""
        return plain(f"{_regions(review)} drawn by {names}") if review.regions else ""
    told = f"{'Signed' if review.status is ReviewStatus.SIGNED else 'Decided'} by {review.by}"
    if review.call and review.call != row.call:
        told += f": {_title(review.call)}"
    if review.regions:
        told += f", {_regions(review)}"
    if review.addenda:
        told += ", with addendum"
    return plain(
        told + {"second": ", awaits a second reading", "consensus": ", awaits consensus"}.get(review.awaits, "")
    )


def _regions(review: ReviewState) -> str:
    return f"{review.regions} {'region' if review.regions == 1 else 'regions'}"


def _title(call: str) -> str:
    return words.CANNOT_TELL if call == UNDETERMINED else words.class_title(call)


def _call(row: SlideRow) -> str:
    return _title(row.call) if row.call else ""


def _confidence(row: SlideRow) -> float | None:
    """None where no call is made: there is nothing to be confident of."""
    return None if row.call in ("", UNDETERMINED) else finite(row.confidence)


def _why(row: SlideRow) -> str:
    if row.status is SlideStatus.FAILED:
        return plain(f"{row.error_code}: {row.message}", max_length=400)
    return "; ".join(words.reason(code).title for code in row.review_reasons)
