"""A drift report as lines for a person, and as a text file that Prometheus' node exporter collects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.presentation.language import said
from app.upkeep.drift.report import DriftReport, Finding
from app.upkeep.drift.signals import Kind

MEANING = {
    Kind.INPUT: said("what comes in has changed (scanner, stain, preparation or the mix of cases)"),
    Kind.MODEL: said("what the model makes of the slides has changed"),
    Kind.READERS: said("readers agree with the model more or less often than before: its performance may have changed"),
}


def drift_lines(report: DriftReport, unread: Sequence[str] = ()) -> list[str]:
    """Alarms first, with what they mean, then what is not judged yet, and how often a false alarm is to be expected."""
    lines = [f"{report.slides} slides; {_baseline_words(report)}"]
    for kind in Kind:
        alarms = [finding for finding in report.alarms if finding.signal.kind is kind]
        if alarms:
            lines += [f"ALARM: {MEANING[kind]}", *(f"  {_alarm_line(finding)}" for finding in alarms)]
    if not report.alarms:
        judged = sum(not finding.learning for finding in report.findings)
        lines.append(f"no alarm in {judged} signals" if judged else "nothing can be judged yet")
    lines += sorted({_learning_line(finding) for finding in report.findings if finding.learning})
    if unread:
        lines.append(f"{len(unread)} results could not be read: `pulmoscope verify` tells more")
    return [*lines, f"a laboratory that stays as it is sees at most one false alarm in {report.plan.once_in:,} slides"]


def metrics_text(report: DriftReport) -> str:
    """The report in Prometheus' text format (version 0.0.4)."""
    return "\n".join([*_metric_lines(report), ""])


def _metric_lines(report: DriftReport) -> Iterator[str]:
    yield "# HELP pulmoscope_drift_slides Results that were looked at."
    yield "# TYPE pulmoscope_drift_slides gauge"
    yield f"pulmoscope_drift_slides {report.slides}"
    judged = [finding for finding in report.findings if not finding.learning]
    yield "# HELP pulmoscope_drift_alarm 1 where a signal has changed."
    yield "# TYPE pulmoscope_drift_alarm gauge"
    yield from (f"pulmoscope_drift_alarm{_labels(finding)} {int(finding.alarm)}" for finding in judged)
    yield "# HELP pulmoscope_drift_evidence Largest Shiryaev-Roberts sum so far."
    yield "# TYPE pulmoscope_drift_evidence gauge"
    yield from (f"pulmoscope_drift_evidence{_labels(finding)} {finding.verdict.evidence:.6g}" for finding in judged)


def _labels(finding: Finding) -> str:
    told = {"signal": finding.signal.name, "kind": str(finding.signal.kind), "stream": finding.stream}
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in told.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _baseline_words(report: DriftReport) -> str:
    if report.plan.baseline:
        return f"compared with {len(report.plan.baseline)} slides of the baseline"
    return f"compared with the first {report.plan.first} of each stream"


def _alarm_line(finding: Finding) -> str:
    verdict, before, now = finding.verdict, finding.before, finding.now
    way = "higher" if verdict.higher else "lower"
    if before is not None and now is not None and (now > before) != verdict.higher:
        way = "otherwise spread"
    place = f"since about {finding.slide_id} ({finding.week}), told {(verdict.at or 0) - verdict.since + 1} slides on"
    return f"{finding.signal.words}: {way}, {_number(before)} -> {_number(now)}, {place} [{finding.stream}]"


def _learning_line(finding: Finding) -> str:
    return f"not judged yet: {finding.baseline} of {finding.wanted} slides [{finding.stream}]"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
