"""The right-hand side of a slide page: call, pie chart, reasons to look again, key figures, downloads."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import streamlit as st

from aggregate.result import UNDETERMINED, SlideResult
from app.ledger.records import SlideRow
from app.presentation import charts, colours, figures, words
from app.presentation.cells import silences
from app.presentation.measured import MEASURES_NOTE, MEASURES_TITLE, measured
from app.presentation.telling import reason_cells
from app.review.records import SlideRecord
from app.viewer.pages import parts
from wsi.errors import PulmoscopeError
from wsi.text import plain

# The pie with a hair of air. Its legend is text of the page, beside it or below as the column's width allows: a chart's
# own legend is drawn over the pie where both do not fit.
_PIE_SIZE_PX = charts.PIE_PX + 12

Remembered = Callable[[], SlideRecord | None]
"""Tells what people decided on the result, as who asks may see it."""


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


def show_details(result: SlideResult, remembered: Remembered = lambda: None, file: Path | None = None) -> None:
    """Draws what follows the call: reasons to look again, key figures, downloads. A report asks for what people decided
    when it is made, and takes its pictures from the slide's `file`."""
    _show_reasons(result)
    _show_figures(result)
    _show_measures(result)
    _show_downloads(result, remembered, file)


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


def _show_downloads(result: SlideResult, remembered: Remembered, file: Path | None) -> None:
    from app import reports

    st.html(parts.section("Reports"))
    buttons = st.columns(len(reports.FORMATS))
    for button, report_format in zip(buttons, reports.FORMATS, strict=True):
        button.download_button(
            report_format.upper(),
            _renderer(result, report_format, remembered, file),
            file_name=f"{result.slide_id}.{report_format}",
            mime=reports.MEDIA_TYPES[report_format],
            on_click="ignore",
            width="stretch",
            key=f"download-{report_format}",
        )
    st.download_button(
        "For other programs: FHIR, DICOM, Parquet (ZIP)",
        partial(for_other_programs, result, remembered, file),
        file_name=f"{result.slide_id}.zip",
        mime="application/zip",
        on_click="ignore",
        width="stretch",
        key="download-zip",
    )


def show_failure_downloads(row: SlideRow) -> None:
    """Draws the downloads of a slide that failed: its report says that there is no result, and why."""
    from app import reports

    for report_format in reports.FAILURE_FORMATS:
        st.download_button(
            report_format.upper(),
            partial(reports.render_failure, row, report_format, reports.ReportOptions(written=datetime.now(UTC))),
            file_name=f"{row.slide_id}.{report_format}",
            mime=reports.MEDIA_TYPES[report_format],
            on_click="ignore",
            key=f"download-{report_format}",
        )


def _renderer(
    result: SlideResult, report_format: str, remembered: Remembered, file: Path | None
) -> Callable[[], bytes]:
    """Renders when the button is pressed, so that a page does not wait for reports that nobody asked for."""

    def render() -> bytes:
        from app import reports

        try:
            options = reports.ReportOptions(written=datetime.now(UTC), slide_file=file)
            return reports.render(result, report_format, remembered(), options)
        except PulmoscopeError as error:
            return str(error).encode()

    return render


def for_other_programs(result: SlideResult, remembered: Remembered, file: Path | None) -> bytes:
    """What `app.exchange` makes of a slide, as a ZIP; what could not be made is told inside."""
    from app.exchange.archive import Archive
    from app.exchange.export import EXCHANGE_FORMATS, Wanted, exchange_files

    content = io.BytesIO()
    with Archive(content) as archive:
        for name in EXCHANGE_FORMATS:
            try:
                for one in exchange_files(result, Wanted((name,)), remembered(), file):
                    archive.add(*one)
            except PulmoscopeError as error:
                archive.add(f"{name}-not-exported.txt", f"{error}\n".encode("utf-8", "backslashreplace"))
    return content.getvalue()
