"""The right-hand side of a slide page: call, pie chart, reasons to look again, slide model, key figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path

import streamlit as st

from aggregate.result import UNDETERMINED, SlideResult
from app.presentation import charts, colours, figures, words
from app.presentation.cells import silences
from app.presentation.measured import MEASURES_NOTE, MEASURES_TITLE, measured
from app.presentation.telling import reason_cells
from app.viewer.pages import parts
from app.viewer.pages.slide import downloads
from app.viewer.pages.slide.downloads import Remembered
from wsi.text import plain

# The pie with a hair of air. Its legend is text of the page, beside it or below as the column's width allows: a chart's
# own legend is drawn over the pie where both do not fit.
_PIE_SIZE_PX = charts.PIE_PX + 12


def show_call(result: SlideResult) -> None:
    """Draws the call and the pie chart."""
    _show_call(result)
    if result.decision.call != UNDETERMINED:
        pie = charts.probability_pie(
            result.classes, result.decision.probabilities, result.background, with_legend=False
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="pie"):
            st.altair_chart(pie, width=_PIE_SIZE_PX, height=_PIE_SIZE_PX)
            st.html(_pie_legend(result), width="content")


def show_details(
    result: SlideResult, remembered: Remembered = lambda: None, file: Path | None = None, case: str = ""
) -> None:
    """Draws what follows the call: reasons to look again, what a slide model says, key figures, downloads. A report
    asks for what people decided when it is made, takes its pictures from the slide's `file`, and tells the `case`."""
    _show_reasons(result)
    _show_opinion(result)
    _show_figures(result)
    _show_measures(result)
    downloads.show(result, remembered, file, case)


def key_figures(result: SlideResult) -> list[tuple[str, str]]:
    """(name, value) of what a person wants to know of slide, tissue and model; plain text."""
    slide, qc, model = result.slide, result.qc, result.provenance.model
    width, height = slide.size_px
    told = [
        ("Tissue", figures.area(qc.get("tissue_mm2", math.nan))),
        ("Tiles", f"{len(result.tiles.xy):,}, of which {int(result.tiles.votes.sum()):,} voted"),
        ("Pixel size", f"{figures.pixel_size(slide.mpp)}, {words.mpp_source_in_words(slide.mpp_source)}"),
        ("Slide size", f"{width:,} by {height:,} px"),
        ("Model", f"{plain(model.name or 'unknown')} {plain(model.version)}".strip()),
        ("pulmoscope", plain(result.provenance.pulmoscope or "unknown")),
    ]
    if (taken := qc.get("share_set_aside", 0.0)) > 0:
        told.insert(
            1,
            (
                "Set aside",
                f"{figures.area(taken * qc.get('tissue_mm2', math.nan))}, {figures.share(taken)}: {_by_kind(qc)}",
            ),
        )
    told += words.places_in_words(result)
    return told


_KINDS = {"share_blur": "out of focus", "share_pen": "under pen", "share_dark": "dark", "share_edge": "at an edge"}


def _by_kind(qc: Mapping[str, float]) -> str:
    """``out of focus 1.20 mm², at an edge 0.31 mm²``; a tile may be of several kinds."""
    tissue = qc.get("tissue_mm2", math.nan)
    return ", ".join(f"{kind} {figures.area(qc[key] * tissue)}" for key, kind in _KINDS.items() if qc.get(key, 0.0) > 0)


def _show_call(result: SlideResult) -> None:
    decision = result.decision
    palette = colours.class_colours(result.classes, result.background)
    colour = palette.get(decision.call, colours.NOT_RECOGNISED)
    st.html(
        f"<div>{parts.chip(result.status)}</div>"
        f'<div class="ps-slide">{parts.safe(result.slide_id)}</div>'
        f'<p class="ps-call" data-testid="call"><i style="background:{colour}"></i>'
        f"{parts.safe(words.call_title(decision))}</p>"
        f'<p class="ps-confidence">{parts.safe(words.confidence_in_words(decision))}</p>'
    )


def _pie_legend(result: SlideResult) -> str:
    palette = colours.class_colours(result.classes, result.background)
    lines = "".join(
        f'<div role="listitem"><i style="background:{palette[name]}"></i>'
        f"<b>{parts.safe(words.percent(probability))}</b>"
        f"<span>{parts.safe(words.class_title(name))}</span></div>"
        for name, probability in zip(result.classes, result.decision.probabilities, strict=True)
    )
    return f'<div class="ps-pie" role="list" aria-label="Legend of the pie chart">{lines}</div>'


def _show_reasons(result: SlideResult) -> None:
    if not result.decision.review_reasons:
        return
    reasons = {code: words.reason(code) for code in result.decision.review_reasons}
    placed = reason_cells(result, silences(result))
    st.html(
        parts.section("Please look again, because")
        + "".join(
            f'<div class="ps-reason"><b>{parts.safe(reason.title)}</b>{parts.safe(reason.explanation)}'
            f"<em>{parts.safe(reason.what_to_do)}</em>{_way_to(code, placed)}</div>"
            for code, reason in reasons.items()
        )
    )


def _way_to(code: str, placed: Collection[str]) -> str:
    """A button that the script of the slide obeys: it outlines the tiles of a reason and goes through them."""
    if code not in placed:
        return ""
    return f'<button type="button" class="ps-tiles" data-ps-reason="{parts.safe(code)}">Show these tiles</button>'


def _show_opinion(result: SlideResult) -> None:
    """What a slide model says, in the words of the reports; nothing where none was asked."""
    if result.opinion is None:
        return
    from app.reports.content.opinion import opinion_section

    section = opinion_section(result)
    rows = "".join(f"<tr><th>{parts.safe(name)}</th><td>{parts.safe(told)}</td></tr>" for name, told in section.rows)
    st.html(f'{parts.section(section.title)}<table class="ps-facts" data-testid="slide-model">{rows}</table>')


def _show_figures(result: SlideResult) -> None:
    rows = "".join(
        f"<tr><th>{parts.safe(name)}</th><td>{parts.safe(value)}</td></tr>" for name, value in key_figures(result)
    )
    st.html(f'{parts.section("Key figures")}<table class="ps-facts">{rows}</table>')


def _show_measures(result: SlideResult) -> None:
    """What is measured of called tumour; below each figure what it is not."""
    told = measured(result)
    if not told:
        return
    rows = "".join(
        f'<tr data-measure="{one.code}"><th>{parts.safe(one.title)}</th><td><b>{parts.safe(one.value)}</b>'
        f"<small>{parts.safe(one.is_not)}</small></td></tr>"
        for one in told
    )
    st.html(
        f'{parts.section(MEASURES_TITLE)}<table class="ps-facts ps-measures" data-testid="measures">{rows}</table>'
        f'<p class="ps-confidence">{parts.safe(MEASURES_NOTE)}</p>'
    )
