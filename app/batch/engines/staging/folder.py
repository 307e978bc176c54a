"""The folder of one run inside a cache: nobody else's, and swept by the next run where a run was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from wsi.files.writing import unwritable

# Hidden: a search for slides passes over it, should it lie among them.
_PREFIX, _LOCK = ".pulmoscope-cache-", "lock"


@contextlib.contextmanager
def staging_folder(cache: Path) -> Iterator[Path]:
    """A new folder in `cache` that only this user may look into, gone afterwards. What runs that were killed left is
    removed first. Raises OutputUnwritableError."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        sweep(cache)
        folder = cache / f"{_PREFIX}{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise unwritable(str(cache), error, "choose another --cache") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(cache: Path) -> list[str]:
    """Removes the folders of runs that are no more, and gives their names. A run that goes on holds its lock."""
    swept = []
    for folder in cache.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                swept.append(folder.name)
            finally:
                os.close(lock)
    return swept
