"""The table that runs share: nothing that was accounted for is lost, and a long batch does not rewrite it each time."""

from app.ledger import table as table_of
from app.ledger.lines import append_line, last_line
from app.ledger.locks import prepare_locks
from app.ledger.records import SlideRow, read_rows
from app.ledger.table import JOURNAL, SlideTable, merge_rows, read_table

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
