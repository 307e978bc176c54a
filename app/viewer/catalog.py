"""What there is to show: the rows of `slides.csv` and the stored results of a folder, its uploads included.

A slide is known by its id only; no path ever comes from a browser.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from aggregate import store
from aggregate.layout.attributes import is_slide_id
from aggregate.result import SlideResult, SlideStatus
from app.ledger.cases.members import Member, read_members
from app.ledger.cases.told import SLIDE_CASES
from app.ledger.records import SLIDES_CSV, KnownRows, SlideRow, readable_rows
from app.viewer.uploads.stored import upload_folders
from wsi.errors import StoreError

UPLOADS = "uploads"
# A result holds every tile's features; a few are enough for the sessions that look at one slide each.
_RESULTS_KEPT = 4
# A result moves into a folder by a rename, which the folder's own time tells; one that was copied in by hand may not.
_LOOK_AGAIN_S = 10.0
# A look at a hundred thousand slides takes seconds, and a run changes the folder with each slide: what was seen then
# stands a while longer, so that looking takes no more than a sixth of the time.
_SLOW_S, _STANDS = 1.0, 5.0
_LOOKS_KEPT = 2

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


@dataclass(frozen=True)
class _Look:
    """What was seen, when, and how long looking took."""

    catalog: Catalog
    ended_s: float
    took_s: float

    def stands(self, stamp: Stamp) -> bool:
        """Whether it may be told again, where the folder's stamp is this by now."""
        age_s = time.monotonic() - self.ended_s
        longer_s = _STANDS * self.took_s if self.took_s > _SLOW_S else 0.0
        return age_s < (max(_LOOK_AGAIN_S, longer_s) if stamp == self.catalog.stamp else longer_s)


_looks: dict[Path, _Look] = {}
_looking = threading.Lock()


def look(results: Path) -> Catalog:
    """What there is now. Looked at once for as long as nothing changes: ten thousand rows take a moment."""
    folders = _folders(results)
    stamp = tuple(_stamp(folder) for folder in folders)
    with _looking:
        last = _looks.get(results)
        if last is None or not last.stands(stamp):
            began_s = time.monotonic()
            catalog = Catalog(stamp, _found(results, folders))
            ended_s = time.monotonic()
            _looks.pop(results, None)
            last = _looks[results] = _Look(catalog, ended_s, ended_s - began_s)
            while len(_looks) > _LOOKS_KEPT:
                del _looks[next(iter(_looks))]
    return last.catalog


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
    return cases_of(results).get(slide_id)


def cases_of(results: Path) -> Mapping[str, Member]:
    """The cases of all slides of which a manifest told one."""
    try:
        status = (results / SLIDE_CASES).stat()
    except OSError:
        return {}
    return _members(results, status.st_mtime_ns, status.st_size)


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


def _found(results: Path, folders: tuple[Path, ...]) -> Mapping[str, Entry]:
    found: dict[str, Entry] = {}
    for folder in folders:
        for entry in _entries(folder, uploaded=folder != results):
            found.setdefault(entry.row.slide_id, entry)
    return found


def _entries(folder: Path, *, uploaded: bool) -> Iterator[Entry]:
    listed = set()
    for row in _rows(folder / SLIDES_CSV):
        listed.add(row.slide_id)
        yield Entry(row, folder, uploaded)
    # A result that was copied here without its table is a result all the same.
    for path in store.stored_results(folder, listed):
        yield Entry(_row_of_stored(path, store.stamp(path)), folder, uploaded)


def _rows(table: Path) -> Sequence[SlideRow]:
    try:
        status = table.stat()
    except OSError:
        return ()
    return _table(table).rows(table, (status.st_mtime_ns, status.st_size))


@dataclass
class _Table:
    """A table as it was read last. Looked into by one thread at a time."""

    stamp: tuple[int, int] = (0, 0)
    read: tuple[SlideRow, ...] = ()
    known: KnownRows = field(default_factory=dict)

    def rows(self, path: Path, stamp: tuple[int, int]) -> Sequence[SlideRow]:
        """Rows that can be read; results whose row cannot are listed all the same."""
        if stamp != self.stamp:
            self.read = tuple(row for row in readable_rows(path, self.known) if is_slide_id(row.slide_id))
            self.stamp = stamp
        return self.read


# One a folder, and each upload has one of its own.
@lru_cache(maxsize=256)
def _table(path: Path) -> _Table:
    return _Table()


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
