"""Files of lines that several runs append to. A line is there whole or not at all; a torn one, left by a killed
process, is closed before the next. What the lines mean is the affair of who writes them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# More than any line that is written here; only the end of the file is read.
_TAIL_BYTES = 1 << 16


def append_line(path: Path, text: str, *, durable: bool = False) -> None:
    """Appends `text` as one line. The caller holds the file's lock. Raises OSError, and then nothing of it stays."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
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
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return None
    return tail.removesuffix(b"\n").rsplit(b"\n", 1)[-1] if tail else None


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
