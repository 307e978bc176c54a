"""What this session itself kept since the page was drawn: nobody is in conflict with themselves."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.review.records import Case, Decision, Reading, Region

_KEPT, _SIGNED = "kept-by-this-session", "signed-by-this-session"


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


def signed() -> None:
    """Notes that something was signed: the rest of the page does not know it yet."""
    st.session_state[_SIGNED] = True


def drawn_anew() -> None:
    """Notes that the whole page is drawn, with all that is known by now."""
    st.session_state.pop(_SIGNED, None)


def is_signed_since() -> bool:
    """Whether something was signed since the whole page was drawn."""
    return bool(st.session_state.get(_SIGNED))


def _drawn(reading: Reading) -> set[tuple[str, int]]:
    return {(one.region_id, one.version) for one in reading.drawn}
