"""The list of slides, those that need a person first, to search, sort and open. Its rows come by `feed`."""

from __future__ import annotations

import streamlit as st

from app.ledger.cases.told import SLIDE_CASES
from app.viewer.pages import parts
from app.viewer.pages.worklist import element
from app.viewer.pages.worklist.rows import ORDER_WORDS
from app.viewer.site import Site

_EMPTY = (
    "There are no results here yet. Choose Analyse to start slides, or run `pulmoscope run SLIDES --out DIR` and open "
    "the app with `pulmoscope app --results DIR`."
)
_HOW = (
    "A title sorts otherwise. Click a slide to open it, or move with Tab and the arrow keys and press Enter; a middle "
    "click opens it in a tab of its own."
)


def show(site: Site) -> None:
    """Draws the page."""
    if by_case := (site.results / SLIDE_CASES).exists():
        st.html(
            '<p class="ps-note"><a href="/?page=cases" target="_self" data-testid="cases">The list of cases</a></p>'
        )
    element.show_list(site, _EMPTY, by_case=by_case)
    st.html(f'<p class="ps-note">{parts.safe(ORDER_WORDS)} {parts.safe(_HOW)}</p>')
