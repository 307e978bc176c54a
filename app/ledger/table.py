"""`OUT/slides.csv` while runs write it: rows go to a journal, one line each, and from there into the table at
intervals. Writing the table for every row would cost the square of their number. Columns and cells are `records`'."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from app.ledger.lines import append_line
from app.ledger.locks import lock
from app.ledger.records import SLIDES_CSV, SlideRow, read_rows, table_bytes
from wsi.files.writing import unwritable, write_file

JOURNAL = ".slides.journal"
# Between two merges of one run: at least this, and so long that merging stays under a twentieth of the time.
_MERGE_EVERY_S = 2.0
_MERGE_SHARE = 20


class SlideTable:
    """One run's hand on the table that all runs on `out` share. A journal left by a killed run is merged too."""

    def __init__(self, out: Path, classes: tuple[str, ...]) -> None:
        self._out = out
        self._classes = classes
        self._due_s = 0.0

    def add(self, row: SlideRow) -> None:
        """Accounts for a slide. Raises OutputUnwritableError."""
        try:
            with lock(self._out, SLIDES_CSV):
                append_line(self._out / JOURNAL, json.dumps(asdict(row)))
        except OSError as error:
            raise unwritable(str(self._out / SLIDES_CSV), error) from error
        if time.monotonic() >= self._due_s:
            self.merge()

    def merge(self) -> None:
        """Brings the table up to date. Raises OutputUnwritableError."""
        started = time.monotonic()
        merge_rows(self._out, (), self._classes)
        ended = time.monotonic()
        self._due_s = ended + max(_MERGE_EVERY_S, _MERGE_SHARE * (ended - started))


def merge_rows(
    out: Path, rows: Sequence[SlideRow], classes: tuple[str, ...], *, without: frozenset[str] = frozenset()
) -> None:
    """Puts the journal and `rows` into the table, in order of slide id, and leaves the slides `without` out.

    Other runs' rows and earlier ones stay. Raises OutputUnwritableError; then the journal is still whole.
    """
    try:
        with lock(out, SLIDES_CSV):
            table = {row.slide_id: row for row in (*read_table(out), *rows) if row.slide_id not in without}
            ordered = [table[slide_id] for slide_id in sorted(table)]
            _write_if_changed(out / SLIDES_CSV, table_bytes(ordered, _all_classes(table, classes)))
            (out / JOURNAL).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(str(out / SLIDES_CSV), error) from error


def _write_if_changed(path: Path, content: bytes) -> None:
    """Syncing costs more than reading: a table that says the same already stays as it is."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            return
    write_file(path, content)


def read_table(out: Path) -> list[SlideRow]:
    """Every row, the latest of each slide: the table, and what the journal holds beyond it. Raises OSError."""
    rows = {row.slide_id: row for row in read_rows(out / SLIDES_CSV)}
    try:
        journal = (out / JOURNAL).read_bytes()
    except FileNotFoundError:
        return list(rows.values())
    for line in journal.splitlines():
        if row := _journal_row(line):
            rows[row.slide_id] = row
    return list(rows.values())


def _journal_row(line: bytes) -> SlideRow | None:
    try:
        cells = json.loads(line)
        return SlideRow(**{**cells, "review_reasons": tuple(cells["review_reasons"])})
    except (ValueError, TypeError, KeyError):
        return None  # torn by a kill: its slide is in the store or is done again


def _all_classes(table: dict[str, SlideRow], classes: tuple[str, ...]) -> tuple[str, ...]:
    """The model's classes, then those of rows that another model wrote."""
    others = sorted({name for row in table.values() for name in row.probabilities} - set(classes))
    return (*classes, *others)
