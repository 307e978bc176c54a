"""Whatever lies in an output folder: nothing raises but one clear line, nothing outside is touched, rows come back."""

import json
import os
import random
import shutil

import pytest

from aggregate import store
from app.commands.report import write_reports
from app.ledger.aside import SET_ASIDE
from app.ledger.audit import AUDIT, AuditLog
from app.ledger.locks import LOCKS, try_lock
from app.ledger.prepare import RUN_LOG, prepare_output
from app.ledger.records import SLIDES_CSV, read_rows
from app.ledger.repair import repair_results
from app.ledger.table import JOURNAL, SlideTable, merge_rows, read_table
from app.ledger.verify import report_of, verify_results
from app.viewer.catalog import list_entries
from tests.app.ledger.test_forgery import fill
from tests.results import CLASSES, make_result
from wsi.errors import PulmoscopeError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("whole") / "out")


@pytest.fixture
def out(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "out", symlinks=True)
    return tmp_path / "out"


def take_up(out):
    """What a run does with the folder before and after its slides; the notes it gives."""
    told = prepare_output(out)
    table = SlideTable(out, CLASSES)
    told += table.merge()
    for slide_id in ("a", "b"):
        with try_lock(out, slide_id) as ours:
            if ours and store.verify(store.result_path(out, slide_id)):
                store.clear_staging(out, slide_id)
                audit = AuditLog(out, "Anna", "r2")
                result = make_result(slide_id, file=f"{slide_id}.svs")
                store.save(result, out, announce=lambda digests, i=slide_id, log=audit: log.record("run", i, digests))
    return told + table.merge()


TABLES = {
    "not UTF-8": b"slide_id,file\n\xff\xfe,\x00\n" + b'"' * 1000,
    "UTF-16": "slide_id,file,status\na,b,done\n".encode("utf-16"),
    "empty": b"",
    "no columns": b"a,b\n1,2\n",
    "a NUL": b"\x00" * 100,
    "one huge cell": b"slide_id,file\na," + b"x" * 200_000 + b"\n",
    "an open quote": b'slide_id,file\n"a,b\n',
}


@pytest.mark.parametrize("content", TABLES.values(), ids=TABLES)
def test_a_damaged_table_is_set_aside_and_built_again_from_the_store(out, content):
    before = {row.slide_id: row for row in read_rows(out / SLIDES_CSV)}
    (out / SLIDES_CSV).write_bytes(content)
    assert not verify_results(out).is_whole and (out / SLIDES_CSV).read_bytes() == content
    told = take_up(out)
    assert {row.slide_id: row for row in read_rows(out / SLIDES_CSV)} == (
        {"a": before["a"], "b": before["b"]} if content else {}
    ) or not content
    if content:
        [kept] = (out / SET_ASIDE).iterdir()
        assert kept.read_bytes() == content and kept.name in told[0]


CELLS = [
    ("status", "odd"),
    ("p_normal", "x"),
    ("p_normal", "inf"),
    ("confidence", "1e999"),
    ("tiles", "1.5"),
    ("tiles", "9" * 5000),
    ("mpp", "nan"),
    ("slide_id", "../victim"),
    ("slide_id", "/etc/passwd"),
    ("slide_id", ".staging"),
    ("slide_id", "a\x1b[2J"),
    ("slide_id", ""),
    ("slide_id", "b"),
]


@pytest.mark.parametrize(("column", "text"), CELLS)
def test_a_row_that_is_none_costs_itself_alone(out, column, text):
    lines = [line.split(",") for line in (out / SLIDES_CSV).read_text().splitlines()]
    lines[1][lines[0].index(column)] = text
    (out / SLIDES_CSV).write_text("\n".join(",".join(line) for line in lines) + "\n")
    assert read_table(out).flaws and not verify_results(out).is_whole
    assert take_up(out)
    rows = {row.slide_id: row for row in read_rows(out / SLIDES_CSV)}
    assert set(rows) == {"a", "b", "c"} and rows["a"].call == "adenocarcinoma"
    assert verify_results(out).is_whole


@pytest.mark.parametrize(
    "line",
    [
        b'{"slide_id": 7, "review_reasons": 3}',
        b"[1, 2]",
        b'"x"',
        b'{"slide_id": "../x", "file": "x", "status": "done"}',
        b'{"slide_id": "d", "file": "x", "status": "odd"}',
        b'{"slide_id": "d", "file": "x", "status": "done", "probabilities": {"a": "b"}}',
        b'{"slide_id": "d", "file": "x", "status": "done", "tiles": true}',
        b'{"slide_id": "d", "file": "x", "status": "done", "review_reasons": [1]}',
        b'{"slide_id": "d", "file": "x", "status": "done", "extra": 1}',
    ],
)
def test_a_journal_line_that_is_no_row_is_set_aside(out, line):
    (out / JOURNAL).write_bytes(line + b"\n")
    assert take_up(out) and not (out / JOURNAL).exists()
    assert set(read_table(out).rows) == {"a", "b", "c"} and verify_results(out).is_whole


@pytest.mark.parametrize("line", [b"\xff", b"[" * 100_000, b'{"slide_id": "d", "fi', b"NaN"])
def test_a_torn_journal_line_is_passed_over(out, line):
    (out / JOURNAL).write_bytes(line + b"\n")
    assert take_up(out) == [] and verify_results(out).is_whole


FILES = (SLIDES_CSV, JOURNAL, AUDIT, RUN_LOG, ".ids.jsonl")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "link to a file", "broken link"])
def test_what_is_no_file_of_ours_is_moved_and_what_it_leads_to_stays(out, tmp_path, name, kind):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (out / name).unlink(missing_ok=True)
    make = {
        "device": lambda path: path.symlink_to("/dev/zero"),
        "pipe": os.mkfifo,
        "folder": lambda path: path.mkdir(),
        "link to a file": lambda path: path.symlink_to(victim),
        "broken link": lambda path: path.symlink_to(tmp_path / "nowhere"),
    }[kind]
    make(out / name)
    verify_results(out)
    write_reports(out, tmp_path / "reports", ["json"])
    told = take_up(out)
    assert any(name in line for line in told)
    assert victim.read_text() == "precious" and not (tmp_path / "nowhere").exists()
    assert {"a", "b"} <= set(read_table(out).rows)


@pytest.mark.parametrize("name", [LOCKS, store.STAGING, SET_ASIDE])
def test_linked_folders_are_moved_and_nothing_outside_is_touched(out, tmp_path, name):
    other = tmp_path / "other"
    for inside in ("a", "a.zarr", "a~1-x", "a.lock"):
        (other / inside).mkdir(parents=True)
        (other / inside / "keep").write_text("precious")
    shutil.rmtree(out / name, ignore_errors=True)
    (out / name).symlink_to(other)
    before = sorted(path.relative_to(other) for path in other.rglob("*"))
    (out / "a.zarr" / "zarr.json").write_text("{}")
    repair_results(out, verify_results(out))
    take_up(out)
    assert sorted(path.relative_to(other) for path in other.rglob("*")) == before
    assert store.verify(out / "a.zarr") == []


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_lies_under_a_locks_name_is_moved(out, tmp_path, kind):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("a.lock", f"~{SLIDES_CSV}.lock"):
        path = out / LOCKS / name
        path.unlink(missing_ok=True)
        {"link": lambda p: p.symlink_to(victim), "pipe": os.mkfifo, "folder": lambda p: p.mkdir()}[kind](path)
    with try_lock(out, "a") as ours:
        assert ours
    merge_rows(out, (), CLASSES)
    assert victim.read_text() == "precious" and len(list((out / SET_ASIDE).iterdir())) == 2


def test_a_result_whose_id_is_a_path_reaches_nothing_outside(out, tmp_path):
    victim = tmp_path / "victim.zarr"
    victim.mkdir()
    (victim / "commit.json").write_text("{}")
    text = (out / SLIDES_CSV).read_text()
    (out / SLIDES_CSV).write_text(text + text.splitlines()[1].replace("a,", "../victim,", 1) + "\n")
    found = verify_results(out)
    repair_results(out, found)
    assert [path.name for path in victim.iterdir()] == ["commit.json"] and not found.is_whole


def test_nothing_from_an_edited_folder_reaches_the_terminal_raw(out):
    (out / "\x1b[2J.zarr").mkdir()
    said = report_of(verify_results(out), [], as_json=False)
    assert "\x1b" not in said and "\\x1b[2J.zarr" in said


def mutate(rng, path):
    """One seeded change of a file, as editors, disks and people make them."""
    data = bytearray(path.read_bytes()) if path.is_file() else bytearray()
    how = rng.choice(("flip", "cut", "double", "type", "empty", "link", "nul", "folder", "deep", "gone"))
    path.unlink()
    if how == "flip" and data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del data[rng.randrange(len(data) + 1) :]
    elif how == "double":
        data = data * 2
    elif how == "type":
        for old in rng.sample([b'"', b"1", b"0.", b"[", b"{", b","], 2):
            data = data.replace(old, rng.choice((b"null", b"[]", b"-1", b"1e400", b'"x"')), rng.randint(1, 3))
    elif how == "nul":
        data[len(data) // 2 : len(data) // 2] = b"\0\xff\xfe"
    elif how == "deep":
        data = bytearray(b"[" * 50_000)
    if how == "link":
        path.symlink_to(rng.choice(("/dev/zero", "/dev/full", "..", "nowhere", path.name)))
    elif how == "folder":
        path.mkdir()
    elif how != "gone":
        path.write_bytes(b"" if how == "empty" else data)
    return how


@pytest.mark.parametrize("seed", range(40))
def test_a_mutated_output_ends_no_command_in_an_internal_error(out, tmp_path, seed):
    rng = random.Random(seed)
    files = sorted(path for path in out.rglob("*") if path.is_file() and LOCKS not in path.parts)
    texts = [path for path in files if path.suffix in (".csv", ".json", ".jsonl")]
    for _ in range(rng.randint(1, 3)):
        victim = rng.choice(texts if rng.random() < 0.8 else files)
        if os.path.lexists(victim) and not victim.is_dir():
            mutate(rng, victim)
    outside = tmp_path / "outside"
    outside.mkdir()
    for command in (
        lambda: verify_results(out),
        lambda: write_reports(out, tmp_path / "reports", ["json", "csv"]),
        lambda: list_entries(out),
        lambda: take_up(out),
        lambda: repair_results(out, verify_results(out)),
        lambda: take_up(out),
    ):
        try:
            command()
        except PulmoscopeError as error:
            assert "\n" not in str(error)
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "outside", "reports"}
    assert not list(outside.iterdir())
    assert all(store.verify(out / f"{name}.zarr") == [] for name in ("a", "b"))
    assert {"a", "b"} <= set(read_table(out).rows)
    json.dumps([row.to_json() for row in read_table(out).rows.values()], allow_nan=False)
