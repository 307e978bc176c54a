"""Who sits before the page: known by a login where one is set up, else by a name typed once in this browser."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import streamlit as st

from app.review.people import MAX_NAME, Identity, Person, Role, person
from app.viewer.gate.access import VISIT
from app.viewer.gate.visitors import Visitor
from app.viewer.pages import parts
from app.viewer.site import current as current_site
from wsi.errors import NotAllowedError, UsageError

_PERSON, _NAME, _OWNER = "person", "name", "owner"
NEW = "person-is-new"
"""Set in the session when a name was told or taken back just now."""


def visitor() -> Visitor | None:
    """Who asks for this page; None where their login has ended."""
    gate, visit = current_site().gate, str(st.user.get(VISIT) or "")
    found = gate.visitor(visit)
    if found is not None and not gate.is_login and not visit:
        # A browser that keeps no cookie of ours: the name is the session's.
        told = st.session_state.get(_PERSON)
        return replace(found, person=told if isinstance(told, Person) else None)
    return found


def asking() -> Visitor:
    """Who asks for this page. Raises NotAllowedError where their login has ended."""
    found = visitor()
    if found is None:
        raise NotAllowedError("your login has ended", hint="reload the page")
    return found


def current() -> Person | None:
    """Who this session belongs to; None before a name was told."""
    found = visitor()
    return found.person if found else None


def settle(who: Visitor) -> None:
    """What another person left in this session goes before a page is drawn."""
    if st.session_state.setdefault(_OWNER, who.owner) != who.owner:
        st.session_state.clear()
        st.session_state[_OWNER] = who.owner


def check_still(who: Person) -> None:
    """Raises NotAllowedError unless this browser is still `who`'s, for whom the page was drawn."""
    now = current()
    if now is None or (now.key, now.role) != (who.key, who.role):
        raise NotAllowedError(f"this browser is not {who.name}'s any more, so nothing was kept", hint="reload the page")


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
    if current_site().gate.is_login:
        st.caption("Your login has ended: reload the page to decide.")
        return
    with st.form("who", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Your name, to decide and to sign", max_chars=MAX_NAME, key=_NAME)
        st.form_submit_button("Continue", on_click=_remember, key="name-said")


def _remember() -> None:
    # A name of blanks is none: the form stays.
    with suppress(UsageError):
        st.session_state[NEW] = True
        _keep(person(st.session_state.get(_NAME) or "", Role.REVIEWER))


def _forget() -> None:
    _keep(None)
    st.session_state[NEW] = True


def _keep(who: Person | None) -> None:
    """For all tabs of this browser, where it can be told from others."""
    visit = str(st.user.get(VISIT) or "")
    if visit:
        current_site().gate.remember(visit, who)
    elif who is not None:
        st.session_state[_PERSON] = who
    else:
        st.session_state.pop(_PERSON, None)
