"""The list-of-slides element: what its rows hold, which slide a person opened. The drawing is `component/worklist.js`.

Not Streamlit's table: it tells the number of a row, and the row of that number is another one once slides were added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

from app.viewer.pages.assets import asset

# Title -> how a cell is drawn.
COLUMNS = {
    "Slide": "name",
    "Status": "status",
    "Call": "text",
    "Confidence": "bar",
    "Look again because": "text",
    "Tissue, mm²": "number",
    "Tiles": "number",
    "µm per px": "number",
    "Origin": "text",
}
_KEY = "worklist"
_VISIT = "worklist-visit"


@dataclass(frozen=True)
class Cell:
    """`value` is what a column of figures sorts by; None: by `text`. `look` is that of a status."""

    text: str
    value: float | None = None
    look: str = ""


@dataclass(frozen=True)
class ListRow:
    """One slide; `cells` by the titles of COLUMNS."""

    slide_id: str
    cells: Mapping[str, Cell]


def opened_slide() -> str | None:
    """The id of the slide that was opened just now, else None. To be asked before the list is drawn anew: the page
    that goes has no need of rows that move."""
    state = st.session_state.get(_KEY)
    opened = None if state is None else dict(state).get("open")
    # From a browser comes what it likes; the slide's page looks the id up in the catalog.
    return opened if isinstance(opened, str) and opened else None


def show_list(rows: Sequence[ListRow]) -> None:
    """Mounts the list."""
    visit = st.session_state[_VISIT] = st.session_state.get(_VISIT, 0) + 1
    columns = [{"title": title, "kind": kind} for title, kind in COLUMNS.items()]
    data = {"visit": visit, "columns": columns, "rows": [{"id": row.slide_id, "cells": _cells(row)} for row in rows]}
    _renderer()(key=_KEY, data=data, on_open_change=lambda: None)


def _cells(row: ListRow) -> list[dict[str, Any]]:
    return [_cell(row.cells[title], kind) for title, kind in COLUMNS.items()]


def _cell(cell: Cell, kind: str) -> dict[str, Any]:
    value = cell.value if kind in ("bar", "number") else cell.text or None
    return {"text": cell.text, "value": value, "look": cell.look}


@lru_cache
def _renderer() -> Any:
    return st.components.v2.component(
        "pulmoscope_worklist",
        html=asset("worklist.html"),
        css=asset("worklist.css"),
        js=asset("worklist.js"),
        # Its labels share the page's style, and the browser's own search and accessibility tools see plain rows.
        isolate_styles=False,
    )
