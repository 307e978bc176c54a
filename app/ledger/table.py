"""`OUT/slides.csv` while runs write it: rows go to a journal, one line each, and from there into the table at
intervals. Writing the table for every row would cost the square of their number. Columns and cells are `records`'.

Both files may have been edited or damaged meanwhile: what is no row is told, and the results in the store give theirs.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from aggregate.layout.attributes import is_slide_id
from aggregate.result import SlideStatus
from aggregate.result_folder import load_summary, result_path, stored_results
from app.ledger.aside import set_aside
from app.ledger.lines import append_line
from app.ledger.locks import lock
from app.ledger.records import MAX_TABLE_BYTES, SLIDES_CSV, SlideRow, parse_table, row_of_json, table_bytes
from wsi.errors import StoreError
from wsi.files.reading import is_regular, parse_json, read_regular
from wsi.files.writing import unwritable, write_file

JOURNAL = ".slides.journal"
# Between two merges of one run: at least this, and so long that merging stays under a twentieth of the time.
_MERGE_EVERY_S = 2.0
_MERGE_SHARE = 20


@dataclass(frozen=True)
class StoredTable:
    """Every row that could be read, the latest of each slide, and a line for each flaw of the two files."""

    rows: dict[str, SlideRow]
    table_flaws: list[str]
    journal_flaws: list[str]

    @property
    def tells_models(self) -> bool:
        """Whether it says of each result what made it. Tables of older versions do not."""
        return all(row.model for row in self.rows.values() if row.status is not SlideStatus.FAILED)

    @property
    def flaws(self) -> list[str]:
        return self.table_flaws + self.journal_flaws


class SlideTable:
    """One run's hand on the table that all runs on `out` share. A journal left by a killed run is merged too."""

    def __init__(self, out: Path, classes: tuple[str, ...]) -> None:
        self._out = out
        self._classes = classes
        self._due_s = 0.0

    def add(self, row: SlideRow) -> list[str]:
        """Accounts for a slide; lines as `merge_rows` gives them. Raises OutputUnwritableError."""
        try:
            with lock(self._out, SLIDES_CSV):
                append_line(self._out / JOURNAL, json.dumps(asdict(row)))
        except OSError as error:
            raise unwritable(str(self._out / SLIDES_CSV), error) from error
        return self.merge() if time.monotonic() >= self._due_s else []

    def merge(self) -> list[str]:
        """Brings the table up to date; lines as `merge_rows` gives them. Raises OutputUnwritableError."""
        started = time.monotonic()
        told = merge_rows(self._out, (), self._classes)
        ended = time.monotonic()
        self._due_s = ended + max(_MERGE_EVERY_S, _MERGE_SHARE * (ended - started))
        return told


def merge_rows(
    out: Path, rows: Sequence[SlideRow], classes: tuple[str, ...], *, without: frozenset[str] = frozenset()
) -> list[str]:
    """Puts the journal and `rows` into the table, in order of slide id, and leaves the slides `without` out.

    Other runs' rows and earlier ones stay. A damaged table or journal is set aside, and its slides' rows are taken from
    the store; a line tells of it. Raises OutputUnwritableError; then the journal is still whole.
    """
    told: list[str] = []
    try:
        with lock(out, SLIDES_CSV):
            stored = read_table(out)
            for name, flaws in ((SLIDES_CSV, stored.table_flaws), (JOURNAL, stored.journal_flaws)):
                if flaws:
                    kept_as = set_aside(out, out / name)
                    told.append(f"{flaws[0]}: moved to {kept_as}, the results in the store give their rows")
            # A table that is not there may have been moved out of the way; in a new output the store is empty.
            lost = bool(told) or not is_regular(out / SLIDES_CSV)
            from_store = rows_of_results(out) if lost or not stored.tells_models else {}
            known = {slide_id: _with_origin(row, from_store.get(slide_id)) for slide_id, row in stored.rows.items()}
            table = {**(from_store if lost else {}), **known, **{row.slide_id: row for row in rows}}
            ordered = [table[slide_id] for slide_id in sorted(table) if slide_id not in without]
            _write_if_changed(out / SLIDES_CSV, table_bytes(ordered, _all_classes(ordered, classes)))
            (out / JOURNAL).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(str(out / SLIDES_CSV), error) from error
    return told


def read_table(out: Path) -> StoredTable:
    """The table, and what the journal holds beyond it. Never raises for what lies there."""
    listed, table_flaws = _read(out / SLIDES_CSV, parse_table)
    noted, journal_flaws = _read(out / JOURNAL, _parse_journal)
    rows: dict[str, SlideRow] = {}
    for row in (*listed, *noted):
        if is_slide_id(row.slide_id):
            rows[row.slide_id] = row
        else:
            table_flaws.append("a row has an id that no slide can have")
    return StoredTable(
        rows, [f"{SLIDES_CSV}: {flaw}" for flaw in table_flaws], [f"{JOURNAL}: {flaw}" for flaw in journal_flaws]
    )


def rows_of_results(out: Path) -> dict[str, SlideRow]:
    """The rows that the results in the store give, by slide id; one that cannot be read gives none."""
    rows = {}
    for path in stored_results(out):
        with contextlib.suppress(StoreError):
            summary = load_summary(path)
            if result_path(out, summary["slide_id"]) == path:
                rows[summary["slide_id"]] = SlideRow.of_summary(summary["slide"]["file"], summary)
    return rows


def _with_origin(row: SlideRow, stored: SlideRow | None) -> SlideRow:
    """The row, and what the store says of where its result comes from, if the row does not."""
    if row.model or stored is None or row.status is SlideStatus.FAILED:
        return row
    return replace(row, model=stored.model, settings=stored.settings)


def _read(path: Path, parse: Callable[[bytes], tuple[list[SlideRow], list[str]]]) -> tuple[list[SlideRow], list[str]]:
    try:
        content = read_regular(path, MAX_TABLE_BYTES)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"cannot be read ({error.strerror})"]
    return parse(content)


def _parse_journal(content: bytes) -> tuple[list[SlideRow], list[str]]:
    """The rows of a journal. A line that is no JSON was torn by a kill: its slide is in the store or is done again."""
    rows, strange = [], 0
    for line in content.split(b"\n"):
        try:
            values = parse_json(line)
        except ValueError:
            continue
        try:
            rows.append(row_of_json(values))
        except ValueError:
            strange += 1
    return rows, [f"{strange} lines are no rows"] if strange else []


def _write_if_changed(path: Path, content: bytes) -> None:
    """Syncing costs more than reading: a table that says the same already stays as it is."""
    with contextlib.suppress(OSError):
        if read_regular(path, MAX_TABLE_BYTES) == content:
            return
    write_file(path, content)


def _all_classes(rows: Sequence[SlideRow], classes: tuple[str, ...]) -> tuple[str, ...]:
    """The model's classes, then those of rows that another model wrote."""
    others = sorted({name for row in rows for name in row.probabilities} - set(classes))
    return (*classes, *others)
