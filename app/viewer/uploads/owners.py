"""Whose a stored upload is, and whether everybody who got in may see it. Asks nobody who asks: pages and routes do."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.viewer.uploads.arrived import RECORD, Arrived
from wsi.files.reading import is_regular
from wsi.files.writing import unwritable, write_file

_SHARED = "shared"


@dataclass(frozen=True)
class Ownership:
    """`owner` as a visitor is known, "" where nothing tells; `by` is the name they had."""

    owner: str = ""
    by: str = ""
    shared: bool = False


def ownership(folder: Path) -> Ownership:
    """Of the folder of a stored upload."""
    try:
        stamp = (folder / RECORD).lstat().st_mtime_ns
    except OSError:
        stamp = 0
    owner, by = _owner(folder, stamp)
    return Ownership(owner, by, is_regular(folder / _SHARED))


def share(folder: Path, shared: bool) -> None:
    """Shows an upload, and what was made of it, to everybody who got in, or to its owner alone. Raises
    OutputUnwritableError."""
    try:
        if shared:
            write_file(folder / _SHARED, b"")
        else:
            with suppress(FileNotFoundError):
                (folder / _SHARED).unlink()
    except OSError as error:
        raise unwritable("the upload", error, hint="free space") from error


@lru_cache(maxsize=512)
def _owner(folder: Path, stamp: int) -> tuple[str, str]:
    found = Arrived.read(folder) if stamp else None
    return (found.owner, found.by) if found is not None else ("", "")
