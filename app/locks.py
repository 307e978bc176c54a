"""Locks between runs that share an output folder. A killed run's locks fall with its process."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from wsi.errors import OutputUnwritableError

_FOLDER = ".locks"


@contextlib.contextmanager
def try_lock(out_dir: Path, name: str) -> Iterator[bool]:
    """True while we hold the lock `name`, False where another process does."""
    handle = _open(out_dir, name)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
            return
        yield False
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock(out_dir: Path, name: str) -> Iterator[None]:
    """Waits for the lock `name`. For short work only."""
    handle = _open(out_dir, name)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _open(out_dir: Path, name: str) -> int:
    try:
        folder = out_dir / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OutputUnwritableError(
            f"cannot write to {out_dir}: {error.strerror}", hint="choose another --out"
        ) from error
