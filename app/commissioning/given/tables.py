"""The CSVs that a laboratory writes for its proof, read row by row: a wrong one is told with its row. Which columns
there are is the callers' affair."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wsi.errors import UsageError
from wsi.files.reading import read_regular
from wsi.text import visible

_MAX_BYTES = 16 << 20
# A name that no spreadsheet runs and no page shows as anything but text.
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+&/()-]{0,39}")

Cells = Mapping[str, str]


def read_csv(path: Path, needed: Sequence[str], further: Sequence[str]) -> tuple[list[tuple[int, Cells]], str]:
    """(row number, cells by column) of each row that says anything, and the file's SHA-256.

    Columns that are not there give "". Raises UsageError.
    """
    content = _content(path)
    try:
        rows = list(_rows(path.name, content.decode("utf-8-sig"), needed, further))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path.name} is not a CSV in UTF-8", hint="save it as CSV again") from error
    if not rows:
        raise UsageError(f"{path.name} holds no row", hint=f"the columns are {','.join((*needed, *further))}")
    return rows, hashlib.sha256(content).hexdigest()


def code(name: str, row: int, column: str, text: str) -> str:
    """`text` where it is a short plain name or empty: it will stand in the dossier. Raises UsageError."""
    if text and not _CODE.fullmatch(text):
        raise UsageError(f"{name}: row {row} has a {column} that is too long or odd", hint="use a short code")
    return text


def one_of(name: str, row: int, column: str, text: str, known: Sequence[str]) -> str:
    """`text`, which must be one of `known`; another one is not repeated: it may be anything. Raises UsageError."""
    if text not in known:
        raise UsageError(
            f"{name}: row {row} has a {column} that the model does not know", hint=f"use {', '.join(known)}"
        )
    return text


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise UsageError(f"{visible(str(path))} cannot be read: {error.strerror}", hint="give a CSV") from error


def _rows(name: str, text: str, needed: Sequence[str], further: Sequence[str]) -> Iterator[tuple[int, Cells]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [cell.strip().casefold() for cell in next(reader, [])]
    known = (*needed, *further)
    missing = [column for column in needed if column not in header]
    if missing or len(set(header)) != len(header) or not set(header) <= set(known):
        wrong = f"has no column {missing[0]}" if missing else "has a column twice, or one that is not known"
        raise UsageError(f"{name} {wrong}", hint=f"the columns are {','.join(known)}")
    for number, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise UsageError(f"{name}: row {number} has not as many cells as the header", hint="quote commas")
        yield number, {**dict.fromkeys(known, ""), **{c: cell.strip() for c, cell in zip(header, cells, strict=True)}}
