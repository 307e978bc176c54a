"""Files of lines: each whole or not there, on a file of ours only, and nothing left open."""

import errno
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from app.ledger import lines
from app.ledger.lines import MAX_LINE_BYTES, append_line, last_line, numbered_lines


def test_a_link_is_not_written_through(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "log").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        append_line(tmp_path / "log", "x")
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError):
        append_line(tmp_path / "log", "x")
    with pytest.raises(OSError):
        last_line(tmp_path / "log")


def test_only_what_must_last_is_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(lines.os, "fsync", lambda handle: synced.append(stat.S_ISREG(os.fstat(handle).st_mode)))
    append_line(tmp_path / "log", "one")
    assert synced == []
    append_line(tmp_path / "log", "two", durable=True)
    assert synced == [True]


def test_a_write_that_fails_half_way_leaves_nothing_of_the_line(tmp_path, monkeypatch):
    append_line(tmp_path / "log", "one")
    original = os.write

    def write(handle, data):
        if len(data) < 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(handle, data[:4])

    monkeypatch.setattr(lines.os, "write", write)
    with pytest.raises(OSError):
        append_line(tmp_path / "log", "a longer line")
    assert (tmp_path / "log").read_bytes() == b"one\n"


def open_handles():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_handle_is_left_open_whatever_becomes_of_the_line(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    append_line(tmp_path / "log", "one")
    before = open_handles()
    append_line(tmp_path / "log", "two")
    with pytest.raises(OSError):
        append_line(tmp_path / "pipe", "x")
    monkeypatch.setattr(lines.os, "write", refuse)
    with pytest.raises(OSError):
        append_line(tmp_path / "log", "three")
    assert open_handles() == before


def refuse(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_only_a_regular_file_is_written(tmp_path, kind, monkeypatch):
    """Somebody reads the pipe, so that opening it succeeds."""
    path, written = tmp_path / "log", []
    os.mkfifo(path) if kind == "pipe" else os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if kind == "pipe" else os.dup(0)
    monkeypatch.setattr(lines.os, "write", lambda *args: written.append(args))
    try:
        with pytest.raises(OSError, match="not a regular file"):
            append_line(path, "x")
    finally:
        os.close(handle)
    assert written == []


def test_a_file_of_lines_is_made_for_its_owner_to_write_and_others_to_read(tmp_path):
    before = os.umask(0)
    try:
        append_line(tmp_path / "log", "one")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o644


def test_the_error_of_the_write_is_told_also_where_the_line_cannot_be_taken_back(tmp_path, monkeypatch):
    append_line(tmp_path / "log", "one")

    def cannot_cut(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(lines.os, "write", refuse)
    monkeypatch.setattr(lines.os, "ftruncate", cannot_cut)
    with pytest.raises(OSError, match="No space left"):
        append_line(tmp_path / "log", "two")


def _append(path, who):
    for i in range(300):
        append_line(path, f"{who}{i:03}" + "." * 200)


def test_lines_of_processes_that_write_at_once_without_a_lock_do_not_overwrite_each_other(tmp_path):
    """A file system that knows no locks: each line goes to the end that the file has at that moment."""
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append, args=(tmp_path / "log", who)) for who in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = [line[:4] for line in (tmp_path / "log").read_text().splitlines() if line]
    assert sorted(found) == sorted(f"{who}{i:03}" for who in "abc" for i in range(300))


def test_a_line_goes_to_the_end_that_the_file_has_when_it_is_written(tmp_path, monkeypatch):
    append_line(tmp_path / "log", "one")
    original = os.write

    def write(handle, data):
        monkeypatch.undo()
        with (tmp_path / "log").open("ab") as other:
            other.write(b"from another\n")
        return original(handle, data)

    monkeypatch.setattr(lines.os, "write", write)
    append_line(tmp_path / "log", "two")
    assert (tmp_path / "log").read_text() == "one\nfrom another\ntwo\n"


def test_nothing_is_put_before_the_first_line_and_an_end_closes_no_other(tmp_path):
    (tmp_path / "log").touch()
    append_line(tmp_path / "log", "")
    append_line(tmp_path / "log", "x")
    assert (tmp_path / "log").read_bytes() == b"\nx\n"


@pytest.mark.parametrize(
    ("content", "last"), [(b"", None), (b"\n", b""), (b"a", b"a"), (b"a\n\n", b""), (b"a\nb\n", b"b")]
)
def test_the_last_line_of_small_files(tmp_path, content, last):
    (tmp_path / "log").write_bytes(content)
    assert last_line(tmp_path / "log") == last


def test_the_last_line_of_a_long_file_is_read_from_its_end_and_is_whole(tmp_path):
    line = b"x" * 60_000
    (tmp_path / "log").write_bytes(b"y" * 100_000 + b"\n" + line + b"\n")
    assert last_line(tmp_path / "log") == line


def test_lines_are_numbered_and_one_that_is_no_line_of_ours_comes_in_parts(tmp_path):
    long = b"z" * (MAX_LINE_BYTES + 5) + b"\n"
    (tmp_path / "log").write_bytes(b"a\n" + long + b"torn")
    found = list(numbered_lines(tmp_path / "log"))
    assert [(number, len(line)) for number, line in found] == [(1, 2), (2, MAX_LINE_BYTES), (3, 6), (4, 4)]
    assert MAX_LINE_BYTES == 1 << 20 and b"".join(line for _, line in found).endswith(b"\ntorn")


def test_a_single_byte_that_was_left_is_closed_too(tmp_path):
    (tmp_path / "log").write_bytes(b"x")
    append_line(tmp_path / "log", "one")
    assert (tmp_path / "log").read_bytes() == b"x\none\n"


def test_of_a_line_that_is_too_long_to_be_ours_only_the_end_is_read(tmp_path):
    (tmp_path / "log").write_bytes(b"y\n" + b"x" * 70_000)
    assert last_line(tmp_path / "log") == b"x" * 65_536
