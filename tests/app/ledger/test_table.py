"""The table that runs share: nothing that was accounted for is lost, and a long batch does not rewrite it each time."""

import errno
import json
from dataclasses import asdict, replace

import pytest

from aggregate import store
from app.ledger import table as table_of
from app.ledger.aside import SET_ASIDE
from app.ledger.lines import append_line, last_line
from app.ledger.locks import prepare_locks
from app.ledger.records import SlideRow, read_rows
from app.ledger.table import JOURNAL, SlideTable, StoredTable, merge_rows, read_table, rows_of_results
from tests.results import make_result
from wsi.errors import OutputUnwritableError

CLASSES = ("normal", "tumour")


def row(slide_id, status="done"):
    return SlideRow(slide_id, slide_id, status, "normal", {"normal": 1.0}, review_reasons=("pen",))


def test_what_a_killed_run_had_only_in_its_journal_is_in_the_next_ones_table(tmp_path):
    prepare_locks(tmp_path)
    killed = SlideTable(tmp_path, CLASSES)
    for name in ("c", "a", "b"):
        killed.add(row(name))
    assert len(read_rows(tmp_path / "slides.csv")) < 3
    assert set(read_table(tmp_path).rows) == {"a", "b", "c"}
    SlideTable(tmp_path, CLASSES).merge()
    assert read_rows(tmp_path / "slides.csv") == [row("a"), row("b"), row("c")]
    assert not (tmp_path / JOURNAL).exists()


def test_a_torn_journal_line_costs_itself_alone(tmp_path):
    prepare_locks(tmp_path)
    table = SlideTable(tmp_path, CLASSES)
    table.merge()
    table.add(row("a"))
    (tmp_path / JOURNAL).write_bytes((tmp_path / JOURNAL).read_bytes() + b'{"slide_id": "b", "fi')
    table.add(row("c"))
    table.merge()
    assert [r.slide_id for r in read_rows(tmp_path / "slides.csv")] == ["a", "c"]


def test_the_latest_row_of_a_slide_counts(tmp_path):
    prepare_locks(tmp_path)
    merge_rows(tmp_path, [row("a", "failed"), row("b")], CLASSES)
    SlideTable(tmp_path, CLASSES).add(row("a"))
    assert [r.status for r in read_table(tmp_path).rows.values()] == ["done", "done"]
    merge_rows(tmp_path, (), CLASSES, without=frozenset({"a"}))
    assert [r.slide_id for r in read_rows(tmp_path / "slides.csv")] == ["b"]


def test_a_thousand_rows_do_not_write_the_table_a_thousand_times(tmp_path, monkeypatch):
    prepare_locks(tmp_path)
    writes = []
    original = table_of.write_file
    monkeypatch.setattr(table_of, "write_file", lambda *args: writes.append(1) or original(*args))
    # No clock: as if all came at once.
    monkeypatch.setattr(table_of.time, "monotonic", lambda: 100.0)
    table = SlideTable(tmp_path, CLASSES)
    for i in range(1000):
        table.add(row(f"{i:04d}"))
    table.merge()
    assert len(writes) == 2
    assert len(read_rows(tmp_path / "slides.csv")) == 1000


def test_a_torn_line_is_closed_before_the_next(tmp_path):
    path = tmp_path / "log"
    assert last_line(path) is None
    append_line(path, "one")
    path.write_bytes(path.read_bytes() + b"tor")
    assert last_line(path) == b"tor"
    append_line(path, "two", durable=True)
    assert path.read_bytes() == b"one\ntor\ntwo\n" and last_line(path) == b"two"


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self, now):
        self.now = now

    def monotonic(self):
        return self.now


def merged(tmp_path):
    return [r.slide_id for r in read_rows(tmp_path / "slides.csv")]


def test_the_first_row_is_in_the_table_at_once_and_the_next_after_two_seconds(tmp_path, monkeypatch):
    """Also on a machine that was started this moment."""
    prepare_locks(tmp_path)
    clock = Clock(0.5)
    monkeypatch.setattr(table_of, "time", clock)
    table = SlideTable(tmp_path, CLASSES)
    table.add(row("a"))
    assert merged(tmp_path) == ["a"]
    clock.now += 1.75
    table.add(row("b"))
    assert merged(tmp_path) == ["a"]
    clock.now += 0.25
    table.add(row("c"))
    assert merged(tmp_path) == ["a", "b", "c"]


def test_merging_takes_no_more_than_a_twentieth_of_the_time(tmp_path, monkeypatch):
    prepare_locks(tmp_path)
    clock, original = Clock(100.0), table_of.merge_rows

    def slow(*args, **more):
        clock.now += 1.0
        return original(*args, **more)

    monkeypatch.setattr(table_of, "time", clock)
    monkeypatch.setattr(table_of, "merge_rows", slow)
    table = SlideTable(tmp_path, CLASSES)
    table.add(row("a"))  # ends at 101, so the next is due at 121
    clock.now = 120.9
    table.add(row("b"))
    assert merged(tmp_path) == ["a"]
    clock.now = 121.0
    table.add(row("c"))
    assert merged(tmp_path) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "work", [lambda out: SlideTable(out, CLASSES).add(row("a")), lambda out: merge_rows(out, [], ())]
)
def test_a_table_that_cannot_be_written_is_one_line_that_names_it(tmp_path, monkeypatch, work):
    prepare_locks(tmp_path)

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(table_of, "append_line", refuse)
    monkeypatch.setattr(table_of, "write_file", refuse)
    with pytest.raises(OutputUnwritableError, match=r"slides\.csv"):
        work(tmp_path)


def test_damaged_table_and_journal_are_set_aside_with_a_line_each(tmp_path):
    prepare_locks(tmp_path)
    store.save(make_result("a"), tmp_path)
    (tmp_path / "slides.csv").write_text("one,two\nthree\n")
    (tmp_path / JOURNAL).write_text('{"slide_id": 1}\n{"slide_id": 2}\n')
    found = read_table(tmp_path)
    assert found.flaws == ["slides.csv: has no column call", f"{JOURNAL}: 2 lines are no rows"]
    told = merge_rows(tmp_path, (), CLASSES)
    moved = {path.name.partition("~")[0]: path for path in (tmp_path / SET_ASIDE).iterdir()}
    assert told == [
        f"{flaw}: moved to {SET_ASIDE}/{moved[flaw.partition(':')[0]].name}, the results in the store give their rows"
        for flaw in found.flaws
    ]
    assert moved["slides.csv"].read_text() == "one,two\nthree\n" and merged(tmp_path) == ["a"]
    assert read_table(tmp_path).flaws == []


def test_of_several_flaws_the_first_is_told(tmp_path):
    prepare_locks(tmp_path)
    merge_rows(tmp_path, [row("a")], CLASSES)
    with (tmp_path / "slides.csv").open("a") as file:
        file.write("x\nx,y\n")
    [told] = merge_rows(tmp_path, (), CLASSES)
    assert told.startswith("slides.csv: row 2 is not as a run writes it: moved to ")


def test_a_table_that_went_away_gets_its_rows_from_the_store(tmp_path):
    prepare_locks(tmp_path)
    store.save(make_result("a"), tmp_path)
    assert merge_rows(tmp_path, [row("b")], CLASSES) == [] and merged(tmp_path) == ["a", "b"]


def test_while_the_table_is_whole_the_store_is_not_read(tmp_path, monkeypatch):
    """Reading every result for every merge would cost the square of their number."""
    prepare_locks(tmp_path)
    merge_rows(tmp_path, [replace(row("a"), model="m")], CLASSES)
    monkeypatch.setattr(table_of, "rows_of_results", None)
    merge_rows(tmp_path, [replace(row("b"), model="m")], CLASSES)
    assert merged(tmp_path) == ["a", "b"]


def test_a_row_whose_id_no_slide_can_have_is_a_flaw_and_no_row(tmp_path):
    prepare_locks(tmp_path)
    append_line(tmp_path / JOURNAL, json.dumps(asdict(row("../x"))))
    found = read_table(tmp_path)
    assert found.rows == {} and found.table_flaws == ["slides.csv: a row has an id that no slide can have"]


def test_a_result_that_cannot_be_read_or_lies_under_another_name_gives_no_row(tmp_path):
    for slide_id in ("a", "b", "c"):
        store.save(make_result(slide_id, file=f"{slide_id}.svs"), tmp_path)
    (tmp_path / "a.zarr" / "zarr.json").write_text("{}")
    (tmp_path / "b.zarr").rename(tmp_path / "copy.zarr")
    rows = table_of.rows_of_results(tmp_path)
    assert {slide_id: one.file for slide_id, one in rows.items()} == {"c": "c.svs"}


def test_a_table_that_cannot_be_read_is_a_flaw(tmp_path):
    (tmp_path / "slides.csv").mkdir()
    assert read_table(tmp_path).flaws == ["slides.csv: cannot be read (not a regular file)"]


def test_a_journal_of_rows_alone_has_no_flaw_and_one_strange_line_is_one(tmp_path):
    append_line(tmp_path / JOURNAL, json.dumps(asdict(row("a"))))
    assert read_table(tmp_path).flaws == []
    append_line(tmp_path / JOURNAL, "{}")
    assert read_table(tmp_path).flaws == [f"{JOURNAL}: 1 lines are no rows"] and list(read_table(tmp_path).rows) == [
        "a"
    ]


def test_a_table_that_says_the_same_is_not_written_again(tmp_path):
    prepare_locks(tmp_path)
    merge_rows(tmp_path, [row("a")], CLASSES)
    before = (tmp_path / "slides.csv").stat()
    merge_rows(tmp_path, [row("a")], CLASSES)
    assert (tmp_path / "slides.csv").stat().st_ino == before.st_ino
    merge_rows(tmp_path, [row("b")], CLASSES)
    assert (tmp_path / "slides.csv").stat().st_ino != before.st_ino


def test_rows_of_other_models_keep_their_classes_after_those_of_this_one(tmp_path):
    prepare_locks(tmp_path)
    other = SlideRow("z", "z", "done", "lymphoma", {"lymphoma": 0.75, "benign": 0.25})
    merge_rows(tmp_path, [row("a"), other], CLASSES)
    header = (tmp_path / "slides.csv").read_text().splitlines()[0]
    assert ",p_normal,p_tumour,p_benign,p_lymphoma," in header


def test_a_table_tells_models_where_each_result_has_one_and_failures_need_none():
    told, untold, failed = replace(row("a"), model="m"), row("b"), row("c", "failed")
    for rows, tells in (((), True), ((told, failed), True), ((told, untold), False), ((untold,), False)):
        assert StoredTable({one.slide_id: one for one in rows}, [], []).tells_models is tells


def test_a_damaged_journal_alone_has_its_rows_taken_from_the_store(tmp_path):
    prepare_locks(tmp_path)
    merge_rows(tmp_path, [replace(row("a"), model="m")], CLASSES)
    store.save(make_result("b", file="b.svs"), tmp_path)
    (tmp_path / JOURNAL).write_text('{"slide_id": 1}\n')
    [told] = merge_rows(tmp_path, (), CLASSES)
    assert told.startswith(f"{JOURNAL}: 1 lines are no rows: moved to ") and merged(tmp_path) == ["a", "b"]


def test_rows_of_an_older_table_learn_their_model_from_the_store_and_no_other_row_does(tmp_path):
    prepare_locks(tmp_path)
    for slide_id in ("older", "told", "failed"):
        store.save(make_result(slide_id, file=slide_id), tmp_path)
    stored = rows_of_results(tmp_path)["older"]
    assert stored.model and stored.settings
    rows = [row("older"), replace(row("told"), model="m", settings="s"), row("failed", "failed"), row("lost")]
    merge_rows(tmp_path, rows, CLASSES)
    merge_rows(tmp_path, (), CLASSES)
    found = {one.slide_id: (one.model, one.settings) for one in read_rows(tmp_path / "slides.csv")}
    assert found == {
        "older": (stored.model, stored.settings),
        "told": ("m", "s"),
        "failed": ("", ""),
        "lost": ("", ""),
    }
