"""Streams of slides: what is compared with what, what is an alarm, and how it is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.upkeep.drift.report import DriftPlan, watch_laboratory
from app.upkeep.drift.signals import Kind, WatchedSlide
from app.upkeep.drift.tell import drift_lines, metrics_text

START = datetime(2026, 1, 5, 8, tzinfo=UTC)  # a Monday
PLAN = DriftPlan(first=40, once_in=5000)


def slides(n, *, scanner="aperio, 0.25 um/px", model="a", begin=0, seed=0, **means):
    """n slides, twenty a week, of signals that vary by 1 about their `means`."""
    rng = np.random.default_rng([seed, begin])
    return [
        WatchedSlide(
            f"{scanner[:3]}-{begin + index}",
            f"{scanner}{model}{begin + index}".encode().hex(),
            START + timedelta(days=(begin + index) // 20 * 7, minutes=index),
            scanner,
            model,
            {name: float(mean + rng.normal()) for name, mean in means.items()},
        )
        for index in range(n)
    ]


def readings(agreed):
    """200 signed slides, with what `agreed` says of each."""
    return [replace(slide, values={"agreement": float(agreed(index))}) for index, slide in enumerate(slides(200))]


def alarmed(report):
    return {(finding.signal.name, finding.stream) for finding in report.alarms}


def test_a_laboratory_that_stays_as_it_is():
    report = watch_laboratory(slides(300, density_red=5, confidence=3), (), PLAN)
    assert alarmed(report) == set() and report.slides == 300
    assert all(not finding.learning and finding.verdict.judged == 260 for finding in report.findings)
    assert len(report.weeks) == 15 and report.weeks[0]["week"] == "2026-W02" and report.weeks[0]["slides"] == 20


def test_another_stain_is_an_alarm_of_what_comes_in_alone():
    changed = [*slides(200, density_red=5, confidence=3), *slides(60, begin=200, density_red=8, confidence=3)]
    report = watch_laboratory(changed, (), PLAN)
    (finding,) = report.alarms
    assert finding.signal.kind is Kind.INPUT and finding.verdict.higher
    assert 195 <= int(finding.slide_id.partition("-")[2]) < 205 and finding.week in ("2026-W11", "2026-W12")
    assert finding.now > finding.before + 1.5
    lines = "\n".join(drift_lines(report))
    assert "ALARM: what comes in has changed" in lines and "stain in red light: higher" in lines
    assert "at most one false alarm in 5,000 slides" in lines


def test_a_new_model_is_no_drift():
    """Its confidence is another; the stain stays: a stream of its own begins, and says how far it is."""
    both = [
        *slides(120, density_red=5, confidence=3),
        *slides(30, begin=120, model="b", density_red=5, confidence=30),
    ]
    report = watch_laboratory(both, (), PLAN)
    assert alarmed(report) == set()
    (learning,) = [finding for finding in report.findings if finding.learning]
    assert learning.signal.name == "confidence" and learning.stream.endswith("; b")
    assert "not judged yet: 30 of 40 slides [aperio, 0.25 um/px; b]" in drift_lines(report)


def test_a_second_scanner_is_no_drift_of_the_first():
    both = [*slides(120, detail=1), *slides(120, scanner="philips, 0.25 um/px", detail=9)]
    assert alarmed(watch_laboratory(both, (), PLAN)) == set()


def test_readers_who_stop_agreeing():
    told, wrong = readings(lambda index: index % 10 > 0), readings(lambda index: index < 100)
    assert alarmed(watch_laboratory((), told, PLAN)) == set()
    report = watch_laboratory((), wrong, PLAN)
    assert {finding.signal.kind for finding in report.alarms} == {Kind.READERS}
    assert "performance may have changed" in "\n".join(drift_lines(report))


def test_a_baseline_that_is_given_comes_first_whenever_it_was_run():
    later = slides(60, begin=100, density_red=5)
    before = slides(100, density_red=9)
    plan = DriftPlan(once_in=5000, baseline=frozenset(slide.sha256 for slide in later))
    (finding,) = watch_laboratory([*before, *later], (), plan).findings
    assert finding.alarm and finding.baseline == 60 and finding.verdict.higher


def test_too_few_slides_are_not_judged():
    report = watch_laboratory(slides(30, density_red=5), (), PLAN)
    assert report.findings[0].learning and "nothing can be judged yet" in drift_lines(report)
    assert report.to_dict()["findings"][0]["state"] == "learning"


def test_the_order_in_which_slides_are_given_changes_nothing():
    given = [*slides(100, density_red=5), *slides(50, begin=100, density_red=8)]
    assert watch_laboratory(given, (), PLAN) == watch_laboratory(given[::-1], (), PLAN)


@pytest.mark.parametrize("scanner", ['a "quoted"\nmaker\\', "plain"])
def test_a_monitor_can_read_the_metrics(scanner):
    text = metrics_text(watch_laboratory(slides(60, scanner=scanner, detail=2), (), PLAN))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines[0] == "pulmoscope_drift_slides 60" and len(lines) == 3
    assert lines[1].startswith('pulmoscope_drift_alarm{signal="detail",kind="input",stream="') and lines[1].endswith(
        "} 0"
    )
