"""What native libraries write to a user's terminal goes nowhere. Errors still come as exceptions."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator

_STDOUT, _STDERR = 1, 2


@contextlib.contextmanager
def silent(streams: tuple[int, ...] = (_STDOUT, _STDERR)) -> Iterator[None]:
    """Native libraries write what they please, file names and a slide's text among it. PULMOSCOPE_DEBUG lets them.

    The streams belong to the whole process: with other threads that want them, for short calls only. A stream that is
    closed stays closed afterwards.
    """
    if os.environ.get("PULMOSCOPE_DEBUG"):
        yield
        return
    before = [_copy(stream) for stream in streams]
    try:
        for stream in streams:
            _drop(stream)
        yield
    finally:
        for stream, saved in zip(streams, before, strict=True):
            _restore(stream, saved)


def native_stderr_silenced() -> contextlib.AbstractContextManager[None]:
    """`silent` for the errors' stream alone."""
    return silent((_STDERR,))


def fill_closed_streams() -> None:
    """Opens the null device where one of the three standard streams is closed, as some schedulers start programs.

    To be called first: else the next file or socket takes the stream's number, and gets what was meant for it.
    """
    for stream in range(3):
        try:
            os.fstat(stream)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != stream:
                os.dup2(nothing, stream)
                os.close(nothing)
            os.set_inheritable(stream, True)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 (for the whole life)


def _copy(stream: int) -> int | None:
    try:
        return fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, 3)  # not into the place of another stream that is closed
    except OSError:  # a service without it
        return None


def _drop(stream: int) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    if nothing != stream:
        os.dup2(nothing, stream)
        os.close(nothing)


def _restore(stream: int, saved: int | None) -> None:
    if saved is None:
        os.close(stream)
        return
    os.dup2(saved, stream)
    os.close(saved)
