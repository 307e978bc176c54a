"""What `verify --repair` does of each kind of fault, and what it leaves alone. Whole runs over it: `test_verify.py`."""

import json
import re
import shutil

import pytest

from aggregate import store
from app.ledger import repair
from app.ledger.aside import SET_ASIDE
from app.ledger.audit import AUDIT
from app.ledger.locks import try_lock
from app.ledger.records import SLIDES_CSV, SlideRow, read_rows
from app.ledger.repair import repair_results
from app.ledger.table import merge_rows
from app.ledger.verify import Verification, verify_results
from tests.results import CLASSES


def found(*names):
    """As `verify` names what is broken."""
    return Verification({f"{name}.zarr": ["something"] for name in names}, [], [])


def rows(out):
    return {row.slide_id: row for row in read_rows(out / SLIDES_CSV)}


def repairs(out):
    entries = [json.loads(line) for line in (out / AUDIT).read_text().splitlines()]
    return [(entry["slide_id"], entry["what"]) for entry in entries if entry["event"] == "repair"]


def change(out, slide_id, **fields):
    row = SlideRow(**{**vars(rows(out)[slide_id]), **fields})
    merge_rows(out, [row], CLASSES)
    return row


def test_a_damaged_result_is_moved_with_its_row_and_a_missing_one_loses_its_row(out):
    (out / "a.zarr" / "zarr.json").write_text("{}")
    shutil.rmtree(out / "b.zarr")
    told = repair_results(out, verify_results(out))
    moved = f"moved to {SET_ASIDE}, run again to redo it"
    missing = "taken out of the table, its result is missing"
    assert told == [f"a.zarr: {moved}", f"b.zarr: {missing}"] and repairs(out) == [("a", moved), ("b", missing)]
    assert list(rows(out)) == ["c"] and not (out / "a.zarr").exists()
    assert [path.name.partition("~")[0] for path in (out / SET_ASIDE).iterdir()] == ["a.zarr"]


def test_what_is_neither_there_nor_in_the_table_needs_nothing(out):
    assert repair_results(out, found("d")) == [] and repairs(out) == []


def test_each_repair_is_on_disk_before_it_is_told_under_a_run_of_its_own(out, monkeypatch):
    (out / "a.zarr" / "zarr.json").write_text("{}")
    seen = []

    class Log(repair.AuditLog):
        def __init__(self, folder, who, run_id):
            super().__init__(folder, who, run_id)
            assert re.fullmatch("[0-9a-f]{8}", run_id) and folder == out

        def record(self, event, slide_id, facts, *, durable=False):
            seen.append((event, slide_id, durable))

    monkeypatch.setattr(repair, "AuditLog", Log)
    repair_results(out, found("a"))
    assert seen == [("repair", "a", True)]


def test_one_result_is_repaired_in_its_folder(out):
    (out / "a.zarr" / "zarr.json").write_text("{}")
    [told] = repair_results(out / "a.zarr", verify_results(out / "a.zarr"))
    assert told.startswith("a.zarr: moved to ") and list(rows(out)) == ["b", "c"]


def test_a_name_that_no_slide_can_have_is_moved_and_nothing_else_done(out):
    (out / "~x.zarr").mkdir()
    [told] = repair_results(out, found("~x"))
    [moved] = (out / SET_ASIDE).iterdir()
    assert told == f"~x.zarr: moved to {SET_ASIDE}/{moved.name}" and not (out / "~x.zarr").exists()
    assert repairs(out) == []


def test_a_slide_that_a_run_is_at_is_left_alone_and_no_repair_recorded(out):
    (out / "a.zarr" / "zarr.json").write_text("{}")
    with try_lock(out, "a"):
        assert repair_results(out, found("a")) == ["a.zarr: left alone, a run is at it"]
    assert repairs(out) == [] and "a" in rows(out) and (out / "a.zarr").exists()


def test_a_whole_result_that_only_the_log_does_not_know_stays_without_a_word(out):
    before = rows(out)
    assert repair_results(out, found("a")) == [] and repairs(out) == [] and rows(out) == before


def test_a_result_without_a_row_gets_it_back(out):
    before = rows(out)["a"]
    merge_rows(out, (), CLASSES, without=frozenset({"a"}))
    what = "its row was written again from the result"
    assert repair_results(out, verify_results(out)) == [f"a.zarr: {what}"] and repairs(out) == [("a", what)]
    assert rows(out)["a"] == before


@pytest.mark.parametrize(("file", "kept"), [("in/a.svs", "in/a.svs"), ("in/z.svs", "a.svs")])
def test_a_row_that_disagrees_is_written_again_with_the_folder_that_it_alone_knows(out, file, kept):
    before = change(out, "a", file=kept)
    change(out, "a", file=file, call="normal")
    assert repair_results(out, verify_results(out)) == ["a.zarr: its row was written again from the result"]
    assert rows(out)["a"] == before and verify_results(out).is_whole


def test_a_failure_after_an_older_result_stays_a_failure(out):
    failed = change(out, "a", status="failed", call="", error_code="corrupt-slide")
    assert repair_results(out, found("a")) == [] and rows(out)["a"].status == failed.status == "failed"


def test_what_killed_runs_staged_is_cleared_and_what_is_under_way_or_none_of_ours_stays(out):
    for name in ("a~1-x", "a~2-y", "b~1-x", ".odd~1-x"):
        (out / store.STAGING / name / "tiles").mkdir(parents=True)
    with try_lock(out, "b"):
        assert repair_results(out, found()) == ["a: cleared what a killed run had staged"]
    assert sorted(path.name for path in (out / store.STAGING).iterdir()) == [".odd~1-x", "b~1-x"]
