"""Who sits before the page: known by a login where one is set up, else by a name that was typed once a session."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from app.review.people import MAX_NAME, Identity, Person, Role, person
from app.viewer.pages import parts
from wsi.errors import UsageError

_PERSON, _NAME = "person", "name"
NEW = "person-is-new"
"""Set in the session when a name was told or taken back just now."""


def current() -> Person | None:
    """Who this session belongs to; None before a name was told."""
    known = st.session_state.get(_PERSON)
    return known if isinstance(known, Person) else None


def show() -> Person | None:
    """Draws who decides here, or asks for the name; gives the person."""
    who = current()
    if who is None:
        _ask()
        return None
    checked = "known by the login" if who.identity is Identity.OIDC else "name not checked"
    with st.container(horizontal=True, vertical_alignment="center", key="person"):
        st.html(
            f'<p class="ps-person"><b>{parts.safe(who.name)}</b> · {parts.safe(who.role)}, {checked}</p>',
            width="content",
        )
        if who.identity is Identity.STATED:
            st.button("Not you?", type="tertiary", on_click=_forget, key="not-you")
    return who


def _ask() -> None:
    with st.form("who", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Your name, to decide and to sign", max_chars=MAX_NAME, key=_NAME)
        st.form_submit_button("Continue", on_click=_remember, key="name-said")


def _remember() -> None:
    # A name of blanks is none: the form stays.
    with suppress(UsageError):
        st.session_state[NEW] = True
        st.session_state[_PERSON] = person(st.session_state.get(_NAME) or "", Role.REVIEWER)


def _forget() -> None:
    st.session_state.pop(_PERSON, None)
    st.session_state[NEW] = True
