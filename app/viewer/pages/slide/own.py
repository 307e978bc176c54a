"""What this session itself kept since the page was drawn: nobody is in conflict with themselves."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.review.records import Case, Decision, Reading, Region

_KEPT, _BEHIND = "kept-by-this-session", "page-is-behind"


def remember(case: Case, made: Decision | Region) -> None:
    """Notes a version that was kept just now."""
    st.session_state.setdefault(_KEPT, []).append((case, made))


def with_own(reading: Reading, case: Case) -> Reading:
    """The reading as it was drawn, and what this session kept of it since."""
    for of, made in st.session_state.get(_KEPT, []):
        if (of, made.reading) != (case, reading.name):
            continue
        if isinstance(made, Decision) and made.version == reading.version + 1:
            reading = replace(reading, decisions=(*reading.decisions, made))
        if isinstance(made, Region) and (made.region_id, made.version) not in _drawn(reading):
            reading = replace(reading, drawn=(*reading.drawn, made))
    return reading


def fall_behind() -> None:
    """Notes that something was kept of which the rest of the page does not know yet. Streamlit may join a message that
    wants the whole page with one of the panel's, and then draws the panel alone."""
    st.session_state[_BEHIND] = True


def drawn_anew() -> None:
    """Notes that the whole page is drawn, with all that is known by now."""
    st.session_state.pop(_BEHIND, None)


def is_behind() -> bool:
    """Whether something was kept since the whole page was drawn."""
    return bool(st.session_state.get(_BEHIND))


def _drawn(reading: Reading) -> set[tuple[str, int]]:
    return {(one.region_id, one.version) for one in reading.drawn}
