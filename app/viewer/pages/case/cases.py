"""The list of cases, those that a person should look at first."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app.ledger.cases.rows import CaseRow
from app.presentation import case_words
from app.review import words as review_words
from app.review.cases import case_to_decide
from app.review.records import ReviewState, ReviewStatus
from app.viewer.pages import parts, people
from app.viewer.site import Site
from wsi.errors import ReviewError

_MOST = 2000
_COLUMNS = ("Case", "Status", "Call", "Slides", "Slide of origin", "Look again because", "Reviewed")
_NONE = "No case is known: run the slides with a manifest that has a column `case`."
_ORDER = (
    "Not yet signed cases come first. Of them: to review and no tumour called (a miss would cost most), to review and "
    "a tumour called, other tumour calls, other normal calls; within each by the case's name. The slide of origin is "
    "the one that a tumour's call is taken from."
)
_SIGNED = 10  # more than any severity: what is signed follows what is not


def show(site: Site) -> None:
    """Draws the page."""
    rows = site.cases(people.asking())
    if not rows:
        st.info(_NONE)
        return
    states = _states(site, rows)
    ordered = sorted(rows, key=lambda row: (_severity(row, states.get(row.token)), row.case))
    lines = "".join(_line(row, states.get(row.token)) for row in ordered[:_MOST])
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    count = "One case" if len(rows) == 1 else f"{len(rows)} cases"
    st.html(
        f'{parts.section(count)}<table class="ps-facts ps-cases"><tr>{head}</tr>{lines}</table>'
        + (f'<p class="ps-note">The first {_MOST} are shown.</p>' if len(rows) > _MOST else "")
        + f'<p class="ps-note">{parts.safe(_ORDER)}</p>'
    )


def _states(site: Site, rows: list[CaseRow]) -> Mapping[str, ReviewState]:
    try:
        return site.reviews.states([row.token for row in rows], seen_by=people.current())
    except ReviewError as error:
        parts.show_error(str(error))
        return {}


def _severity(row: CaseRow, state: ReviewState | None) -> int:
    """How far up a case belongs: 0 is first. As _ORDER says it."""
    tumour = bool(row.told.origin) and not row.told.negative
    level = int(tumour) if row.told.review_reasons else 2 + int(not tumour)
    return level + _SIGNED * _is_signed(row, state)


def _is_signed(row: CaseRow, state: ReviewState | None) -> bool:
    """Whether all that is wanted was signed, and of the case as it is now."""
    return state is not None and state.status is ReviewStatus.SIGNED and not state.awaits and not _is_past(row, state)


def _is_past(row: CaseRow, state: ReviewState) -> bool:
    return state.result_sha256 != case_to_decide(row).result_sha256


def _line(row: CaseRow, state: ReviewState | None) -> str:
    reasons = "; ".join(case_words.case_reason(code).title for code in row.told.review_reasons)
    cells = (
        f'<a href="/?case={parts.safe(row.token)}" target="_self">{parts.safe(row.case)}</a>',
        parts.chip(row.told.status),
        parts.safe(case_words.case_title(row.told, len(row.members))),
        str(len(row.members)),
        parts.safe(_origin(row)),
        parts.safe(reasons),
        parts.safe(_reviewed(row, state)),
    )
    return f'<tr data-testid="case-row">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _origin(row: CaseRow) -> str:
    """Of a case without a tumour none: nothing comes from anywhere."""
    origin = row.origin
    return "" if origin is None or row.told.negative else f"{origin.block} {origin.row.slide_id}".strip()


def _reviewed(row: CaseRow, state: ReviewState | None) -> str:
    if state is None or state.status is ReviewStatus.UNREVIEWED:
        return "unsigned"
    if _is_past(row, state):
        return "unsigned: a slide changed since"
    return f"{review_words.call_of_a_person(state.call)}: {state.status}, {state.by}"
