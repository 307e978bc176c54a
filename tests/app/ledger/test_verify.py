"""`verify` proves an output whole, and `--repair` clears what is proven broken, so that a run makes it whole again."""

import csv
import json
import shutil

import pytest

from aggregate.layout import commit
from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from app.ledger.aside import SET_ASIDE
from app.ledger.audit import AUDIT
from app.ledger.locks import try_lock
from app.ledger.repair import repair_results
from app.ledger.verify import report_of, verify_results
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


# --quick


def test_a_quick_look_finds_a_finished_run_complete_and_says_what_it_left_out(out):
    found = verify_results(out, quick=True)
    assert found.is_whole and len(found.results) == 3
    assert "3 complete, their arrays not read" in report_of(found, [], as_json=False)
    assert json.loads(report_of(found, [], as_json=True))["quick"] is True
    assert "quick" not in json.loads(report_of(verify_results(out), [], as_json=True))


def chunk(out):
    return out / "slide-0001.zarr" / "tiles" / "features" / "c" / "0" / "0"


def cut(out):
    file = chunk(out)
    file.write_bytes(file.read_bytes()[:-1])


def link(out):
    file = out / "slide-0001.zarr" / "tiles" / "xy" / "zarr.json"
    file.rename(out / "elsewhere.json")
    file.symlink_to(out / "elsewhere.json")


def reword(out):
    """As long as before: only what a result says of itself is read, and that shows."""
    file = out / "slide-0001.zarr" / "zarr.json"
    file.write_text(file.read_text().replace('"adenocarcinoma"', '"adenocarcinomA"', 1))


HARMS = {
    "a chunk is gone": lambda out: chunk(out).unlink(),
    "a chunk is shorter": cut,
    "a file was added": lambda out: (out / "slide-0001.zarr" / "tiles" / "more").write_text("x"),
    "a file is a link": link,
    "a word of its own is another": reword,
    "a commit is gone": lambda out: (out / "slide-0001.zarr" / "commit.json").unlink(),
    "a commit is changed": lambda out: (out / "slide-0001.zarr" / "commit.json").write_text("{}"),
    "a result is gone": lambda out: shutil.rmtree(out / "slide-0001.zarr"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_quick_look_finds_what_names_sizes_and_words_tell(out, harm):
    HARMS[harm](out)
    assert set(verify_results(out, quick=True).broken) == {"slide-0001.zarr"}


def test_a_quick_look_does_not_see_a_byte_in_an_array_and_a_whole_one_does(out):
    file = chunk(out)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert verify_results(out, quick=True).is_whole
    assert set(verify_results(out).broken) == {"slide-0001.zarr"}


def test_a_quick_look_holds_results_against_the_table_and_the_log(out):
    (out / AUDIT).write_text("")
    assert len(verify_results(out, quick=True).broken) == 3


def test_a_folder_committed_before_sizes_were_kept_is_looked_over_by_names(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    commit.seal(tmp_path, result_sha256="0")
    told = json.loads((tmp_path / commit.COMMIT).read_text())
    del told["sizes"], told["sha256"]
    (tmp_path / commit.COMMIT).write_bytes(commit._canonical(told))
    assert commit.look_over(tmp_path) == [] and commit.verify(tmp_path) == []
    (tmp_path / "a.txt").write_text("")
    assert commit.look_over(tmp_path) == ["a.txt was altered"]
