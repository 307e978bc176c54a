"""Worth a look: the slides and places from which people and model would learn most, with the reason for each."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import streamlit as st

from app.review.records import ReviewState
from app.upkeep.suggest.suggest import Place, Suggested, Suggestion, suggest_among
from app.viewer.catalog import Entry, look
from app.viewer.gate.visitors import Visitor
from app.viewer.pages import parts, people
from app.viewer.pages.worklist.rows import is_signed, rank
from app.viewer.site import Site
from wsi.errors import ReviewError

SHOWN = 10
# So many results are read in a few seconds; a large folder is `pulmoscope suggest`'s.
MOST_COMPARED, MOST_SIGNED = 100, 50
_LEAD = (
    "Slides that nobody has signed, on which a person's minutes tell most: where the model is unsure, where it does "
    "not recognise the tissue, where somebody disagrees, and what is unlike all that is signed. It says nothing of "
    "who is urgent: for that the list has its own order."
)
# Where a place is opened: a region then fills most of the screen.
_MAGNIFICATION = "10"
_kept: dict[str, Suggested] = {}
_computing = threading.Lock()


def show(site: Site) -> None:
    """Draws the page."""
    _, middle, _ = st.columns([1, 6, 1])
    with middle:
        st.subheader("Worth a look", anchor=False)
        st.html(f'<p class="ps-note">{parts.safe_lines(_LEAD)}</p>')
        with st.spinner("Comparing the slides"):
            told = worth_a_look(site, people.asking())
        if not told.suggestions:
            st.info("There is no slide left that nobody has signed, or none with tissue of good quality.")
        for number, one in enumerate(told.suggestions, 1):
            _show_slide(number, one)
        st.html(f'<p class="ps-note">{parts.safe(_compared(told))}</p>')


def worth_a_look(site: Site, who: Visitor) -> Suggested:
    """What `who` may know of it; computed once until a result or a decision changes."""
    states: Mapping[str, ReviewState] = {}
    with suppress(ReviewError):
        states = site.reviews.states(seen_by=who.person)
    entries = {name: one for name, one in site.entries(who).items() if one.has_result}
    key = repr((site.results, look(site.results).stamp, sorted(entries), sorted(map(repr, states.values()))))
    with _computing:
        if key not in _kept:
            _kept.clear()
            _kept[key] = suggest_among([(path, states) for path in _to_compare(entries, states)], SHOWN)
        return _kept[key]


def _to_compare(entries: Mapping[str, Entry], states: Mapping[str, ReviewState]) -> list[Path]:
    """The unsigned ones that the list has on top, and some of the signed ones."""
    signed = {name for name, state in states.items() if name in entries and is_signed(entries[name], state)}
    ordered = sorted(entries.items(), key=lambda item: (rank(item[1].row, "normal", False), item[0]))
    kept = [one.result_path for name, one in ordered if name not in signed][:MOST_COMPARED]
    return kept + [one.result_path for name, one in ordered if name in signed][:MOST_SIGNED]


def _show_slide(number: int, one: Suggestion) -> None:
    with st.container(border=True, key=f"worth-{number}"):
        said = "".join(f"<li>{parts.safe(reason.words)}</li>" for reason in one.reasons)
        st.html(f'<div class="ps-section">{number}. {parts.safe(one.slide_id)}</div><ul class="ps-list">{said}</ul>')
        for index, place in enumerate(one.places):
            _show_place(one, place, f"worth-{number}-{index}")


def _show_place(one: Suggestion, place: Place, key: str) -> None:
    button, told = st.columns([1, 5], vertical_alignment="center")
    x, y = place.centre
    if button.button("Look here", key=key, help=f"{one.slide_id}, at {x:,.0f}, {y:,.0f} px", width="stretch"):
        parts.go(slide=one.slide_id, x=f"{x:.1f}", y=f"{y:.1f}", mag=_MAGNIFICATION)
    words = "; ".join(reason.words for reason in place.reasons)
    told.html(f'<p class="ps-note">{parts.safe(words[:1].upper() + words[1:])}.</p>')


def _compared(told: Suggested) -> str:
    words = f"{told.looked_at} slides were compared, of a longer list those on its top; {told.signed} are signed."
    return words + (f" {told.other_model} results of another model took no part." if told.other_model else "")
