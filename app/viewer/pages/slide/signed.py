"""What people said of a slide, to be read: each reading with its versions, its signature, its addenda."""

from __future__ import annotations

import streamlit as st

from aggregate.result import SlideResult
from app.presentation import figures
from app.review import coverage, words
from app.review.records import Reading, Signature, SlideRecord
from app.viewer.pages import parts


def show_readings(record: SlideRecord, result: SlideResult | None = None) -> None:
    """Draws what was decided, the newest version first; nothing where nobody decided. What was on the screen before a
    signature is counted anew on the `result`."""
    told = [reading for reading in record.readings if reading.decision]
    for reading in told:
        if reading.signature or len(told) > 1:
            st.html(_reading(reading, result, titled=len(told) > 1))
    if any(len(reading.decisions) > 1 or reading.signature for reading in told):
        with st.expander("Versions and digests", key="versions"):
            st.html("".join(_versions(reading) for reading in told))


def _reading(reading: Reading, result: SlideResult | None, *, titled: bool) -> str:
    decision = reading.decision
    assert decision is not None
    title = f"<b>{parts.safe(words.reading_title(reading.name))}</b>" if titled else ""
    state = "" if reading.signature else " (not signed)"
    lines = [f"{title}<span>{parts.safe(words.decision_in_words(decision))}{state}</span>"]
    if titled and reading.signature:
        lines.append(f"<em>{parts.safe(words.signed_in_words(reading.signature))}</em>")
    if decision.comment:
        lines.append(f"<q>{parts.safe_lines(decision.comment)}</q>")
    if result is not None and (seen := seen_in_words(reading.signature, result)):
        lines.append(f'<em data-testid="seen">{parts.safe(seen)}</em>')
    lines += [f"<em>Addendum, {parts.safe_lines(words.addendum_in_words(one))}</em>" for one in reading.addenda]
    return f'<div class="ps-said">{"".join(lines)}</div>'


def seen_in_words(signature: Signature | None, result: SlideResult) -> str:
    """What of the tissue was on the screen before the signature, counted anew; empty where nothing was kept."""
    told = coverage.stored(signature.screen) if signature else None
    if told is None:
        return ""
    again = coverage.replayed(told, result)
    if again is None:
        return "What was on the screen before the signature does not fit this result."
    share, step = figures.percent(again.figure), f"{coverage.FIGURE_STEP:g}x"
    return f"On the screen before the signature: {share} of the tissue at {step} or more."


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
