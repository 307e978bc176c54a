"""A batch of slides: every one accounted for in `slides.csv`, and the exit code that says how it went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aggregate.store import load_summary, result_path
from app.config import RunConfig
from app.engines.local import Event, SlideFinished, run_jobs
from app.inputs import SlideJob
from app.locks import lock
from app.records import SLIDES_CSV, SlideRow, read_rows, write_rows
from wsi.errors import OutputUnwritableError, StoreError

EXIT_OK, EXIT_FAILURES, EXIT_HELD = 0, 1, 75


@dataclass
class Tally:
    """What became of the jobs. `rows` has one a job, in no order, but those held by another run."""

    rows: list[SlideRow] = field(default_factory=list)
    kept: int = 0
    held: int = 0

    def count(self, status: str) -> int:
        return sum(row.status == status for row in self.rows)

    @property
    def exit_code(self) -> int:
        if self.count("failed"):
            return EXIT_FAILURES
        return EXIT_HELD if self.held else EXIT_OK


def run_batch(
    jobs: Sequence[SlideJob], config: RunConfig, classes: tuple[str, ...], *, workers: int = 1, tally: Tally
) -> Iterator[Event]:
    """Does all jobs and keeps `slides.csv` up to date; yields the engine's events, fills `tally`."""
    prepare_output(config.out)
    for event in run_jobs(jobs, config, workers=workers):
        if isinstance(event, SlideFinished):
            if event.fate == "held":
                tally.held += 1
            else:
                tally.kept += event.fate == "kept"
                row = stale_failure(config.out, event.row) if event.row.status == "failed" else event.row
                tally.rows.append(row)
                merge_rows(config.out, [row], classes)
        yield event


def prepare_output(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritableError(f"cannot write to {out}: {error.strerror}", hint="choose another --out") from error


def merge_rows(out: Path, rows: Sequence[SlideRow], classes: tuple[str, ...]) -> None:
    """Puts `rows` into the table, in order of slide id; other runs' rows and earlier ones stay."""
    try:
        with lock(out, SLIDES_CSV):
            table = {row.slide_id: row for row in read_rows(out / SLIDES_CSV)}
            table.update({row.slide_id: row for row in rows})
            write_rows(out / SLIDES_CSV, (table[slide_id] for slide_id in sorted(table)), _all_classes(table, classes))
    except OSError as error:
        raise OutputUnwritableError(f"cannot write {out / SLIDES_CSV}: {error.strerror}", hint="free space") from error


def _all_classes(table: dict[str, SlideRow], classes: tuple[str, ...]) -> tuple[str, ...]:
    """The model's classes, then those of rows that another model wrote."""
    others = sorted({name for row in table.values() for name in row.probabilities} - set(classes))
    return (*classes, *others)


def stale_failure(out: Path, row: SlideRow) -> SlideRow:
    """A failed row, told apart from an older result of the same slide that still lies in the store."""
    try:
        summary = load_summary(result_path(out, row.slide_id))
    except StoreError:
        return row
    return replace(row, message=f"{row.message} (an older result, {summary['call']}, is still stored)")
