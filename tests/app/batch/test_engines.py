import time
from multiprocessing import Pipe

import pytest

from app.batch.engines import local
from app.batch.engines.events import SlideFinished, SlideOutcome, SlideProgress
from app.batch.engines.local import LocalEngine
from app.batch.engines.slide_clock import SlideClock
from app.batch.engines.task import process_slide
from app.batch.inputs import collect_jobs
from app.batch.job import SlideJob
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from app.ledger.records import SlideRow
from classifier.model_folder.find import DEMO_MODEL
from tests.contracts.engine import CLASSES, EngineContract
from tests.faults.others import run_on_dask_and_kill_one
from wsi.errors import EngineError


class Jumping:
    """A clock that goes on by an hour once, at the third look."""

    def __init__(self, jump_s):
        self.jump_s, self.looks = jump_s, 0

    def __call__(self):
        self.looks += 1
        return time.monotonic() + (self.jump_s if self.looks > 2 else 0.0)


def test_a_clock_that_is_looked_at_tells_all_of_a_slides_time():
    times = iter([100.0, 100.4, 101.0, 103.0, 9000.0, 9000.5])
    clock = SlideClock(lambda: next(times))
    assert [clock.seconds() for _ in range(3)] == pytest.approx([0.4, 1.0, 3.0])
    # Two and a half hours in which nobody looked count as one look.
    assert [clock.seconds() for _ in range(2)] == pytest.approx([3.5, 4.0])


class TestLocalEngine(EngineContract):
    @pytest.fixture
    def engine(self):
        return LocalEngine(2)

    def test_time_in_which_the_run_stood_still_is_not_the_slides(self, slides, tmp_path):
        """As after Ctrl-Z and fg: between two looks at the clock an hour went by."""
        clock = Jumping(3600.0)
        tally = Tally()
        config = RunConfig(out=tmp_path / "out", model=DEMO_MODEL, slide_timeout_s=600)
        jobs = collect_jobs([slides / "slide-0000.tif"], None)
        list(run_batch(jobs, config, CLASSES, engine=LocalEngine(1, clock=clock), tally=tally))
        assert [row.error_code for row in tally.rows] == [""] and clock.looks > 2


class Clock:
    """Goes on by a second at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class StrangeWorker:
    """A worker process whose end of the line the test holds."""

    def __init__(self, *messages) -> None:
        self.connection, self._theirs = Pipe()
        for message in messages:
            self._theirs.send(message)
        self.killed = False

    def kill(self) -> None:
        self.killed = True


@pytest.mark.parametrize("messages", [[(done, 1000) for done in range(40)], []], ids=["reporting", "silent"])
def test_a_slide_over_its_time_is_given_up_whether_it_reports_or_not(messages, tmp_path, monkeypatch):
    worker, spare = StrangeWorker(*messages), StrangeWorker()
    monkeypatch.setattr(local, "start_worker", lambda: spare)
    engine = LocalEngine(1, [worker], clock=Clock())
    job = SlideJob(tmp_path / "a.tif", "a.tif", "a")
    events = list(engine.run_jobs([job], RunConfig(out=tmp_path, model="demo-synthetic", slide_timeout_s=20)))
    assert isinstance(events[-1], SlideFinished) and events[-1].row.error_code == "timed-out"
    assert worker.killed and 0 <= sum(isinstance(event, SlideProgress) for event in events) < 20


def test_a_slide_that_ends_in_its_last_second_is_kept(tmp_path):
    row = SlideRow("a", "a.tif", "done")
    worker = StrangeWorker((1, 2), SlideOutcome(row, "ran"))
    engine = LocalEngine(1, [worker], clock=Clock())
    config = RunConfig(out=tmp_path, model="demo-synthetic", slide_timeout_s=8)
    events = list(engine.run_jobs([SlideJob(tmp_path / "a.tif", "a.tif", "a")], config))
    assert events[-1].row.status == "done"


class TestDaskEngine(EngineContract):
    @pytest.fixture
    def engine(self):
        pytest.importorskip("distributed")
        from app.batch.engines.dask import DaskEngine

        return DaskEngine(2)

    def test_a_killed_worker_costs_a_retry(self, slides, expected, tmp_path):
        pytest.importorskip("distributed")
        from tests.faults.common import digests, draw_slides

        good = draw_slides(tmp_path / "in", 4)
        run_on_dask_and_kill_one(good, tmp_path / "out")
        assert digests(tmp_path / "out") == expected

    def test_a_cluster_that_runs_already_is_joined(self, tmp_path):
        distributed = pytest.importorskip("distributed")
        from app.batch.engines.dask import DaskEngine
        from tests.faults.common import digests, draw_slides

        jobs = collect_jobs([draw_slides(tmp_path / "in", 2)], None)
        with distributed.LocalCluster(1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
            engine = DaskEngine(scheduler=cluster.scheduler_address)
            config, tally = RunConfig(out=tmp_path / "out", model="demo-synthetic"), Tally()
            for _ in run_batch(jobs, config, CLASSES, engine=engine, tally=tally):
                pass
        assert tally.exit_code == 0 and len(digests(tmp_path / "out")) == 2

    def test_workers_are_counted_now_and_then_and_not_for_each_slide(self):
        """A question takes as long as handing a slide out; a worker that came is seen soon."""
        from app.batch.engines.dask import _Hands

        class Cluster:
            workers, asked = {"one": 1, "two": 2}, 0

            def nthreads(self):
                self.asked += 1
                return self.workers

        cluster, now = Cluster(), [0.0]
        hands = _Hands(cluster, clock=lambda: now[0])
        assert [hands.count() for _ in range(5)] == [3] * 5 and cluster.asked == 1
        cluster.workers = {"one": 1}
        now[0] = 0.6
        assert hands.count() == 1 and cluster.asked == 2
        cluster.workers = {}
        now[0] = 1.2
        assert hands.count() == 1  # one slide waits for the worker that comes next

    def test_no_scheduler_is_one_clear_error(self, tmp_path, monkeypatch):
        pytest.importorskip("distributed")
        from app.batch.engines import dask as dask_engine

        monkeypatch.setattr(dask_engine, "_CONNECT_S", 1)
        config = RunConfig(out=tmp_path, model="demo-synthetic")
        with pytest.raises(EngineError, match="no Dask scheduler answers at tcp"):
            list(dask_engine.DaskEngine(scheduler="tcp://127.0.0.1:9").run_jobs([], config))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out-of-memory"),
        (RuntimeError("can't start new thread"), "out-of-memory"),
        (RuntimeError("another"), "internal-error"),
    ],
)
def test_no_room_for_a_thread_is_no_room(tmp_path, error, code):
    def model():
        raise error

    (tmp_path / ".locks").mkdir()
    outcome = process_slide(SlideJob(tmp_path / "a.svs", "a.svs", "a"), RunConfig(tmp_path, DEMO_MODEL), model)
    assert outcome.row.error_code == code


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_fault_of_ours_is_shown_to_whoever_looks_for_it(tmp_path, monkeypatch, capfd, debug):
    """The row names the kind of error alone: where it came from could name the slide."""

    def model():
        raise OSError("of a kind that nobody thought of")

    monkeypatch.setenv("PULMOSCOPE_DEBUG", debug)
    (tmp_path / ".locks").mkdir()
    outcome = process_slide(SlideJob(tmp_path / "a.svs", "a.svs", "a"), RunConfig(tmp_path, DEMO_MODEL), model)
    assert outcome.row.message == "OSError; please report this"
    assert ("nobody thought of" in capfd.readouterr().err) is bool(debug)
