"""A file is there whole or not at all: what is synced, in which order, and what an error leaves behind."""

import errno
import os
import stat
from pathlib import Path

import pytest

from wsi.errors import OutputUnwritableError
from wsi.files.writing import replace_file, sync_file, sync_folder, unwritable, write_file, write_out

OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture
def calls(monkeypatch):
    """What is synced and renamed, in order."""
    made = []
    fsync, rename = os.fsync, os.replace

    def watched_fsync(handle):
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"file of {os.fstat(handle).st_size}"
        made.append(f"sync {kind}")
        fsync(handle)

    def watched_rename(source, target, **more):
        made.append("rename")
        rename(source, target, **more)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_rename)
    return made


def test_bytes_are_on_the_disk_before_the_name_is_theirs_and_the_name_before_it_returns(tmp_path, calls):
    write_file(tmp_path / "a", b"12345")
    assert calls == ["sync file of 5", "rename", "sync folder"]
    assert (tmp_path / "a").read_bytes() == b"12345" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), ValueError("x"), KeyboardInterrupt()])
def test_an_error_leaves_the_older_file_and_nothing_beside_it(tmp_path, error):
    (tmp_path / "a").write_bytes(b"older")
    with pytest.raises(type(error)), replace_file(tmp_path / "a") as file:
        file.write(b"half")
        raise error
    assert (tmp_path / "a").read_bytes() == b"older" and len(list(tmp_path.iterdir())) == 1


def test_a_rename_that_fails_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").touch()
    with pytest.raises(OSError):
        write_file(tmp_path / "a", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_names_beside_it_cannot_be_foretold_and_nothing_that_lies_there_is_written_through(tmp_path, monkeypatch):
    opened = []
    original = os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags, *more: opened.append((str(path), flags)) or original(path, flags, *more)
    )
    for _ in range(20):
        write_file(tmp_path / "a", b"x")
    written = [(path, flags) for path, flags in opened if flags & os.O_CREAT]
    assert len({path for path, _ in written}) == 20
    assert all(flags & os.O_EXCL and flags & os.O_NOFOLLOW for _, flags in written)
    assert all(
        len(path.split(".")[-2]) >= 16 and str(os.getpid()) not in path.split(".")[-2][:8] for path, _ in written
    )


def test_a_long_name_is_no_obstacle(tmp_path):
    write_file(tmp_path / ("ä" * 127), b"x")
    assert (tmp_path / ("ä" * 127)).read_bytes() == b"x"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_folders_is_borne(tmp_path, monkeypatch, code):
    original = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        original(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_file(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_disk_that_fails_is_not_borne(tmp_path, monkeypatch):
    def fsync(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError):
        sync_folder(tmp_path)


def test_the_line_for_a_user_has_nothing_hidden_in_it():
    line = str(unwritable("a\x1b[2J.csv", OSError(errno.ENOSPC, "No space left on device")))
    assert (
        line
        == "output-unwritable: cannot write a\\x1b[2J.csv: No space left on device; free space or choose another --out"
    )


def test_what_a_person_asked_for_is_written_into_folders_that_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "c.csv"
    assert write_out(path, b"1") == path and path.read_bytes() == b"1"
    assert write_out(path, b"2") == path and path.read_bytes() == b"2"


def test_what_a_person_asked_for_and_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "a").write_bytes(b"no folder")
    with pytest.raises(OutputUnwritableError, match=r"cannot write c\.csv: "):
        write_out(tmp_path / "a" / "c.csv", b"1")


def test_a_file_is_for_whom_the_umask_lets(tmp_path):
    before = os.umask(0o020)
    try:
        write_file(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o646


def test_what_went_wrong_is_told_though_nothing_is_left_to_tidy_up(tmp_path):
    with pytest.raises(ValueError, match="went wrong"), replace_file(tmp_path / "a"):
        [partial] = tmp_path.iterdir()
        partial.unlink()
        raise ValueError("went wrong")


def test_a_file_is_synced_and_a_link_is_not(tmp_path, calls):
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "link").symlink_to("a")
    sync_file(tmp_path / "a")
    with pytest.raises(OSError):
        sync_file(tmp_path / "link")
    assert calls == ["sync file of 3"]


def test_a_file_is_no_folder_to_sync(tmp_path, calls):
    (tmp_path / "a").write_bytes(b"123")
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "a")
    assert calls == []


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="open files are not listed here")
def test_nothing_stays_open(tmp_path):
    write_file(tmp_path / "a", b"x")
    before = len(list(OPEN_FILES.iterdir()))
    for _ in range(5):
        write_file(tmp_path / "a", b"x")
        sync_file(tmp_path / "a")
    assert len(list(OPEN_FILES.iterdir())) == before


def test_an_error_without_words_is_told_as_it_is():
    assert "cannot write a: odd; " in str(unwritable("a", OSError("odd")))
