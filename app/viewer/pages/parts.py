"""Pieces that every page is made of: header, research-use statement, one-line errors, and escaped text."""

from __future__ import annotations

import html
from collections.abc import Mapping

import streamlit as st

from app.presentation import words
from app.viewer.gate.login import LOGOUT
from app.viewer.gate.visitors import Visitor
from app.viewer.pages.theme import STYLE
from wsi.text import plain

STATUS_WORDS = {"review": "To review", "done": "Done", "failed": "Failed"}


def safe(text: object) -> str:
    """One line of visible text, escaped for HTML: names and messages come from outside."""
    return html.escape(plain(text, max_length=400))


def safe_lines(text: str) -> str:
    """Several lines of a person's own words, whole, escaped for HTML."""
    return "<br>".join(html.escape(plain(line, max_length=len(text) + 1)) for line in text.splitlines())


_PAGES = {
    "list": "Slides",
    "worth": "Worth a look",
    "analyse": "Analyse",
    "drift": "Drift",
    "model": "Model",
    "about": "About",
}
# A longer one is cut off in a column of its share at 1024 px.
_SHORT_TITLE = 8
_LIST_VIEW = "list-view"


def show_header(page: str, who: Visitor | None = None) -> None:
    """The brand, the way to the other pages and the statement of use; `who` is logged in."""
    st.html(STYLE)
    shares = [1.35 if len(title) > _SHORT_TITLE else 1.0 for title in _PAGES.values()]
    brand, *places = st.columns([3.4, *shares], vertical_alignment="center")
    beside = "lung whole-slide images" if who is None else _logged_in(who)
    brand.html(f'<div class="ps-brand">pulmoscope<small>{beside}</small></div>')
    for place, (name, title) in zip(places, _PAGES.items(), strict=True):
        if place.button(title, disabled=page == name, width="stretch", key=f"go-{name}"):
            go(**(st.session_state.get(_LIST_VIEW, {}) if name == "list" else {"page": name}))
    st.html(f'<div class="ps-research" role="note">{safe(words.RESEARCH_USE)}</div>')


def _logged_in(who: Visitor) -> str:
    return (
        f'<span data-testid="who">{safe(who.name)}, {safe(who.role)}</span> '
        f'<a href="{LOGOUT}" target="_self" class="ps-out">Log out</a>'
    )


def leave_list(view: Mapping[str, str]) -> None:
    """Remembers what the list showed, for the way back to it."""
    st.session_state[_LIST_VIEW] = dict(view)


def go(**where: str) -> None:
    """Opens another page of the viewer: its address changes, so that it can be kept and shared."""
    move(**where)
    st.rerun()


def move(**where: str) -> None:
    """As `go`, for a callback: the page that is drawn after it is the other one already."""
    st.query_params.from_dict(where)


def chip_look(status: str) -> str:
    """Which of the three looks of a label a status has."""
    return status if status in STATUS_WORDS else "failed"


def chip(status: str) -> str:
    """A status as a coloured label, HTML."""
    return f'<span class="ps-chip ps-{chip_look(status)}">{safe(STATUS_WORDS.get(status, status))}</span>'


def section(title: str) -> str:
    """A small heading, HTML."""
    return f'<div class="ps-section">{safe(title)}</div>'


def show_error(line: str, hint: str = "") -> None:
    """One line of what went wrong and what to do; never a traceback."""
    st.error(unmarked(f"{line}; {hint}" if hint else line))


def unmarked(text: object) -> str:
    """One line of visible text for where Streamlit takes Markdown: backslashes keep it from being anything but text."""
    shown = plain(text, max_length=500)
    return "".join(f"\\{mark}" if mark in "\\`*_{}[]()#+!|<>~$:" else mark for mark in shown)
