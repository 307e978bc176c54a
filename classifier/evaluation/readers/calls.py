"""A CSV of people's calls on the tiles that a model is judged on: read, and checked against the list. Computes nothing.

A reader's calls may be on tiles or on whole source groups. What a message says of a case is its row, never its name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import TileSet
from wsi.errors import DatasetError

TILES, SOURCE_GROUPS = "tiles", "source groups"
NOT_READ = -1
MAX_BYTES = 64 << 20
MAX_READERS = 50
_COLUMNS = ("case", "reader", "call")
# A name that no spreadsheet runs and no page shows as anything but text.
_READER = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")


@dataclass(frozen=True)
class Readings:
    """m cases as r readers called them. `kind` says whether a case is a tile or a source group.

    `tiles_of` holds the indices of each case's tiles in the list that was judged; `calls` are class indices, NOT_READ
    where a reader left a case out.
    """

    kind: str
    readers: tuple[str, ...]
    tiles_of: tuple[NDArray[np.int64], ...]
    calls: NDArray[np.int64]  # (m, r)


@dataclass(frozen=True)
class _Row:
    number: int
    case: str
    reader: str
    call: int


def read_readings(path: Path, tiles: TileSet) -> Readings:
    """The calls in `path` (columns case,reader,call) on cases of `tiles`.

    A case is a tile's `file`, or a `source_group` where no tile has that name; all cases of a CSV are of one kind.
    Raises DatasetError with the row at fault.
    """
    rows = list(_rows(path, tiles.classes))
    if not rows:
        raise DatasetError(f"{path.name} holds no call", hint=f"the columns are {','.join(_COLUMNS)}")
    kind, tiles_of = _cases(path.name, rows, tiles)
    readers = tuple(sorted({row.reader for row in rows}))
    if len(readers) > MAX_READERS:
        raise DatasetError(
            f"{path.name} names {len(readers)} readers, more than {MAX_READERS}", hint="split it into several studies"
        )
    row_of_case = {case: i for i, case in enumerate(tiles_of)}
    column_of = {reader: i for i, reader in enumerate(readers)}
    calls = np.full((len(tiles_of), len(readers)), NOT_READ, np.int64)
    for row in rows:
        at = row_of_case[row.case], column_of[row.reader]
        if calls[at] != NOT_READ:
            raise DatasetError(
                f"{path.name}: row {row.number} is a second call of {row.reader} on one case", hint="keep one of them"
            )
        calls[at] = row.call
    return Readings(kind, readers, tuple(tiles_of.values()), calls)


def _rows(path: Path, classes: tuple[str, ...]) -> Iterator[_Row]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DatasetError(f"{path.name} is larger than a table of calls can be")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or ())
            if twice := [name for name in _COLUMNS if columns.count(name) > 1]:
                raise DatasetError(f"{path.name} has the column {twice[0]} twice", hint="keep one of them")
            missing = [name for name in _COLUMNS if name not in columns]
            if missing:
                raise DatasetError(
                    f"{path.name} has no column {missing[0]}", hint=f"the columns are {','.join(_COLUMNS)}"
                )
            for number, cells in enumerate(reader, start=2):
                if any(cell.strip() for cell in cells.values() if isinstance(cell, str)):  # else left by a spreadsheet
                    yield _row(path.name, number, cells, classes)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path.name} is not a CSV in UTF-8", hint="save it as CSV again") from error
    except OSError as error:
        raise DatasetError(f"{path.name} cannot be read: {error.strerror}", hint="give a CSV of calls") from error


def _row(name: str, number: int, cells: Mapping[str | None, str | None], classes: tuple[str, ...]) -> _Row:
    if None in cells:
        raise DatasetError(f"{name}: row {number} has more cells than the header", hint="quote names that hold a comma")
    case, reader, call = ((cells.get(column) or "").strip() for column in _COLUMNS)
    if not (case and reader and call):
        raise DatasetError(f"{name}: row {number} has an empty case, reader or call", hint="leave such a row out")
    if not _READER.fullmatch(reader):
        raise DatasetError(
            f"{name}: row {number} has a reader's name that is too long or odd", hint="use a code such as R1"
        )
    if call not in classes:
        raise DatasetError(
            f"{name}: row {number} has a call that is none of the classes", hint=f"use {', '.join(classes)}"
        )
    return _Row(number, case, reader, classes.index(call))


def _cases(name: str, rows: list[_Row], tiles: TileSet) -> tuple[str, dict[str, NDArray[np.int64]]]:
    """What the cases are, and the tiles of each, in the order in which the CSV names them."""
    by_file: dict[str, list[int]] = {}
    by_group: dict[str, list[int]] = {}
    for index, record in enumerate(tiles.records):
        by_file.setdefault(record.file, []).append(index)
        by_group.setdefault(record.group, []).append(index)
    kind, known = (TILES, by_file) if rows[0].case in by_file else (SOURCE_GROUPS, by_group)
    found: dict[str, NDArray[np.int64]] = {}
    for row in rows:
        if row.case in found:
            continue
        if row.case not in known:
            other = row.case in by_file or row.case in by_group
            what = f"is no case like those before it, which are {kind}" if other else "is none of the tiles judged"
            raise DatasetError(
                f"{name}: the case of row {row.number} {what}",
                hint="a case is a tile's file or a source_group, of the split that is judged; all of one kind",
            )
        found[row.case] = _of_one_class(name, row, np.array(known[row.case], np.int64), tiles)
    return kind, found


def _of_one_class(name: str, row: _Row, members: NDArray[np.int64], tiles: TileSet) -> NDArray[np.int64]:
    if len({tiles.records[i].label for i in members}) > 1:
        raise DatasetError(
            f"{name}: the case of row {row.number} has tiles of several classes, so no call on it is right",
            hint="let the readers call tiles, or leave it out",
        )
    return members
