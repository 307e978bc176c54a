"""Case after case to names and bytes: each report in its formats, then the table of cases. Writes no file."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from aggregate.result import SlideResult
from app.ledger.cases.rows import CASES_CSV, CaseRow, cases_bytes
from app.presentation.language import speaking
from app.reports.case.content import FORMATS, CaseContent, Pictures, describe_case
from app.reports.case.for_programs import render_json
from app.reports.case.page import render_html
from app.reports.content.options import ReportOptions
from app.review import words as review_words
from app.review.cases import case_to_decide
from app.review.records import ReviewState, ReviewStatus, SlideRecord
from app.review.reviews import Reviews
from wsi.errors import StoreError
from wsi.files.csv_cells import inert
from wsi.text import plain

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
Load = Callable[[str], SlideResult]
"""The stored result of a slide by its id. Raises StoreError."""


def case_stem(case: str) -> str:
    """The name of a case's reports without their ending. No slide's id holds a ``~``, so it takes no slide's place."""
    safe = _UNSAFE.sub("_", case)
    tail = "" if safe == case else f"-{hashlib.sha256(case.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"case~{safe}{tail}"


def case_files(
    rows: Sequence[CaseRow],
    formats: Sequence[str],
    reviews: Reviews,
    load: Load,
    options: Callable[[str], ReportOptions],
) -> Iterator[tuple[str, bytes]]:
    """The reports of all cases in those of `formats` that there are for one, and `cases.csv`. `options` are asked by
    case. A slide whose result cannot be read has no picture. Raises ReviewError."""
    states = reviews.states() if rows else {}
    further = {}
    for row in rows:
        record = reviews.record(row.token, case_to_decide(row).result_sha256)
        further[row.token] = _columns(states.get(row.token), record)
        asked = options(row.case)
        with speaking(asked.language):
            content = describe_case(row, _pictures(row, load), record, _signed(row, states), asked)
            for name in (name for name in formats if name in FORMATS):
                yield f"{case_stem(row.case)}.{name}", _rendered(name, row, content, record, asked)
    yield CASES_CSV, cases_bytes(rows, further)


def _rendered(name: str, row: CaseRow, content: CaseContent, record: SlideRecord, options: ReportOptions) -> bytes:
    if name == "html":
        return render_html(content)
    if name == "json":
        return render_json(row, content, record, options)
    from app.reports.case.pdf import render_pdf  # ReportLab is loaded by who wants a PDF

    return render_pdf(content, options)


def _pictures(row: CaseRow, load: Load) -> Pictures:
    pictures = Pictures()
    for member in row.members:
        if member.result_sha256:
            with contextlib.suppress(StoreError):
                pictures.take(load(member.row.slide_id))
    return pictures


def _signed(row: CaseRow, states: Mapping[str, ReviewState]) -> dict[str, str]:
    """Of each slide whose present result is signed, what was signed and by whom."""
    found = {}
    for member in row.members:
        state = states.get(member.row.slide_id)
        if state and state.status is ReviewStatus.SIGNED and state.result_sha256 == member.result_sha256:
            found[member.row.slide_id] = f"{review_words.call_of_a_person(state.call)}, {plain(state.by)}"
    return found


def _columns(state: ReviewState | None, record: SlideRecord) -> dict[str, str]:
    """What people decided on the case as it is now."""
    final = record.final
    known = state if state and final else None
    return {
        "review": str(final.status if final else ReviewStatus.UNREVIEWED),
        "verdict": known.verdict if known else "",
        "reviewed_call": final.call if final else "",
        "reviewer": inert(known.by) if known else "",
        "reviewed_at": known.at if known else "",
    }
