"""Locks between runs that share an output folder. A killed run's locks fall with its process. Where a file system knows
no locks, work goes on without them, and `prepare_output` says so."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from app.ledger.aside import set_aside
from wsi.errors import OutputUnwritableError
from wsi.files.reading import is_folder, is_regular
from wsi.files.writing import unwritable
from wsi.process.waits import tell_wait

LOCKS = ".locks"
# Locks of shared files are held for one short write. Who holds one longer is no run of ours: any reader can take one.
PATIENCE_S = 60.0
TOLD_AFTER_S = 2.0
_LOOK_EVERY_S = 0.02
_MAX_CLAIM_BYTES = 1000
_NO_LOCKS = frozenset((errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL))
_IN_THE_WAY = frozenset((errno.ELOOP, errno.EISDIR, errno.ENXIO))


def prepare_locks(out_dir: Path) -> list[str]:
    """Makes the output folder and the folder of its locks; a line for what had to be moved, or where nothing locks.

    Only the start of a run does this. Taking a lock later makes no folder: where a network disk went away, a run
    would else write on into the empty place that it left. Raises OutputUnwritableError.
    """
    told = []
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(out_dir / LOCKS) and not is_folder(out_dir / LOCKS):
            told.append(f"{LOCKS} was no folder of ours: moved to {set_aside(out_dir, out_dir / LOCKS)}")
        (out_dir / LOCKS).mkdir(exist_ok=True)
    except OSError as error:
        raise _unwritable(out_dir, error) from error
    if not _can_lock(out_dir):
        told.append("this file system knows no locks: no other run may write to the same --out at the same time")
    return told


def clear_the_way(out_dir: Path, folders: tuple[str, ...], files: tuple[str, ...]) -> list[str]:
    """Moves aside what lies where our own folders and files belong and is none (a link, a pipe), a line each."""
    named = [(name, is_folder) for name in folders] + [(name, is_regular) for name in files]
    return [
        f"{name} was not as a run writes it (a link, or no file): moved to {set_aside(out_dir, out_dir / name)}"
        for name, is_ours in named
        if os.path.lexists(out_dir / name) and not is_ours(out_dir / name)
    ]


@contextlib.contextmanager
def try_lock(out_dir: Path, slide_id: str) -> Iterator[bool]:
    """True while we hold the lock of a slide, False where another process does."""
    handle = _open(out_dir, slide_id)
    try:
        yield _flock(handle)
    finally:
        os.close(handle)


def is_held(out_dir: Path, slide_id: str) -> bool:
    """Whether a process is at this slide now. Makes no lock, so it may be asked in a folder that is only read."""
    try:
        handle = os.open(
            out_dir / LOCKS / f"{slide_id}.lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        )
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


@contextlib.contextmanager
def lock(out_dir: Path, file_name: str) -> Iterator[None]:
    """Waits for the lock of a file that runs share. For short work only. Raises OutputUnwritableError."""
    # No slide id begins with "~", so a slide named as one of our files has a lock of its own.
    handle = _open(out_dir, f"~{file_name}")
    try:
        began_s, told = time.monotonic(), False
        while not _flock(handle):
            waited_s = time.monotonic() - began_s
            if waited_s > TOLD_AFTER_S and not told:
                tell_wait(f"waits for another run that holds the lock of {out_dir / file_name}")
                told = True
            if waited_s > PATIENCE_S:
                raise OutputUnwritableError(
                    f"another process has held the lock of {out_dir / file_name} for {PATIENCE_S:.0f} s",
                    hint=f"end it (lsof {out_dir / LOCKS} names it) and run again",
                )
            time.sleep(_LOOK_EVERY_S)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def claim(out_dir: Path, name: str, text: str) -> Iterator[str]:
    """Holds that `name` is `text`, as other processes may at the same time; gives `text`, or what else is held of it.

    What a process that has ended once held does not count. Raises OutputUnwritableError.
    """
    with lock(out_dir, name):
        handle = _open(out_dir, f"~{name}-held")
        try:
            held = _claimed(handle, text)
        except OSError as error:
            os.close(handle)
            raise _unwritable(out_dir, error) from error
    try:
        yield held
    finally:
        os.close(handle)


def _claimed(handle: int, text: str) -> str:
    """What is held from now on. The caller holds the lock under which all of them look."""
    if not _flock(handle):
        held = os.pread(handle, _MAX_CLAIM_BYTES, 0).decode("utf-8", "replace")
        if held != text:
            return held
    else:
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)
    _flock(handle, fcntl.LOCK_SH)
    return text


def _flock(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether the lock is ours; true, too, where the file system knows no locks."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _can_lock(out_dir: Path) -> bool:
    handle = _open(out_dir, "~probe")
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        return error.errno not in _NO_LOCKS
    finally:
        os.close(handle)
    return True


def _open(out_dir: Path, name: str) -> int:
    """The file of a lock, open. What else lies under its name is set aside: it locks nothing of ours."""
    path = out_dir / LOCKS / f"{name}.lock"
    try:
        folder = os.open(out_dir / LOCKS, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            handle = _open_in(folder, path.name)
            if handle is None:
                set_aside(out_dir, path)
                handle = _open_in(folder, path.name)
        finally:
            os.close(folder)
        if handle is None:
            raise OSError(errno.EEXIST, f"{path.name} is in the way")
    except OSError as error:
        raise _unwritable(out_dir, error) from error
    return handle


def _open_in(folder: int, name: str) -> int | None:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(name, flags, 0o644, dir_fd=folder)
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            return None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return handle


def _unwritable(out_dir: Path, error: OSError) -> OutputUnwritableError:
    return unwritable(f"to {out_dir}", error, "free space, bring it back, or choose another --out")
