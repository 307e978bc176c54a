import pytest

from app.batch.engines.local import LocalEngine
from tests.contracts.engine import EngineContract
from tests.faults.others import run_on_dask_and_kill_one
from wsi.errors import EngineError


class TestLocalEngine(EngineContract):
    @pytest.fixture
    def engine(self):
        return LocalEngine(2)


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

    def test_no_scheduler_is_one_clear_error(self, tmp_path, monkeypatch):
        pytest.importorskip("distributed")
        from app.batch.engines import dask as dask_engine
        from app.config import RunConfig

        monkeypatch.setattr(dask_engine, "_CONNECT_S", 1)
        config = RunConfig(out=tmp_path, model="demo-synthetic")
        with pytest.raises(EngineError, match="no Dask scheduler answers at tcp"):
            list(dask_engine.DaskEngine(scheduler="tcp://127.0.0.1:9").run_jobs([], config))
