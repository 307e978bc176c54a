"""The downloads of a slide's page: reports in the language that is chosen, and what other programs read.

Nothing is rendered before somebody asks for it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from aggregate.result import SlideResult
from app.ledger.records import SlideRow
from app.presentation.language import LANGUAGES
from app.presentation.language.forms import FORMS
from app.review.records import SlideRecord
from app.viewer.pages import parts
from wsi.errors import PulmoscopeError

if TYPE_CHECKING:
    from app.reports import ReportOptions

Remembered = Callable[[], SlideRecord | None]
"""Tells what people decided on the result, as who asks may see it."""
_CHOSEN = "reports-in"


def show(result: SlideResult, remembered: Remembered, file: Path | None, case: str = "") -> None:
    """Draws the downloads. A report asks for what people decided when it is made, takes its pictures from the slide's
    `file`, and tells the `case` that a manifest told."""
    from app import reports

    st.html(parts.section("Reports"))
    language = _language()
    buttons = st.columns(len(reports.FORMATS))
    for button, report_format in zip(buttons, reports.FORMATS, strict=True):
        button.download_button(
            report_format.upper(),
            _renderer(result, report_format, remembered, reports.ReportOptions(language, case, slide_file=file)),
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


def show_failure(row: SlideRow) -> None:
    """Draws the downloads of a slide that failed: its report says that there is no result, and why."""
    from app import reports

    language = _language()

    options = reports.ReportOptions(language, written=datetime.now(UTC))
    with st.container(horizontal=True, vertical_alignment="center", key="failure-downloads"):
        st.html('<span class="ps-note">That there is no result, and why, as</span>', width="content")
        for report_format in reports.FAILURE_FORMATS:
            st.download_button(
                report_format.upper(),
                partial(reports.render_failure, row, report_format, options),
                file_name=f"{row.slide_id}.{report_format}",
                mime=reports.MEDIA_TYPES[report_format],
                on_click="ignore",
                key=f"download-{report_format}",
            )


def _language() -> str:
    """The language of the reports, as it was chosen last in this tab."""
    last = st.session_state.get(_CHOSEN, LANGUAGES[0])
    chosen = st.selectbox(
        "Language of the reports",
        LANGUAGES,
        index=LANGUAGES.index(last),
        format_func=lambda code: FORMS[code].title,
        key="report-language",
    )
    st.session_state[_CHOSEN] = chosen
    return chosen


def _renderer(
    result: SlideResult, report_format: str, remembered: Remembered, options: ReportOptions
) -> Callable[[], bytes]:
    """Renders when the button is pressed, so that a page does not wait for reports that nobody asked for."""

    def render() -> bytes:
        from app import reports

        try:
            now = replace(options, written=datetime.now(UTC))
            return reports.render(result, report_format, remembered(), now)
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
