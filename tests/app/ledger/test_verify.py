"""`verify` proves an output whole, and `--repair` clears what is proven broken, so that a run makes it whole again."""

import csv
import json
import shutil

import pytest

from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from app.ledger.aside import SET_ASIDE
from app.ledger.audit import AUDIT
from app.ledger.locks import try_lock
from app.ledger.repair import repair_results
from app.ledger.verify import verify_results
from classifier.model_folder.find import DEMO_MODEL
from tests.faults.common import digests, draw_slides, flaws, table

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")


def run(slides, out):
    events = list(run_batch(collect_jobs([slides], None), RunConfig(out=out, model=DEMO_MODEL), CLASSES, tally=Tally()))
    return [event for event in events if hasattr(event, "fate")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run(draw_slides(folder / "in", 3), folder / "out")
    return folder


@pytest.fixture
def out(finished, tmp_path):
    shutil.copytree(finished / "out", tmp_path / "out")
    return tmp_path / "out"


def test_a_finished_run_is_whole(out):
    found = verify_results(out)
    assert len(found.results) == 3 and not found.broken and not found.audit and not found.notes


def test_what_is_broken_is_set_aside_and_done_again(finished, out):
    before = digests(out), table(out)
    (out / "slide-0001.zarr" / "tiles" / "xy" / "zarr.json").write_text("{}")
    shutil.rmtree(out / "slide-0002.zarr")
    (out / ".staging" / "slide-0000~1-dead").mkdir()
    found = verify_results(out)
    assert sorted(found.broken) == ["slide-0001.zarr", "slide-0002.zarr"]
    whole = (out / "slide-0000.zarr" / "commit.json").stat()
    told = repair_results(out, found)
    assert len(told) == 3 and not list((out / ".staging").iterdir())
    [aside] = (out / SET_ASIDE).iterdir()
    assert aside.name.startswith("slide-0001.zarr~")
    assert sorted(table(out)) == ["slide-0000"] and flaws(out) == []
    fates = {event.job.slide_id: event.fate for event in run(finished / "in", out)}
    assert fates == {"slide-0000": "kept", "slide-0001": "ran", "slide-0002": "ran"}
    assert (digests(out), table(out)) == before and flaws(out) == []
    assert (out / "slide-0000.zarr" / "commit.json").stat().st_mtime_ns == whole.st_mtime_ns
    repairs = [json.loads(line) for line in (out / AUDIT).read_text().splitlines() if '"repair"' in line]
    assert sorted(entry["slide_id"] for entry in repairs) == ["slide-0001", "slide-0002"]


def test_a_row_that_disagrees_with_a_whole_result_is_written_again_from_it(out):
    before = table(out)
    path = out / "slides.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["status"] = "done" if rows[0]["status"] == "review" else "review"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    found = verify_results(out)
    assert list(found.broken) == ["slide-0000.zarr"]
    repair_results(out, found)
    assert table(out) == before and flaws(out) == []
    assert not (out / SET_ASIDE).exists()


def test_a_slide_that_a_run_is_at_is_left_alone(out):
    (out / "slide-0001.zarr" / "zarr.json").write_text("{}")
    with try_lock(out, "slide-0001") as ours:
        assert ours
        told = repair_results(out, verify_results(out))
    assert "a run is at it" in told[0] and (out / "slide-0001.zarr").exists()


def test_a_result_that_no_run_recorded_is_told_and_not_moved(out):
    lines = (out / AUDIT).read_text().splitlines(keepends=True)
    (out / AUDIT).write_text("".join(line for line in lines if "slide-0002" not in line))
    found = verify_results(out)
    assert found.broken == {"slide-0002.zarr": ["audit.jsonl has no record of it"]}
    repair_results(out, found)
    assert (out / "slide-0002.zarr").exists()
    (out / AUDIT).unlink()
    assert verify_results(out).audit == ["is missing"]


def test_a_changed_audit_log_is_told(out):
    text = (out / AUDIT).read_text()
    (out / AUDIT).write_text(text.replace('"event": "run"', '"event": "not"', 1))
    assert verify_results(out).audit
