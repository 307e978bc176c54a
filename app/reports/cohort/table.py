"""The table of a cohort: one row a slide as CSV and as a page with links to the reports. Opens no result.

The columns of `cohort.csv` are those of `slides.csv`, and behind them what people decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from aggregate.result import UNDETERMINED, SlideStatus
from app.ledger.records import SlideRow, columns
from app.presentation import figures, words
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
    status: str
    call: str
    probabilities: tuple[str, ...]
    reasons: tuple[str, ...]
    tissue: str
    tiles: str
    review: str
    links: tuple[tuple[str, str], ...]


def cohort_bytes(rows: Sequence[SlideRow], classes: Sequence[str], states: States) -> bytes:
    """The table as the bytes of its file."""
    lines = [csv_line((*columns(classes), *REVIEW_COLUMNS))]
    for row in rows:
        state = states.get(row.slide_id) or ReviewState(row.slide_id)
        told = (state.status, state.verdict, state.call, inert(state.by), state.at, str(state.addenda or ""))
        lines.append(csv_line((*row.cells(classes).values(), *told)))
    return "".join(lines).encode("utf-8", "backslashreplace")


def render_cohort(rows: Sequence[SlideRow], classes: Sequence[str], formats: Sequence[str], states: States) -> bytes:
    """The page of a cohort, slides that a person should look at first, as UTF-8 HTML."""
    ordered = sorted(rows, key=lambda row: (row.status.reading_order, row.slide_id))
    counts = Counter(row.status for row in rows)
    page = environment().get_template("cohort.html")
    return page.render(
        lines=[_line(row, classes, formats, states.get(row.slide_id)) for row in ordered],
        classes=[words.class_title(name) for name in classes],
        counts=[(status, counts[status]) for status in SlideStatus],
        total=len(rows),
        research_use=words.RESEARCH_USE,
        note=words.PROBABILITY_NOTE,
    ).encode("utf-8", "replace")


def _line(row: SlideRow, classes: Sequence[str], formats: Sequence[str], state: ReviewState | None) -> CohortLine:
    told = bool(row.call) and row.call != UNDETERMINED
    call = words.CANNOT_TELL if row.call == UNDETERMINED else words.class_title(row.call) if row.call else ""
    failure = (plain(f"{row.error_code}: {row.message}"),) if row.status is SlideStatus.FAILED else ()
    return CohortLine(
        slide_id=plain(row.slide_id),
        status=row.status,
        call=call,
        probabilities=tuple(
            figures.percent(row.probabilities[name]) if told and name in row.probabilities else figures.MISSING
            for name in classes
        ),
        reasons=tuple(words.reason(code).title for code in row.review_reasons) + failure,
        tissue=figures.MISSING if row.tissue_mm2 is None else figures.area(row.tissue_mm2),
        tiles=figures.MISSING if row.tiles is None else f"{row.tiles:,}",
        review=_review(row, state),
        links=() if row.status is SlideStatus.FAILED else _links(row.slide_id, formats),
    )


def _review(row: SlideRow, state: ReviewState | None) -> str:
    if row.status is SlideStatus.FAILED:
        return ""
    if state is None or state.status is ReviewStatus.UNREVIEWED:
        return "unsigned"
    call = review_words.call_of_a_person(state.call)
    return f"{call}: {state.status if state.status is ReviewStatus.SIGNED else 'unsigned'}, {plain(state.by)}"


def _links(slide_id: str, formats: Sequence[str]) -> tuple[tuple[str, str], ...]:
    try:
        address = quote(report_stem(slide_id), safe="")
    except StoreError:  # no report was written under such an id
        return ()
    return tuple((name, f"{address}.{name}") for name in formats)
