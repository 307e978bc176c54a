"""Keeps native libraries from chattering on a user's terminal. Errors still come as exceptions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_STDERR = 2


@contextlib.contextmanager
def native_stderr_silenced() -> Iterator[None]:
    """Sends what C++ code writes to stderr to nowhere, for as long as the block runs. For short calls only: the file
    descriptor belongs to the whole process."""
    try:
        kept = os.dup(_STDERR)
    except OSError:  # a service without a stderr
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
