"""The list-of-slides element: where its rows are fetched, which slide a person opened. The drawing is
`component/worklist.js`.

Not Streamlit's table: it tells the number of a row, and the row of that number is another one once slides were added.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from app.presentation.language.forms import FORMS
from app.viewer.exports.route import EXPORT_ROUTE
from app.viewer.pages import parts, people
from app.viewer.pages.assets import asset, listening, slide_addresses
from app.viewer.pages.worklist.feed import LIST_GRANT, LIST_ROUTE
from app.viewer.pages.worklist.rows import STATUS_WORDS
from app.viewer.site import MOUNT, Site
from app.viewer.tiles.pictures import PICTURES_ROUTE

# Title, name in a row, and how a cell is drawn.
COLUMNS = (
    ("Picture", "slide", "picture"),
    ("Heatmap", "map", "picture"),
    ("Slide", "id", "name"),
    ("Status", "status", "status"),
    ("Call", "call", "text"),
    ("Confidence", "confidence", "bar"),
    ("Look again because", "why", "text"),
    ("Reviewed", "review", "text"),
    ("Tissue, mm²", "tissue", "number"),
    ("µm per px", "mpp", "number"),
)
# Behind the slide's name, where cases were told.
_CASE = ("Case", "case", "case")
# Formats of an export: name, and what a person reads.
FORMATS = (
    ("html", "HTML"),
    ("pdf", "PDF"),
    ("json", "JSON"),
    ("csv", "Tiles as CSV"),
    ("geojson", "GeoJSON"),
    ("fhir", "FHIR"),
    *([("dicom", "DICOM")] if find_spec("highdicom") else []),
    ("parquet", "Parquet"),
    ("qupath", "QuPath project"),
)
# What of the list stands in its address.
VIEW = ("find", "status", "sort")
_KEY = "worklist"


@dataclass(frozen=True)
class Opened:
    """The slide that was opened, and the address of the list as it was then."""

    slide_id: str
    view: dict[str, str]


def opened_slide() -> Opened | None:
    """What was opened just now."""
    state = st.session_state.get(_KEY)
    told = None if state is None else dict(state).get("open")
    # From a browser comes what it likes; the slide's page looks the id up in the catalog.
    match told:
        case {"id": str(slide_id), "at": str(at)} if slide_id:
            view = {name: value for name, value in parse_qsl(at[:2000].lstrip("?")) if name in VIEW}
            return Opened(slide_id, view)
    return None


def show_list(site: Site, empty: str, *, by_case: bool) -> None:
    """Mounts the list; `empty` is what it says while there is no slide, `by_case` whether cases were told."""
    shown = (*COLUMNS[:3], _CASE, *COLUMNS[3:]) if by_case else COLUMNS
    token = site.signer.sign(LIST_GRANT, time.time())
    data = {
        "feed": f"{MOUNT}{LIST_ROUTE}/{token}",
        "pictures": f"{MOUNT}{PICTURES_ROUTE}/{token}",
        "columns": [{"title": title, "name": name, "kind": kind} for title, name, kind in shown],
        "cases": by_case,
        "statuses": STATUS_WORDS,
        "empty": empty,
        "exports": f"{MOUNT}{EXPORT_ROUTE}/{site.exports.leave(people.asking())}",
        "formats": [{"name": name, "title": title} for name, title in FORMATS],
        "languages": [{"name": name, "title": form.title} for name, form in FORMS.items()],
        "ahead": [f"{MOUNT}{address}" for address in slide_addresses()],
    }
    # `renew` has no value that counts: the page is drawn again, and that gives new leave.
    _renderer()(key=_KEY, data=data, on_open_change=_open, on_renew_change=lambda: None)


def _open() -> None:
    """Before the page is drawn again, so that it is the slide's at once."""
    if (opened := opened_slide()) is not None:
        parts.leave_list(opened.view)
        parts.move(slide=opened.slide_id)


@lru_cache
def _renderer() -> Any:
    return st.components.v2.component(
        "pulmoscope_worklist",
        html=asset("worklist.html"),
        css=asset("worklist.css"),
        js=listening("worklist.js"),
        # Its labels share the page's style, and the browser's own search and accessibility tools see plain rows.
        isolate_styles=False,
    )
