"""The page of drift: what is judged, what is not yet, and an alarm in words."""

import pytest
from streamlit.testing.v1 import AppTest

from app.upkeep.drift.detector import Verdict
from app.upkeep.drift.report import DriftPlan, DriftReport, Finding
from app.upkeep.drift.signals import SIGNALS
from app.viewer import site as viewer_site
from app.viewer.pages.facts import drift
from app.viewer.server import SCRIPT
from app.viewer.site import Site
from tests.app.upkeep.drift.test_drift_command import store


@pytest.fixture
def results(tmp_path):
    viewer_site.install(Site(tmp_path))
    return tmp_path


def told():
    test = AppTest.from_file(str(SCRIPT), default_timeout=60)
    test.query_params["page"] = "drift"
    test.run()
    assert not test.exception
    said = " ".join(element.proto.body for element in test.get("html"))
    return said, [one.value for one in test.error], [one.value for one in test.info]


def test_an_empty_folder_and_one_of_few_slides_say_so(results):
    assert told()[2] == ["There are no results to watch yet."]
    store(results, 3)
    said, alarms, info = told()
    assert alarms == [] and "Nothing can be judged yet" in info[0]
    assert "3 of 60 slides" in said and "stain in red light" in said and "2026-W10" in said


def test_an_alarm_says_what_has_changed_and_since_when(results, monkeypatch):
    [stain] = [signal for signal in SIGNALS if signal.name == "density_red"]
    verdict = Verdict(at=5, evidence=1e6, judged=10, since=2, higher=True)
    alarm = Finding(stain, "<b>maker</b>, 0.50 um/px", verdict, 60, 60, "slide-007", "2026-W12", 0.4, 0.6)
    report = DriftReport(DriftPlan(), 80, (alarm,), ())
    monkeypatch.setattr(drift, "watch_folders", lambda *words: (report, ("bad.zarr",)))
    store(results, 1)
    said, alarms, info = told()
    assert len(alarms) == 1 and "what comes in has changed" in alarms[0] and "stain in red light" in alarms[0]
    assert "<td>ALARM</td><td>0.4</td><td>0.6</td><td>slide-007, 2026-W12</td>" in said and info == []
    assert "<b>maker" not in said and "1 results could not be read" in said
