"""The list of slides: all rows of the table, those to review first, to search, sort and open."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import streamlit as st

from aggregate.result import UNDETERMINED, SlideStatus
from app.presentation import words
from app.viewer.catalog import Entry, list_entries
from app.viewer.pages import parts
from app.viewer.pages.worklist import element as worklist
from app.viewer.pages.worklist.element import Cell, ListRow
from app.viewer.site import Site
from wsi.text import plain

_ALL = "all"


def show(site: Site) -> None:
    """Draws the page."""
    if (opened := worklist.opened_slide()) is not None:
        parts.go(slide=opened)
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


def list_row(entry: Entry) -> ListRow:
    """A slide as one line of the list; figures that are not known are left empty."""
    row = entry.row
    status = parts.STATUS_WORDS.get(row.status, plain(row.status))
    return ListRow(
        row.slide_id,
        {
            "Slide": Cell(plain(row.slide_id)),
            "Status": Cell(status, look=parts.chip_look(row.status)),
            "Call": Cell(_call(entry)),
            "Confidence": _confidence(entry),
            "Look again because": Cell(_why(entry)),
            "Tissue, mm²": _figure(row.tissue_mm2, ".2f"),
            "Tiles": _figure(row.tiles, ",d"),
            "µm per px": _figure(row.mpp, ".4g"),
            "Origin": Cell("Upload" if entry.uploaded else "Run"),
        },
    )


def _show_counts(entries: Sequence[Entry]) -> None:
    counts = Counter[str](entry.row.status for entry in entries)
    told = " ".join(f"<span>{counts[name]} {parts.chip(name)}</span>" for name in parts.STATUS_WORDS if counts[name])
    total = "1 slide" if len(entries) == 1 else f"{len(entries)} slides"
    st.html(f'<div class="ps-counts"><b>{total}</b>{told}</div>')


def _show_table(entries: Sequence[Entry]) -> None:
    worklist.show_list([list_row(entry) for entry in entries])
    st.caption("Click a slide to open it, or move with Tab and the arrow keys and press Enter. A title sorts.")


def _status_title(status: str) -> str:
    return "All" if status == _ALL else parts.STATUS_WORDS[status]


def _call(entry: Entry) -> str:
    if not entry.row.call:
        return ""
    return words.CANNOT_TELL if entry.row.call == UNDETERMINED else words.class_title(entry.row.call)


def _confidence(entry: Entry) -> Cell:
    """None where no call is made: there is nothing to be confident of. Never certainty."""
    confidence = entry.row.confidence
    if entry.row.call in ("", UNDETERMINED) or confidence is None or not math.isfinite(confidence):
        return Cell("")
    return Cell(words.confidence_figure(confidence), float(confidence))


def _figure(value: float | None, form: str) -> Cell:
    return Cell("") if value is None or not math.isfinite(value) else Cell(format(value, form), value)


def _why(entry: Entry) -> str:
    if entry.row.status is SlideStatus.FAILED:
        return plain(f"{entry.row.error_code}: {entry.row.message}", max_length=400)
    return "; ".join(words.reason(code).title for code in entry.row.review_reasons)


def _searched(entry: Entry) -> str:
    row = entry.row
    return " ".join((row.slide_id, row.status, row.call, _call(entry), *row.review_reasons, _why(entry))).casefold()
