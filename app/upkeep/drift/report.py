"""All streams of a laboratory under watch: which signal of which scanner, model or reader has changed, since when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from app.upkeep.drift.detector import Verdict, watch
from app.upkeep.drift.signals import AGREEMENT, SIGNALS, Kind, Signal, WatchedSlide

# Ranks among fewer say little.
LEAST_BASELINE = 20


@dataclass(frozen=True)
class DriftPlan:
    """`first` slides of each stream are its baseline, unless `baseline` names others (slide SHA-256). A laboratory that
    does not drift sees one false alarm in `once_in` slides on average at most, over all signals and streams
    together."""

    first: int = 60
    once_in: int = 20_000
    baseline: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """One signal of one stream. `slide_id` and `week` are where an alarmed change began, as far as can be told; the
    medians are of the baseline, and of the slides from there to the alarm, or else of the latest twenty."""

    signal: Signal
    stream: str
    verdict: Verdict
    baseline: int
    wanted: int
    slide_id: str = ""
    week: str = ""
    before: float | None = None
    now: float | None = None

    @property
    def alarm(self) -> bool:
        return self.verdict.at is not None

    @property
    def learning(self) -> bool:
        """Whether there are not yet enough slides to judge by."""
        return self.baseline < self.wanted

    def to_dict(self) -> dict[str, Any]:
        return {
            "signal": self.signal.name,
            "kind": str(self.signal.kind),
            "stream": self.stream,
            "state": "alarm" if self.alarm else "learning" if self.learning else "steady",
            "baseline_slides": self.baseline,
            "judged_slides": self.verdict.judged,
            "changed_since_slide": self.slide_id or None,
            "changed_since_week": self.week or None,
            "alarm_after_slides": None if self.verdict.at is None else self.verdict.at - self.verdict.since + 1,
            "median_baseline": self.before,
            "median_recent": self.now,
            "evidence": self.verdict.evidence,
        }


@dataclass(frozen=True)
class DriftReport:
    """Findings in the order of signals, then streams; `weeks` are the medians of each signal by scanner and ISO
    week."""

    plan: DriftPlan
    slides: int
    findings: tuple[Finding, ...]
    weeks: tuple[Mapping[str, Any], ...]

    @property
    def alarms(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.alarm)

    def to_dict(self) -> dict[str, Any]:
        return {
            "slides": self.slides,
            "baseline_slides": len(self.plan.baseline) or self.plan.first,
            "false_alarm_once_in_slides": self.plan.once_in,
            "alarm": bool(self.alarms),
            "alarmed": sorted({str(finding.signal.kind) for finding in self.alarms}),
            "findings": [finding.to_dict() for finding in self.findings],
            "weeks": [dict(week) for week in self.weeks],
        }


def watch_laboratory(slides: Iterable[WatchedSlide], signed: Iterable[WatchedSlide], plan: DriftPlan) -> DriftReport:
    """Judges every signal of every stream. What comes in is watched by scanner, what the model makes of it by scanner
    and model, so that another model is no drift but a stream that begins anew. `signed` are the slides whose value is
    whether the reader agreed, at the time of the signature."""
    ordered, read = _in_order(slides, plan), _in_order(signed, plan)
    streams = [*_streams(ordered, SIGNALS), *_streams(read, (AGREEMENT,))]
    level = float(plan.once_in * max(1, len(streams)))
    findings = tuple(_judge(signal, name, members, plan, level) for signal, name, members in streams)
    return DriftReport(plan, len(ordered), findings, tuple(_weeks(ordered, SIGNALS)))


def _in_order(slides: Iterable[WatchedSlide], plan: DriftPlan) -> list[WatchedSlide]:
    return sorted(slides, key=lambda slide: (slide.sha256 not in plan.baseline, slide.when, slide.sha256))


def _streams(
    ordered: Sequence[WatchedSlide], signals: Sequence[Signal]
) -> Iterator[tuple[Signal, str, list[WatchedSlide]]]:
    for signal in signals:
        members: dict[str, list[WatchedSlide]] = defaultdict(list)
        for slide in ordered:
            if signal.name in slide.values:
                members[_stream_of(signal.kind, slide)].append(slide)
        for name in sorted(members):
            yield signal, name, members[name]


def _stream_of(kind: Kind, slide: WatchedSlide) -> str:
    """What is compared with what: never one scanner with another, nor one model with another."""
    if kind is Kind.INPUT:
        return slide.scanner
    return slide.model if kind is Kind.READERS else f"{slide.scanner}; {slide.model}"


def _judge(signal: Signal, name: str, members: Sequence[WatchedSlide], plan: DriftPlan, level: float) -> Finding:
    values = [slide.values[signal.name] for slide in members]
    given = sum(slide.sha256 in plan.baseline for slide in members)
    wanted = LEAST_BASELINE if plan.baseline else plan.first
    baseline = given if plan.baseline else min(plan.first, len(members))
    if baseline < wanted:
        return Finding(signal, name, Verdict(None, 0.0, 0), baseline, wanted)
    keys = [f"{signal.name} {slide.sha256}" for slide in members]
    verdict = watch(values, keys, baseline, level)
    alarmed = None if verdict.at is None else members[baseline + verdict.since]
    latest = slice(max(baseline, len(values) - LEAST_BASELINE), None)
    recent = values[latest if verdict.at is None else slice(baseline + verdict.since, baseline + verdict.at + 1)]
    return Finding(
        signal,
        name,
        verdict,
        baseline,
        wanted,
        slide_id=alarmed.slide_id if alarmed else "",
        week=alarmed.week if alarmed else "",
        before=median(values[:baseline]),
        now=median(recent) if recent else None,
    )


def _weeks(ordered: Sequence[WatchedSlide], signals: Sequence[Signal]) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[str, str], list[WatchedSlide]] = defaultdict(list)
    for slide in ordered:
        groups[slide.week, slide.scanner].append(slide)
    for week, scanner in sorted(groups):
        members = groups[week, scanner]
        told = {
            signal.name: [slide.values[signal.name] for slide in members if signal.name in slide.values]
            for signal in signals
        }
        medians = {name: round(_middle(name, values), 4) for name, values in told.items() if values}
        yield {"week": week, "scanner": scanner, "slides": len(members), **medians}


def _middle(name: str, values: Sequence[float]) -> float:
    """Of yes and no the share that is yes, of numbers their median."""
    return sum(values) / len(values) if name in _YES_OR_NO else median(values)


_YES_OR_NO = frozenset({"called_tumour", "undetermined"})
