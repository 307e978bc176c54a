"""Whoever listens to a batch may leave: a pipe's reader, a terminal, a full log disk. The table is the result, not the
words, so the batch goes on."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any


class Undeterred(io.RawIOBase):
    """Writes to a file descriptor, and to nowhere from the first write on that fails."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._gone = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return not self._gone and os.isatty(self._descriptor)

    def write(self, data: Any) -> int:
        if not self._gone:
            try:
                return os.write(self._descriptor, data)
            except OSError:
                self._gone = True
        return len(memoryview(data).cast("B"))


@contextlib.contextmanager
def listeners_may_leave() -> Iterator[None]:
    """Standard output and errors, for as long as the block runs, never raise for who does not listen any more."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _undeterred(sys.stdout), _undeterred(sys.stderr)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def _undeterred(stream: Any) -> Any:
    try:
        stream.flush()
        descriptor = stream.fileno()
    except (OSError, ValueError):  # a program's own stream, or a test's
        return stream
    raw = io.BufferedWriter(Undeterred(descriptor), buffer_size=1 << 16)
    return io.TextIOWrapper(raw, encoding=stream.encoding, errors="backslashreplace", line_buffering=True)
