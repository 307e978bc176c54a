"""Drift: whether what comes in, what the model makes of it, or readers' agreement has changed, as `pulmoscope drift`
tells it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import streamlit as st

from app.upkeep.drift.gather import watch_folders
from app.upkeep.drift.report import DriftPlan, DriftReport, Finding
from app.upkeep.drift.signals import SIGNALS, Kind
from app.upkeep.drift.tell import MEANING
from app.viewer.catalog import look
from app.viewer.pages import parts
from app.viewer.site import Site

_LEAD = (
    "Slides, calls and signatures of this results folder against its first weeks. An alarm of slides alone says that "
    "they have changed, not that calls are wrong."
)
_KINDS = {Kind.INPUT: "What comes in", Kind.MODEL: "What the model makes of it", Kind.READERS: "Readers and model"}
# The latest; older weeks are `pulmoscope drift --json`'s.
_WEEKS, _IN_WEEKS = 12, ("density_red", "density_blue", "detail", "share_unfamiliar", "confidence", "called_tumour")
_kept: dict[str, tuple[DriftReport, tuple[str, ...]]] = {}
_computing = threading.Lock()


def show(site: Site) -> None:
    """Draws the page."""
    _, middle, _ = st.columns([1, 6, 1])
    with middle:
        st.subheader("Drift", anchor=False)
        st.html(f'<p class="ps-note">{parts.safe_lines(_LEAD)}</p>')
        if not any(entry.has_result for entry in look(site.results).entries.values() if not entry.uploaded):
            st.info("There are no results to watch yet.")
            return
        with st.spinner("Looking through the results"):
            report, unread = watched(site)
        # A second reader who is blind to the first must not learn of signatures here either.
        report = replace(report, findings=_open(report)) if site.second_reading else report
        _show_verdict(report)
        for kind, title in _KINDS.items():
            if findings := [one for one in report.findings if one.signal.kind is kind]:
                st.html(parts.section(title) + _table(findings))
        st.html(parts.section("Medians by week") + _weeks(report))
        st.html(f'<p class="ps-note">{parts.safe(_how(report, unread))}</p>')


def watched(site: Site) -> tuple[DriftReport, tuple[str, ...]]:
    """The watch over the folder's results, and which could not be read; computed once until something changes."""
    key = repr((site.results, look(site.results).stamp, sorted(map(repr, site.reviews.states().values()))))
    with _computing:
        if key not in _kept:
            _kept.clear()
            _kept[key] = watch_folders((site.results,), None, DriftPlan(), site.database)
        return _kept[key]


def _open(report: DriftReport) -> tuple[Finding, ...]:
    return tuple(one for one in report.findings if one.signal.kind is not Kind.READERS)


def _show_verdict(report: DriftReport) -> None:
    for kind in Kind:
        if alarms := [finding.signal.words for finding in report.alarms if finding.signal.kind is kind]:
            st.error(parts.unmarked(f"{MEANING[kind]}: {', '.join(alarms)}"))
    judged = sum(not finding.learning for finding in report.findings)
    if not report.alarms:
        st.info(f"No alarm in {judged} signals." if judged else "Nothing can be judged yet: there are too few slides.")


def _table(findings: list[Finding]) -> str:
    names = ("Signal", "Compared within", "State", "Baseline", "Latest", "Since about")
    head = "".join(f"<th scope='col'>{name}</th>" for name in names)
    return f'<table class="ps-facts"><tr>{head}</tr>{"".join(map(_row, findings))}</table>'


def _row(one: Finding) -> str:
    state = f"{one.baseline} of {one.wanted} slides" if one.learning else "ALARM" if one.alarm else "steady"
    since = f"{one.slide_id}, {one.week}" if one.alarm else ""
    cells = (one.stream, state, _number(one.before), _number(one.now), since)
    told = "".join(f"<td>{parts.safe(cell)}</td>" for cell in cells)
    return f"<tr><th scope='row'>{parts.safe(one.signal.words)}</th>{told}</tr>"


def _weeks(report: DriftReport) -> str:
    words = {signal.name: signal.words for signal in SIGNALS}
    names = ("Week", "Scanner", "Slides", *(words[name] for name in _IN_WEEKS))
    head = "".join(f"<th scope='col'>{parts.safe(name)}</th>" for name in names)
    return f'<table class="ps-facts"><tr>{head}</tr>{"".join(_week_rows(report))}</table>'


def _week_rows(report: DriftReport) -> Iterator[str]:
    for week in report.weeks[::-1][:_WEEKS]:
        cells = (week["scanner"], week["slides"], *(_number(week.get(name)) for name in _IN_WEEKS))
        told = "".join(f"<td>{parts.safe(cell)}</td>" for cell in cells)
        yield f"<tr><th scope='row'>{parts.safe(week['week'])}</th>{told}</tr>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _how(report: DriftReport, unread: tuple[str, ...]) -> str:
    told = (
        f"{report.slides} slides; compared with the first {report.plan.first} of each stream. A laboratory that stays "
        f"as it is sees at most one false alarm in {report.plan.once_in:,} slides."
    )
    return told + (f" {len(unread)} results could not be read: pulmoscope verify tells more." if unread else "")
