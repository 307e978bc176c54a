"""What every engine must do: one end a slide, whatever the slide; the same results; nothing left when it is stopped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from aggregate import store
from app.batch.engines.events import Engine, SlideFinished
from app.batch.engines.local import LocalEngine
from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from classifier.model import DEMO_MODEL
from tests.faults.common import digests, draw_slides, flaws

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")


class EngineContract:
    """Inherit, name the class Test..., and give a fixture `engine` with two workers."""

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

    def test_a_slide_that_takes_too_long_is_given_up(self, engine, slides, tmp_path):
        """Tiles that overlap by 39/40 are 1,600 times as many: a minute's work or more, and it reports all along."""
        jobs = collect_jobs([slides / "slide-0000.tif"], None)
        tally = Tally()
        config = RunConfig(out=tmp_path / "out", model=DEMO_MODEL, overlap=0.975, slide_timeout_s=2)
        list(run_batch(jobs, config, CLASSES, engine=engine, tally=tally))
        assert [row.error_code for row in tally.rows] == ["timed-out"]

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
