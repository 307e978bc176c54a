"""Locks between runs that share an output folder. A killed run's locks fall with its process."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from wsi.errors import OutputUnwritableError

_FOLDER = ".locks"


def prepare_locks(out_dir: Path) -> None:
    """Makes the output folder and the folder of its locks. Raises OutputUnwritableError.

    Only the start of a run does this. Taking a lock later makes no folder: where a network disk went away, a run
    would else write on into the empty place that it left.
    """
    try:
        (out_dir / _FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(out_dir, error) from error


@contextlib.contextmanager
def try_lock(out_dir: Path, slide_id: str) -> Iterator[bool]:
    """True while we hold the lock of a slide, False where another process does."""
    handle = _open(out_dir, slide_id)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
            return
        yield False
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock(out_dir: Path, file_name: str) -> Iterator[None]:
    """Waits for the lock of a file that runs share. For short work only."""
    # No slide id begins with "~", so a slide named as one of our files has a lock of its own.
    handle = _open(out_dir, f"~{file_name}")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _open(out_dir: Path, name: str) -> int:
    try:
        return os.open(out_dir / _FOLDER / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _unwritable(out_dir, error) from error


def _unwritable(out_dir: Path, error: OSError) -> OutputUnwritableError:
    return OutputUnwritableError(
        f"cannot write to {out_dir}: {error.strerror}", hint="free space, bring it back, or choose another --out"
    )
