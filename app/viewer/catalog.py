"""What there is to show: the rows of `slides.csv` and the stored results of a folder, its uploads included.

A slide is known by its id only; no path ever comes from a browser.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from aggregate import store
from aggregate.layout.attributes import is_slide_id
from aggregate.result import SlideResult, SlideStatus
from app.ledger.cases.members import Member, read_members
from app.ledger.cases.told import SLIDE_CASES
from app.ledger.records import SLIDES_CSV, SlideRow, readable_rows
from app.viewer.uploads.stored import upload_folders
from wsi.errors import StoreError

UPLOADS = "uploads"
# A result holds every tile's features; a few are enough for the sessions that look at one slide each.
_RESULTS_KEPT = 4
# A result moves into a folder by a rename, which the folder's own time tells; one that was copied in by hand may not.
_LOOK_AGAIN_S = 10.0

Stamp = tuple[tuple[int, ...], ...]
"""Of a folder and its uploads: another one as soon as a table or a folder changed."""


@dataclass(frozen=True)
class Entry:
    """One slide of the list. `folder` holds its row and its result; `uploaded` where it came in by the viewer."""

    row: SlideRow
    folder: Path
    uploaded: bool = False

    @property
    def result_path(self) -> Path:
        return store.result_path(self.folder, self.row.slide_id)

    @property
    def has_result(self) -> bool:
        return store.is_complete(self.result_path)


@dataclass(frozen=True)
class Catalog:
    """The slides of a results folder at one moment; `stamp` tells it from an earlier one."""

    stamp: Stamp
    entries: Mapping[str, Entry]


def look(results: Path) -> Catalog:
    """What there is now. Looked at once for as long as nothing changes: ten thousand rows take a moment."""
    folders = _folders(results)
    stamp = tuple(_stamp(folder) for folder in folders)
    return _catalog(results, folders, stamp, int(time.monotonic() // _LOOK_AGAIN_S))


def list_entries(results: Path) -> list[Entry]:
    """All slides of a results folder: those to review first, then the failed, then the rest, each by id.

    Of two rows with one id the first counts: the folder's own before its uploads.
    """
    entries = look(results).entries.values()
    return sorted(entries, key=lambda entry: (entry.row.status.reading_order, entry.row.slide_id))


def find_entry(results: Path, slide_id: str) -> Entry | None:
    """The entry of an id that may come from anywhere; None where the catalog does not list it."""
    return look(results).entries.get(slide_id)


def case_of(results: Path, slide_id: str) -> Member | None:
    """The case of a slide, where a manifest told one."""
    try:
        status = (results / SLIDE_CASES).stat()
    except OSError:
        return None
    return _members(results, status.st_mtime_ns, status.st_size).get(slide_id)


@lru_cache(maxsize=2)
def _members(results: Path, stamp: int, size_bytes: int) -> Mapping[str, Member]:
    return read_members(results)


def load_result(entry: Entry) -> SlideResult:
    """The stored result of an entry, read again only when it changed. Raises StoreError, ResultAlteredError."""
    if not entry.has_result:
        raise StoreError(f"{entry.row.slide_id} has no stored result", hint="run the slide again")
    return _load(entry.result_path, store.stamp(entry.result_path))


@lru_cache(maxsize=_RESULTS_KEPT)
def _load(path: Path, stamp: int) -> SlideResult:
    return store.load(path)


def _folders(results: Path) -> tuple[Path, ...]:
    # Uploads lay together in one folder once; each has its own since, so that it can be deleted whole.
    uploads = results / UPLOADS
    return (results, uploads, *upload_folders(uploads))


def _stamp(folder: Path) -> tuple[int, ...]:
    told: list[int] = []
    for path in (folder, folder / SLIDES_CSV):
        try:
            status = path.stat()
            told += [status.st_mtime_ns, status.st_size, status.st_ino]
        except OSError:
            told.append(0)
    return tuple(told)


@lru_cache(maxsize=2)
def _catalog(results: Path, folders: tuple[Path, ...], stamp: Stamp, period: int) -> Catalog:
    found: dict[str, Entry] = {}
    for folder in folders:
        for entry in _entries(folder):
            found.setdefault(entry.row.slide_id, replace(entry, uploaded=folder != results))
    return Catalog(stamp, found)


def _entries(folder: Path) -> Iterator[Entry]:
    listed = set()
    for row in _rows(folder / SLIDES_CSV):
        listed.add(row.slide_id)
        yield Entry(row, folder)
    # A result that was copied here without its table is a result all the same.
    for path in store.stored_results(folder):
        if path.name.removesuffix(store.SUFFIX) not in listed:
            yield Entry(_row_of_stored(path, store.stamp(path)), folder)


def _rows(table: Path) -> tuple[SlideRow, ...]:
    try:
        status = table.stat()
    except OSError:
        return ()
    return _read_table(table, status.st_mtime_ns, status.st_size)


# One a folder, and each upload has one of its own.
@lru_cache(maxsize=256)
def _read_table(table: Path, stamp: int, size_bytes: int) -> tuple[SlideRow, ...]:
    """Rows that can be read; results whose row cannot are listed all the same."""
    return tuple(row for row in readable_rows(table) if is_slide_id(row.slide_id))


@lru_cache(maxsize=1 << 14)
def _row_of_stored(path: Path, stamp: int) -> SlideRow:
    slide_id = path.name.removesuffix(store.SUFFIX)
    try:
        summary = store.load_summary(path)
        return replace(SlideRow.of_summary(summary["slide"]["file"], summary), slide_id=slide_id)
    except (StoreError, KeyError, TypeError, ValueError):
        return SlideRow(
            slide_id, "", SlideStatus.FAILED, error_code=StoreError.code, message="the stored result cannot be read"
        )
