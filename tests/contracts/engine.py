"""What every engine must do: one end a slide, whatever the slide; the same results; nothing left when it is stopped."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from aggregate import store
from app.batch.engines.events import Engine, SlideFinished, SlideOutcome
from app.batch.engines.local import LocalEngine
from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from app.ledger.records import SlideRow
from classifier.model_folder.find import DEMO_MODEL
from tests.faults.common import digests, draw_slides, flaws

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")


def falls_silent(job, config, model, progress):
    time.sleep(600)
    return SlideOutcome(SlideRow(job.slide_id, job.file, "done"))


def reports_for_ever(job, config, model, progress):
    """Well, for ten minutes. As a slide whose tiles come to no end."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        if progress:
            progress(1, 1)
        time.sleep(0.02)
    return SlideOutcome(SlideRow(job.slide_id, job.file, "done"))


class EngineContract:
    """Inherit, name the class Test..., and give a fixture `engine`: a dataclass with a field `work`, two workers."""

    @pytest.fixture(scope="class")
    def slides(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = draw_slides(tmp_path_factory.mktemp("slides"), 4)
        (folder / "empty.svs").touch()
        (folder / "text.svs").write_text("not a slide")
        return folder

    @pytest.fixture(scope="class")
    def expected(self, slides: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
        """The digests that one local worker gives."""
        out = tmp_path_factory.mktemp("expected")
        _run(LocalEngine(1), slides, out)
        return digests(out)

    def test_each_slide_has_one_end_and_the_result_of_any_engine(self, engine, slides, expected, tmp_path):
        tally, events = _run(engine, slides, tmp_path / "out")
        ends = Counter(event.job.slide_id for event in events if isinstance(event, SlideFinished))
        assert set(ends.values()) == {1} and len(ends) == 6
        assert {row.error_code for row in tally.rows} == {"", "empty-file", "unsupported-format"}
        assert digests(tmp_path / "out") == expected and len(expected) == 4
        assert flaws(tmp_path / "out") == []

    @pytest.mark.parametrize("work", [falls_silent, reports_for_ever])
    def test_a_slide_that_takes_too_long_is_given_up(self, engine, work, slides, tmp_path):
        """Neither would come to an end by itself: that none does is the engine's doing, on any machine."""
        jobs = collect_jobs([slides / "slide-0000.tif", slides / "slide-0001.tif"], None)
        tally = Tally()
        config = RunConfig(out=tmp_path / "out", model=DEMO_MODEL, slide_timeout_s=0.3)
        list(run_batch(jobs, config, CLASSES, engine=replace(engine, work=work), tally=tally))
        assert [row.error_code for row in tally.rows] == ["timed-out"] * 2

    def test_stopping_early_leaves_nothing_staged_and_a_true_table(self, engine, slides, tmp_path):
        tally = Tally()
        config = RunConfig(out=tmp_path / "out", model=DEMO_MODEL)
        events = run_batch(collect_jobs([slides], None), config, CLASSES, engine=engine, tally=tally)
        for event in events:
            if isinstance(event, SlideFinished):
                break
        events.close()
        assert flaws(tmp_path / "out") == []
        assert len(tally.rows) + tally.undone == 6 and tally.undone
        assert all(store.verify(path) == [] for path in store.stored_results(tmp_path / "out"))


def _run(engine: Engine, slides: Path, out: Path):
    tally = Tally()
    config = RunConfig(out=out, model=DEMO_MODEL)
    events = list(run_batch(collect_jobs([slides], None), config, CLASSES, engine=engine, tally=tally))
    return tally, events
