"""The table of a cohort: one row a slide as CSV and as a page with links to the reports. Opens no result.

The columns of `cohort.csv` are those of `slides.csv`, behind them what people decided, and the case where cases are
known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from aggregate.result import UNDETERMINED, SlideStatus
from app.ledger.records import SlideRow, columns
from app.presentation import figures, words
from app.presentation.language import forms, said, tell, tell_count
from app.reports.cohort.summary import summarise
from app.reports.cohort.watched import Watched, watched_words
from app.reports.content.failed import FAILURE_FORMATS
from app.reports.html_report import environment
from app.reports.names import report_stem
from app.review import words as review_words
from app.review.records import ReviewState, ReviewStatus
from wsi.errors import StoreError
from wsi.files.csv_cells import csv_line, inert
from wsi.text import plain

REVIEW_COLUMNS = ("review", "verdict", "reviewed_call", "reviewer", "reviewed_at", "addenda")
States = Mapping[str, ReviewState]


@dataclass(frozen=True)
class CohortLine:
    """One slide as the page shows it. `links` are (format, relative address); all texts are plain."""

    slide_id: str
    case: str
    status: str
    status_in_words: str
    call: str
    probabilities: tuple[str, ...]
    reasons: tuple[str, ...]
    tissue: str
    tiles: str
    seconds: str
    review: str
    links: tuple[tuple[str, str], ...]


def cohort_bytes(
    rows: Sequence[SlideRow], classes: Sequence[str], states: States, cases: Mapping[str, str] | None = None
) -> bytes:
    """The table as the bytes of its file; `cases` by slide id."""
    names = columns(classes, opinions=any(row.has_opinion for row in rows))
    known = _cases_of(rows, cases)
    lines = [csv_line((*names, *REVIEW_COLUMNS, *(("case",) if known else ())))]
    for row in rows:
        state = states.get(row.slide_id) or ReviewState(row.slide_id)
        told = (state.status, state.verdict, state.call, inert(state.by), state.at, str(state.addenda or ""))
        cells = row.cells(classes)
        case = (inert(known.get(row.slide_id, "")),) if known else ()
        lines.append(csv_line((*(cells[name] for name in names), *told, *case)))
    return "".join(lines).encode("utf-8", "backslashreplace")


def render_cohort(
    rows: Sequence[SlideRow],
    classes: Sequence[str],
    formats: Sequence[str],
    states: States,
    cases: Mapping[str, str] | None = None,
    watched: Watched | None = None,
) -> bytes:
    """The page of a cohort, slides that a person should look at first, as UTF-8 HTML in the language that is spoken."""
    ordered = sorted(rows, key=lambda row: (row.status.reading_order, row.slide_id))
    counts = Counter(row.status for row in rows)
    known = _cases_of(rows, cases)
    page = environment().get_template("cohort.html")
    return page.render(
        language=forms().code,
        title=tell_count("{count} slide", "{count} slides", len(rows), count=figures.count(len(rows))),
        lines=[_line(row, classes, formats, states.get(row.slide_id), known) for row in ordered],
        by_case=bool(known),
        classes=[words.class_title(name) for name in classes],
        counts=[f"{figures.count(counts[status])} {_status(status)}" for status in SlideStatus],
        summary=summarise(rows, states, cases),
        watched=watched_words(watched),
        research_use=tell(words.RESEARCH_USE),
        note=tell(words.PROBABILITY_NOTE),
    ).encode("utf-8", "replace")


_STATUSES = {SlideStatus.DONE: said("done"), SlideStatus.REVIEW: said("review"), SlideStatus.FAILED: said("failed")}


def _status(status: SlideStatus) -> str:
    return tell(_STATUSES[status])


def _cases_of(rows: Sequence[SlideRow], cases: Mapping[str, str] | None) -> dict[str, str]:
    """The case of each of these slides that has one; empty where cases were not told."""
    return {row.slide_id: cases[row.slide_id] for row in rows if cases and cases.get(row.slide_id)}


def _line(
    row: SlideRow,
    classes: Sequence[str],
    formats: Sequence[str],
    state: ReviewState | None,
    cases: Mapping[str, str],
) -> CohortLine:
    told = bool(row.call) and row.call != UNDETERMINED
    call = tell(words.CANNOT_TELL) if row.call == UNDETERMINED else words.class_title(row.call) if row.call else ""
    failed = row.status is SlideStatus.FAILED
    failure = (plain(f"{row.error_code}: {row.message}"),) if failed else ()
    return CohortLine(
        slide_id=plain(row.slide_id),
        case=plain(cases.get(row.slide_id, "")),
        status=row.status,
        status_in_words=_status(row.status),
        call=call,
        probabilities=tuple(
            figures.percent(row.probabilities[name]) if told and name in row.probabilities else figures.MISSING
            for name in classes
        ),
        reasons=tuple(words.reason(code).title for code in row.review_reasons) + failure,
        tissue=figures.MISSING if row.tissue_mm2 is None else figures.area(row.tissue_mm2),
        tiles=figures.MISSING if row.tiles is None else figures.count(row.tiles),
        seconds=figures.MISSING if row.seconds is None else figures.duration(row.seconds),
        review=_review(row, state),
        links=_links(row.slide_id, [name for name in formats if name in FAILURE_FORMATS or not failed]),
    )


def _review(row: SlideRow, state: ReviewState | None) -> str:
    if row.status is SlideStatus.FAILED:
        return ""
    if state is None or state.status is ReviewStatus.UNREVIEWED:
        return tell("unsigned")
    call = review_words.call_of_a_person(state.call)
    signed = tell("signed") if state.status is ReviewStatus.SIGNED else tell("unsigned")
    return f"{call}: {signed}, {plain(state.by)}"


def _links(slide_id: str, formats: Sequence[str]) -> tuple[tuple[str, str], ...]:
    try:
        address = quote(report_stem(slide_id), safe="")
    except StoreError:  # no report was written under such an id
        return ()
    return tuple((name, f"{address}.{name}") for name in formats)
