"""Locks: taken around what is shared, borne where there are none, and not waited for without end."""

import errno
import fcntl
import multiprocessing
import os
import threading

import pytest

from app.batch.run_log import RUN_LOG, RunLog
from app.ledger import locks
from app.ledger.audit import AUDIT, AuditLog, check_chain
from app.ledger.locks import LOCKS, is_held, lock, prepare_locks, try_lock
from app.ledger.records import SLIDES_CSV, SlideRow, read_rows
from app.ledger.table import SlideTable, merge_rows
from tests.faults.common import draw_slides, flaws, start_run
from wsi.errors import OutputUnwritableError
from wsi.process.waits import waits_are_told


@pytest.fixture
def out(tmp_path):
    prepare_locks(tmp_path)
    return tmp_path


@pytest.fixture
def held(monkeypatch):
    """Names of the locks that are held while a line is appended or a file replaced, in order."""
    seen, mine = [], set()
    original_flock, original_write = fcntl.flock, os.write

    def flock(handle, how):
        original_flock(handle, how)
        mine.add(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))  # noqa: PTH115, PTH119

    def write(handle, data):
        seen.append({name for name in mine if name.startswith("~") and name != "~probe.lock"})
        return original_write(handle, data)

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(os, "write", write)
    return seen


@pytest.mark.parametrize(
    ("name", "work"),
    [
        (SLIDES_CSV, lambda out: SlideTable(out, ()).add(SlideRow("a", "a", "done"))),
        (AUDIT, lambda out: AuditLog(out, "x", "y").record("run", "a", {})),
        (RUN_LOG, lambda out: RunLog(out, "y").write("run-started")),
    ],
)
def test_what_runs_share_is_written_under_its_lock(out, held, name, work):
    work(out)
    assert held and all(f"~{name}.lock" in names for names in held)


def add_rows(out, who):
    for i in range(25):
        merge_rows(out, [SlideRow(f"{who}{i}", "x", "done")], ())


def test_processes_that_race_for_the_table_lose_no_row(out):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=add_rows, args=(out, who)) for who in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read_rows(out / SLIDES_CSV)) == 75


@pytest.mark.parametrize("how", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_a_lock_that_another_process_holds_ends_in_one_line(out, monkeypatch, how):
    monkeypatch.setattr(locks, "PATIENCE_S", 0.1)
    with lock(out, AUDIT):
        pass
    with (out / LOCKS / f"~{AUDIT}.lock").open() as reader:
        fcntl.flock(reader, how)
        with pytest.raises(OutputUnwritableError, match=r"another process has held the lock of .*audit.jsonl"):
            AuditLog(out, "x", "y").record("run", "a", {})
    AuditLog(out, "x", "y").record("run", "a", {})
    assert check_chain(out / AUDIT).lines == 1


def test_who_waits_says_so_once_and_goes_on(out, monkeypatch):
    monkeypatch.setattr(locks, "TOLD_AFTER_S", 0.05)
    told = []
    with waits_are_told(told.append), lock(out, AUDIT):
        other = (out / LOCKS / f"~{RUN_LOG}.lock").open("w")
        fcntl.flock(other, fcntl.LOCK_EX)
        threading.Timer(0.4, other.close).start()
        RunLog(out, "y").write("run-started")
        RunLog(out, "y").write("run-ended")
    assert told == [f"waits for another run that holds the lock of {out / RUN_LOG}"]
    assert len((out / RUN_LOG).read_text().splitlines()) == 2


def test_a_short_wait_is_not_told(out):
    told = []
    other = (out / LOCKS / f"~{AUDIT}.lock").open("w")
    fcntl.flock(other, fcntl.LOCK_EX)
    threading.Timer(0.2, other.close).start()
    with waits_are_told(told.append):
        AuditLog(out, "x", "y").record("run", "a", {})
    assert told == []


@pytest.mark.parametrize("name", [".ids.jsonl", SLIDES_CSV, AUDIT])
def test_a_run_that_waits_says_so_on_the_terminal(out, tmp_path_factory, name):
    """The first two are the command's own waits, the third is that of its worker, whose terminal is closed."""
    slides = draw_slides(tmp_path_factory.mktemp("in"), 1, 600)
    other = (out / LOCKS / f"~{name}.lock").open("w")
    fcntl.flock(other, fcntl.LOCK_EX)
    process = start_run(slides, out)
    said = []
    for line in process.stdout:
        said.append(line)
        if "waits for another run" in line:
            other.close()
    assert process.wait(60) == 0 and said[0] == (
        f"pulmoscope: waits for another run that holds the lock of {out / name}\n"
    )
    assert sum("waits" in line for line in said) <= 2 and flaws(out) == []


def hold(out, slide_id, holds, let_go):
    with try_lock(out, slide_id):
        holds.set()
        let_go.wait(60)


def test_whether_a_process_is_at_a_slide_is_seen_without_making_a_lock(out):
    context = multiprocessing.get_context("fork")
    holds, let_go = context.Event(), context.Event()
    assert not is_held(out, "a") and not (out / LOCKS / "a.lock").exists()
    holder = context.Process(target=hold, args=(out, "a", holds, let_go))
    holder.start()
    assert holds.wait(60)
    assert is_held(out, "a") and is_held(out, "a") and not is_held(out, "b")
    let_go.set()
    holder.join()
    assert (out / LOCKS / "a.lock").exists() and not is_held(out, "a")
    assert not (out / LOCKS / "b.lock").exists()
    # Whoever looks keeps nobody away.
    with try_lock(out, "a") as ours:
        assert ours


def test_of_an_output_without_locks_no_slide_is_held(tmp_path, monkeypatch):
    assert not is_held(tmp_path / "none", "a") and not (tmp_path / "none").exists()
    prepare_locks(tmp_path)
    elsewhere = (tmp_path / "elsewhere").open("w")
    fcntl.flock(elsewhere, fcntl.LOCK_EX)
    (tmp_path / LOCKS / "a.lock").symlink_to(tmp_path / "elsewhere")
    assert not is_held(tmp_path, "a")
    elsewhere.close()
    # A pipe is not waited for.
    os.mkfifo(tmp_path / LOCKS / "c.lock")
    assert not is_held(tmp_path, "c")
    (tmp_path / LOCKS / "b.lock").touch()

    def flock(handle, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert not is_held(tmp_path, "b")


def test_a_slide_that_another_holds_is_not_ours(out):
    with try_lock(out, "a") as ours, try_lock(out, "a") as twice, try_lock(out, "b") as other:
        assert ours and other and not twice


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_is_borne_and_told(out, monkeypatch, code):
    def flock(handle, how):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    [note] = prepare_locks(out)
    assert "knows no locks" in note
    with try_lock(out, "a") as ours:
        assert ours
    AuditLog(out, "x", "y").record("run", "a", {})


def test_a_disk_that_fails_is_not_taken_for_one_without_locks(out, monkeypatch):
    def flock(handle, how):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OutputUnwritableError):
        AuditLog(out, "x", "y").record("run", "a", {})
