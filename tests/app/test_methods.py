"""What this program makes of one slide, pinned: who changes the rules must say so, or older results would be kept as if
nothing had changed."""

import numpy as np
import pytest

from aggregate import store
from app.batch.engines.task import ModelCache
from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.config import METHODS, RunConfig
from app.pipeline import run_slide
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from tests.faults.writes import InThisProcess
from wsi.synthetic.marks import BlackBorder, BlurPatch, PenStroke
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide


@pytest.fixture
def marked_slide(tmp_path):
    """Two kinds of tissue, levels of 0.5, 2 and 8 um/px, a pen over glass and tissue, blur, a black edge."""
    parts = ("adenocarcinoma", (200.0, 200.0)), ("normal", (1300.0, 900.0))
    path = tmp_path / "in" / "marked.svs"
    path.parent.mkdir()
    write_synthetic_slide(
        path,
        regions=[SyntheticRegion(Rectangle(corner, (1000.0, 900.0)), kind) for kind, corner in parts],
        size_um=(2600.0, 2000.0),
        seed=5,
        marks=(
            PenStroke(((100.0, 1500.0), (2400.0, 1300.0)), 120.0),
            BlurPatch(Rectangle((200.0, 200.0), (400.0, 400.0))),
            BlackBorder(60.0),
        ),
    )
    return path


@pytest.fixture
def result(marked_slide, tmp_path):
    return run_slide(marked_slide, "a", load_model(DEMO_MODEL), RunConfig(out=tmp_path, model=DEMO_MODEL))


# Where one of these fails since rules were changed on purpose: raise its number and write down what comes now.


def test_the_reading_of_today_has_its_number(result):
    tile = result.provenance.tile
    assert METHODS["reading"] == 7 and (tile.level, tile.read_px, round(tile.effective_mpp, 3)) == (0, 256, 1.0)


def test_the_tissue_of_today_has_its_number(result):
    assert METHODS["tissue"] == 1 and np.bincount(result.tiles.quality).tolist() == [103, 9, 7, *5 * [0], 17, 0, 7]
    told = [round(result.qc[name], 2) for name in ("tissue_mm2", "share_blur", "share_pen", "pen_mm2_on_slide")]
    assert told == [1.69, 0.08, 0.05, 0.26]


def test_the_call_of_today_has_its_number(result):
    told = result.decision
    assert METHODS["call"] == 2 and (told.call, told.review_reasons) == ("adenocarcinoma", ("unjudged-area", "pen"))
    figures = [*told.probabilities, told.confidence, result.qc["tumour_mm2"]]
    assert np.round(figures, 2).tolist() == [1.0, 0.0, 0.0, 0.97, 1.0]


def test_a_result_of_older_rules_is_done_anew(marked_slide, tmp_path, monkeypatch):
    out = tmp_path / "out"
    engine = InThisProcess(ModelCache(RunConfig(out=out, model=DEMO_MODEL)))

    def run(**options):
        config = RunConfig(out=out, model=DEMO_MODEL, **options)
        events = run_batch(collect_jobs([marked_slide], None), config, ("normal",), engine=engine, tally=Tally())
        last = list(events)[-1]
        return last.fate, last.changed

    with monkeypatch.context() as before:  # as results were digested before there were methods
        scientific = RunConfig.scientific
        before.setattr(RunConfig, "scientific", lambda *a: {k: v for k, v in scientific(*a).items() if k != "methods"})
        assert run() == ("ran", ()) and run() == ("kept", ())
    assert run() == ("ran", ("program",))
    assert run() == ("kept", ())
    for name in METHODS:
        with monkeypatch.context() as raised:
            raised.setitem(METHODS, name, METHODS[name] + 1)
            assert run() == ("ran", ("program",))
            assert run() == ("kept", ())
            assert run(overlap=0.5) == ("ran", ("configuration",))
        assert run() == ("ran", ("program", "configuration"))
    [path] = store.stored_results(out)
    assert store.load_summary(path)["provenance"]["config"]["methods"] == METHODS
