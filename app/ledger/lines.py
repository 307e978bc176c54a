"""Files of lines that several runs append to. A line is there whole or not at all; a torn one, left by a killed
process, is closed before the next. What the lines mean is the affair of who writes them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from wsi.files.reading import open_regular

# More than any line that is written here; only the end of the file is read, and a longer line is no line of ours.
_TAIL_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 20


def append_line(path: Path, text: str, *, durable: bool = False) -> None:
    """Appends `text` as one line. The caller holds the file's lock. Raises OSError, and then nothing of it stays."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    handle = os.open(path, flags, 0o644)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        end = os.lseek(handle, 0, os.SEEK_END)
        torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n"
        try:
            _write_all(handle, b"\n" * torn + text.encode() + b"\n")
            if durable:
                os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, end)
            raise
    finally:
        os.close(handle)


def last_line(path: Path) -> bytes | None:
    """The last line without its end, torn or not; None where there is none. Raises OSError."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read(_TAIL_BYTES)
    except FileNotFoundError:
        return None
    return tail.removesuffix(b"\n").rsplit(b"\n", 1)[-1] if tail else None


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line with its end) of a file of lines; a line that is too long to be ours comes in parts.

    Raises OSError.
    """
    with open_regular(path) as file:
        yield from enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), start=1)


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
