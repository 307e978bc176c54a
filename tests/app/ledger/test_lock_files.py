"""The files of locks: what else may lie in their place, how long one waits, and that nothing stays open or held."""

import errno
import fcntl
import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from app.ledger import locks
from app.ledger.aside import SET_ASIDE
from app.ledger.locks import LOCKS, claim, clear_the_way, lock, prepare_locks, try_lock
from wsi.errors import OutputUnwritableError
from wsi.process.waits import tell_wait, waits_are_told


@pytest.fixture
def out(tmp_path):
    prepare_locks(tmp_path)
    return tmp_path


def open_handles():
    return len(list(Path("/proc/self/fd").iterdir()))


def ends(work, *args):
    """What `work` gives or raises; fails where it waits for something."""
    found = []

    def attempt():
        try:
            found.append(work(*args))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(20)
    assert found, "it waits"
    return found[0]


def take(out, name="x"):
    with lock(out, name):
        return "taken"


def put(kind, path, elsewhere):
    """Something that is no file of ours, where one belongs."""
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("precious")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    else:
        (elsewhere / "target").mkdir() if kind == "link to a folder" else (elsewhere / "target").write_text("precious")
        path.symlink_to(elsewhere / "target")


def test_locks_are_made_ready_once_and_again_without_a_word(tmp_path):
    out = tmp_path / "not" / "there yet"
    assert prepare_locks(out) == [] and prepare_locks(out) == []
    assert (out / LOCKS).is_dir() and take(out) == "taken"


@pytest.mark.parametrize("how", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_another_run_that_looks_for_locks_at_the_same_moment_changes_nothing(out, how):
    with (out / LOCKS / "~probe.lock").open() as other:
        fcntl.flock(other, how)
        assert ends(prepare_locks, out) == []


def test_runs_that_look_at_once_do_not_hold_each_other_up(out, monkeypatch):
    """The look takes a shared lock: two at once both get it."""
    asked = []
    monkeypatch.setattr(locks.fcntl, "flock", lambda handle, how: asked.append(how))
    prepare_locks(out)
    assert asked == [fcntl.LOCK_SH | fcntl.LOCK_NB]


@pytest.mark.parametrize("kind", ["file", "pipe", "link to a folder", "link to a file"])
def test_what_lies_where_the_locks_belong_is_moved_aside_with_a_line(tmp_path, kind):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir(), elsewhere.mkdir()
    put(kind, out / LOCKS, elsewhere)
    [told] = ends(prepare_locks, out)
    [moved] = (out / SET_ASIDE).iterdir()
    assert told == f"{LOCKS} was no folder of ours: moved to {SET_ASIDE}/{moved.name}"
    assert stat.S_ISDIR((out / LOCKS).lstat().st_mode) and take(out) == "taken"
    assert not list(elsewhere.glob("target/*"))


@pytest.mark.parametrize("kind", ["file", "pipe", "link to a folder"])
def test_no_lock_is_taken_where_its_folder_was_replaced(out, tmp_path_factory, kind):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (out / LOCKS / "~probe.lock").unlink()
    (out / LOCKS).rmdir()
    put(kind, out / LOCKS, elsewhere)
    assert isinstance(ends(take, out), OutputUnwritableError)
    assert not list(elsewhere.glob("target/*"))


def test_no_lock_is_taken_where_the_output_went_away(tmp_path):
    with pytest.raises(OutputUnwritableError, match=r"cannot write to .*away"):
        take(tmp_path / "away")
    assert not (tmp_path / "away").exists()


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "link to a file", "link to a folder"])
def test_what_lies_where_a_lock_belongs_is_set_aside_and_the_lock_taken(out, tmp_path_factory, kind):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    put(kind, out / LOCKS / "~x.lock", elsewhere)
    assert ends(take, out) == "taken"
    assert stat.S_ISREG((out / LOCKS / "~x.lock").lstat().st_mode)
    assert [path.name.split("~")[1] for path in (out / SET_ASIDE).iterdir()] == ["x.lock"]
    assert not list(elsewhere.glob("target/*"))


def test_what_comes_back_into_the_way_is_told(out, monkeypatch):
    (out / LOCKS / "~x.lock").mkdir()
    monkeypatch.setattr(locks, "set_aside", lambda *_: "nowhere")
    with pytest.raises(OutputUnwritableError, match=r"~x\.lock is in the way"):
        take(out)


def test_a_lock_that_may_not_be_opened_is_not_set_aside(out, monkeypatch):
    original = os.open

    def refuse(name, *args, **more):
        if name == "~x.lock":
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(name, *args, **more)

    monkeypatch.setattr(locks.os, "open", refuse)
    with pytest.raises(OutputUnwritableError, match="Permission denied"):
        take(out)
    assert not (out / SET_ASIDE).exists()


def test_a_lock_is_let_go_and_leaves_no_handle_open(out):
    (out / LOCKS / "~pipe.lock").unlink(missing_ok=True)
    before = open_handles()
    for _ in range(3):
        with try_lock(out, "a") as ours:
            assert ours
        take(out)
        prepare_locks(out)
        os.mkfifo(out / LOCKS / "~pipe.lock")
        take(out, "pipe")
        (out / LOCKS / "~pipe.lock").unlink()
    assert open_handles() == before


def test_a_lock_is_a_file_that_other_users_of_the_folder_may_read_and_its_holder_writes(out):
    """On NFS a lock that excludes others is given only to who has opened the file for writing."""
    before = os.umask(0)
    try:
        with lock(out, "x"):
            path = out / LOCKS / "~x.lock"
            held = [int(one.name) for one in Path("/proc/self/fd").iterdir() if str(path) == os.path.realpath(one)]
            assert [fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE for handle in held] == [os.O_RDWR]
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_lock_is_waited_for_a_minute_without_keeping_the_machine_busy(out, monkeypatch):
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    def clock():
        now[0] += 1e-4  # a loop that does not sleep ends all the same
        return now[0]

    monkeypatch.setattr(locks.time, "monotonic", clock)
    monkeypatch.setattr(locks.time, "sleep", sleep)
    told = []
    with (out / LOCKS / "~x.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        listening = waits_are_told(lambda line: told.append((line, sum(slept))))
        with listening, pytest.raises(OutputUnwritableError, match="for 60 s"):
            take(out)
    assert 59 < sum(slept) < 61 and len(slept) < 10_000
    [(line, after_s)] = told
    assert line == f"waits for another run that holds the lock of {out / 'x'}" and 1.5 < after_s < 2.5


def test_waits_are_told_to_who_listened_last_and_to_nobody_after(out):
    heard = []
    tell_wait("nobody listens")
    with waits_are_told(lambda line: heard.append(("outer", line))):
        with waits_are_told(lambda line: heard.append(("inner", line))):
            tell_wait("one")
        tell_wait("two")
    tell_wait("three")
    assert heard == [("inner", "one"), ("outer", "two")]


def test_a_lock_that_falls_while_it_is_waited_for_is_taken(out):
    with (out / LOCKS / "~x.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        threading.Timer(0.2, fcntl.flock, (other, fcntl.LOCK_UN)).start()
        started = time.monotonic()
        assert take(out) == "taken" and time.monotonic() - started > 0.1


# What lies where a run's own folders and files belong


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to a file"])
def test_a_file_of_ours_that_is_none_is_moved_aside_with_a_line(out, tmp_path_factory, kind):
    put(kind, out / "slides.csv", tmp_path_factory.mktemp("elsewhere"))
    [told] = clear_the_way(out, (), ("slides.csv", "audit.jsonl"))
    [moved] = (out / SET_ASIDE).iterdir()
    assert told == f"slides.csv was not as a run writes it (a link, or no file): moved to {SET_ASIDE}/{moved.name}"


def test_a_folder_of_ours_that_is_none_is_moved_aside_and_what_is_ours_stays(out, tmp_path_factory):
    put("link to a folder", out / "links", tmp_path_factory.mktemp("elsewhere"))
    put("file", out / "file", out)
    (out / "folder").mkdir()
    (out / "ours").write_text("")
    told = clear_the_way(out, ("links", "file", "folder", "not there"), ("ours", "nor this"))
    assert [line.split()[0] for line in told] == ["links", "file"]
    assert (out / "folder").is_dir() and (out / "ours").is_file() and not (out / "file").exists()


def held(out, text, name="origin"):
    with claim(out, name, text) as found:
        return found


def test_what_is_claimed_holds_while_anybody_claims_it(out):
    with claim(out, "origin", "a long text") as first:
        with claim(out, "origin", "a long text") as second:
            assert first == second == "a long text"
            assert held(out, "b") == "a long text" and held(out, "b", "other") == "b"
        assert held(out, "b") == "a long text"  # who was refused took nothing away, nor who left
        with claim(out, "origin", "a long text"):
            pass
    assert held(out, "b") == "b" and held(out, "c") == "c"
    with claim(out, "origin", "b"):
        assert held(out, "a long text") == "b"


def test_a_claim_outlives_the_one_who_made_it_first(out):
    first, second = claim(out, "origin", "a"), claim(out, "origin", "a")
    first.__enter__(), second.__enter__()
    first.__exit__(None, None, None)
    assert held(out, "b") == "a"
    second.__exit__(None, None, None)
    assert held(out, "b") == "b"


def test_a_claim_is_looked_at_under_a_lock_and_leaves_nothing_open(out):
    before = open_handles()
    with lock(out, "origin"):
        claims = claim(out, "origin", "a")
        thread = threading.Thread(target=claims.__enter__, daemon=True)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join(20)
    assert take(out, "origin") == "taken"  # held for the look alone
    claims.__exit__(None, None, None)
    assert held(out, "b") == "b" and open_handles() == before


def test_a_claim_that_cannot_be_written_is_told_and_leaves_nothing_open(out, monkeypatch):
    before = open_handles()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(locks.os, "pwrite", full)
    with pytest.raises(OutputUnwritableError, match="No space left"):
        held(out, "a")
    assert open_handles() == before


def test_where_nothing_locks_nothing_is_claimed(out, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(locks.fcntl, "flock", none)
    with claim(out, "origin", "a"):
        assert held(out, "b") == "b"


def test_no_more_of_a_foreign_claim_is_read_than_one_may_have(out):
    with claim(out, "origin", "a"):
        (out / LOCKS / "~origin-held.lock").write_bytes(b"x" * 5000)
        assert held(out, "b") == "x" * 1000
