"""The list of slides: all rows of the table, those to review first, to search, sort and open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from aggregate.result import UNDETERMINED
from app.presentation import words
from app.viewer.catalog import Entry, list_entries
from app.viewer.pages import parts
from app.viewer.site import Site

_ALL = "all"
_ROW_PX, _MAX_TABLE_PX = 35, 640


def show(site: Site) -> None:
    """Draws the page."""
    entries = list_entries(site.results)
    if not entries:
        st.info(
            "There are no results here yet. Run `pulmoscope run SLIDES --out DIR` and open the app with "
            "`pulmoscope app --results DIR`, or upload an image."
        )
        return
    _show_counts(entries)
    search, status = st.columns([3, 2], vertical_alignment="bottom")
    text = search.text_input("Search", placeholder="Slide, call or review reason", key="search")
    options = [_ALL, *(name for name in parts.STATUS_WORDS if any(entry.row.status == name for entry in entries))]
    chosen = status.segmented_control(
        "Show", options, default=_ALL, required=True, format_func=_status_title, key="status"
    )
    shown = matching(entries, text or "", chosen or _ALL)
    if not shown:
        st.info("No slide matches. Clear the search, or choose another status.")
        return
    _show_table(shown)


def matching(entries: Sequence[Entry], text: str, status: str) -> list[Entry]:
    """The entries of a status (or ``all``) that hold every word of `text` in any of their texts."""
    wanted = text.casefold().split()
    return [
        entry
        for entry in entries
        if status in (_ALL, entry.row.status) and all(word in _searched(entry) for word in wanted)
    ]


def table_rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """One line of the table an entry, column title -> value."""
    return [
        {
            "Slide": words.plain(entry.row.slide_id),
            "Status": parts.STATUS_WORDS.get(entry.row.status, words.plain(entry.row.status)),
            "Call": _call(entry),
            "Confidence": entry.row.confidence,
            "Look again because": _why(entry),
            "Tissue, mm²": entry.row.tissue_mm2,
            "Tiles": entry.row.tiles,
            "µm per px": entry.row.mpp,
            "Origin": "Upload" if entry.uploaded else "Run",
        }
        for entry in entries
    ]


def _show_counts(entries: Sequence[Entry]) -> None:
    counts = Counter(entry.row.status for entry in entries)
    told = " ".join(f"<span>{counts[name]} {parts.chip(name)}</span>" for name in parts.STATUS_WORDS if counts[name])
    total = "1 slide" if len(entries) == 1 else f"{len(entries)} slides"
    st.html(f'<div class="ps-counts"><b>{total}</b>{told}</div>')


def _show_table(entries: Sequence[Entry]) -> None:
    import pandas as pd

    event = st.dataframe(
        pd.DataFrame(table_rows(entries)),
        hide_index=True,
        width="stretch",
        height=min(_MAX_TABLE_PX, (len(entries) + 1) * _ROW_PX + 3),
        on_select="rerun",
        selection_mode="single-cell",
        key="table",
        placeholder="",
        column_config={
            "Slide": st.column_config.TextColumn(width="medium"),
            "Look again because": st.column_config.TextColumn(width="large"),
            "Confidence": st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="%.2f"),
            "Tissue, mm²": st.column_config.NumberColumn(format="%.2f"),
            "µm per px": st.column_config.NumberColumn(format="%.4g"),
        },
    )
    st.caption("Click a slide to open it. Click a column's title to sort by it.")
    if event.selection.cells:
        parts.go(slide=entries[event.selection.cells[0][0]].row.slide_id)


def _status_title(status: str) -> str:
    return "All" if status == _ALL else parts.STATUS_WORDS[status]


def _call(entry: Entry) -> str:
    if not entry.row.call:
        return ""
    return words.CANNOT_TELL if entry.row.call == UNDETERMINED else words.class_title(entry.row.call)


def _why(entry: Entry) -> str:
    if entry.row.status == "failed":
        return words.plain(f"{entry.row.error_code}: {entry.row.message}", max_length=400)
    return "; ".join(words.reason(code).title for code in entry.row.review_reasons)


def _searched(entry: Entry) -> str:
    row = entry.row
    return " ".join((row.slide_id, row.status, row.call, _call(entry), *row.review_reasons, _why(entry))).casefold()
