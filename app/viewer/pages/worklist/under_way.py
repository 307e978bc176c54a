"""A slide that is listed and has no result yet: it is being run, or waits. Opens by itself when it is done."""

from __future__ import annotations

import streamlit as st

from app.viewer.catalog import find_entry
from app.viewer.pages import parts, people
from app.viewer.site import Site


def is_busy(site: Site, slide_id: str) -> bool:
    """Whether this slide has no row yet, and a run is at it or will be."""
    who = people.asking()
    if find_entry(site.results, slide_id) is not None:
        return False
    live, _ = site.batches.look()
    return any(slide_id in run.running for run in live) or slide_id in site.queue.waiting(who)


def show(site: Site, slide_id: str) -> None:
    """Draws the page."""
    st.html(f'<div class="ps-slide">{parts.safe(slide_id)}</div>')
    st.fragment(lambda: _show(site, slide_id), run_every="2s")()


def _show(site: Site, slide_id: str) -> None:
    if not is_busy(site, slide_id):
        st.rerun()
    st.info("This slide is being analysed, or waits for it. Its page opens by itself when it is done.")
