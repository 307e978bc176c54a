"""What people said of a slide, to be read: each reading with its versions, its signature, its addenda."""

from __future__ import annotations

import streamlit as st

from app.presentation import figures
from app.review import words
from app.review.records import Case, Reading, SlideRecord
from app.viewer.pages import parts


def show_readings(record: SlideRecord, case: Case) -> None:
    """Draws what was decided, the newest version first; nothing where nobody decided."""
    told = [reading for reading in record.readings if reading.decision]
    for reading in told:
        if reading.signature or len(told) > 1:
            st.html(_reading(reading, titled=len(told) > 1))
    if any(len(reading.decisions) > 1 or reading.signature for reading in told):
        with st.expander("Versions and digests", key="versions"):
            st.html("".join(_versions(reading) for reading in told))


def _reading(reading: Reading, *, titled: bool) -> str:
    decision = reading.decision
    assert decision is not None
    title = f"<b>{parts.safe(words.reading_title(reading.name))}</b>" if titled else ""
    state = "" if reading.signature else " (not signed)"
    lines = [f"{title}<span>{parts.safe(words.decision_in_words(decision))}{state}</span>"]
    if titled and reading.signature:
        lines.append(f"<em>{parts.safe(words.signed_in_words(reading.signature))}</em>")
    if decision.comment:
        lines.append(f"<q>{parts.safe_lines(decision.comment)}</q>")
    lines += [f"<em>Addendum, {parts.safe_lines(words.addendum_in_words(one))}</em>" for one in reading.addenda]
    return f'<div class="ps-said">{"".join(lines)}</div>'


def _versions(reading: Reading) -> str:
    rows = [
        f"<tr><th>{parts.safe(figures.moment(one.at))}</th><td>{parts.safe(words.decision_in_words(one))}, "
        f"{parts.safe(one.by.name)}</td></tr>"
        for one in reversed(reading.decisions)
    ]
    if signature := reading.signature:
        digests = {
            "Record": signature.digest,
            "Decision": signature.content_sha256,
            "Result": signature.result_sha256,
            "Slide": signature.slide_sha256,
            "Model": signature.model_sha256,
            "Screen": signature.screen_sha256,
        }
        rows += [
            f"<tr><th>{name}</th><td><code>{parts.safe(value)}</code></td></tr>" for name, value in digests.items()
        ]
    title = parts.safe(words.reading_title(reading.name))
    return f'<table class="ps-facts ps-versions"><caption>{title}</caption>{"".join(rows)}</table>'
