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

_MOST = 2000
_COLUMNS = ("Case", "Status", "Call", "Slides", "Look again because", "Reviewed")
_NONE = "No case is known: run the slides with a manifest that has a column `case`."


def show(site: Site) -> None:
    """Draws the page."""
    rows = sorted(site.cases(people.asking()), key=lambda row: (row.told.status.reading_order, row.case))
    if not rows:
        st.info(_NONE)
        return
    states = site.reviews.states([row.token for row in rows], seen_by=people.current())
    lines = "".join(_line(row, states) for row in rows[:_MOST])
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    st.html(
        f'{parts.section(f"{len(rows)} cases")}<table class="ps-facts ps-cases"><tr>{head}</tr>{lines}</table>'
        + (f'<p class="ps-note">The first {_MOST} are shown.</p>' if len(rows) > _MOST else "")
    )


def _line(row: CaseRow, states: Mapping[str, ReviewState]) -> str:
    reasons = "; ".join(case_words.case_reason(code).title for code in row.told.review_reasons)
    cells = (
        f'<a href="/?case={parts.safe(row.token)}" target="_self">{parts.safe(row.case)}</a>',
        parts.chip(row.told.status),
        parts.safe(case_words.case_title(row.told, len(row.members))),
        str(len(row.members)),
        parts.safe(reasons),
        parts.safe(_reviewed(row, states.get(row.token))),
    )
    return f'<tr data-testid="case-row">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _reviewed(row: CaseRow, state: ReviewState | None) -> str:
    if state is None or state.status is ReviewStatus.UNREVIEWED:
        return "unsigned"
    if state.result_sha256 != case_to_decide(row).result_sha256:
        return "unsigned: a slide changed since"
    return f"{review_words.call_of_a_person(state.call)}: {state.status}, {state.by}"
