"""A batch of slides: every one accounted for in the table, the log and the audit log, whatever ends the run; and the
exit code that says how it went."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aggregate.result import SlideStatus
from aggregate.result_folder import clear_staging, load_summary, result_path
from app.batch import exit_codes
from app.batch.engines.events import Engine, Event, SlideFinished, SlideStarted
from app.batch.engines.local import LocalEngine
from app.batch.job import SlideJob
from app.batch.run_log import SCHEMA, RunLog
from app.config import RunConfig
from app.ledger.audit import AuditLog
from app.ledger.locks import try_lock
from app.ledger.prepare import prepare_output
from app.ledger.records import SlideRow
from app.ledger.table import SlideTable
from wsi import __version__
from wsi.errors import ModelError, OutputUnwritableError, SiteError, StoreError

# How a run ends by what is no slide's fault, as its log tells it.
_ENDINGS = {"unwritable": "output unwritable", "no-model": "model unusable"}


@dataclass
class Tally:
    """What became of the jobs. `rows` has one a job that came to its end, in no order, but those held by another run.

    `undone` counts the jobs that a run which stopped early did not come to; `passed_over` tells what a search met and
    did not look at; `notes` say what was amiss in the output folder, a line each.
    """

    rows: list[SlideRow] = field(default_factory=list)
    kept: int = 0
    held: int = 0
    undone: int = 0
    passed_over: str = ""
    notes: list[str] = field(default_factory=list)

    def count(self, status: SlideStatus) -> int:
        return sum(row.status == status for row in self.rows)

    @property
    def exit_code(self) -> int:
        if self.count(SlideStatus.FAILED):
            return exit_codes.FAILURES
        return exit_codes.HELD if self.held else exit_codes.OK


def run_batch(
    jobs: Sequence[SlideJob],
    config: RunConfig,
    classes: tuple[str, ...],
    *,
    engine: Engine | None = None,
    fail_fast: bool = False,
    tally: Tally,
) -> Generator[Event, None, None]:
    """Does all jobs and keeps `slides.csv` and the logs up to date; yields the engine's events, fills `tally`.

    Close it when leaving early: that ends the workers, clears what they had staged and brings the table up to date.
    With `fail_fast` the first slide that fails ends it. Raises OutputUnwritableError as soon as the output takes
    nothing more, ModelError or SiteError where the model was damaged meanwhile: that is no slide's fault, and every
    further slide would only meet it again.
    """
    tally.notes += [note for note in prepare_output(config.out) if note not in tally.notes]
    books = _Books(config, classes)
    tally.notes += books.begin(jobs, config, tally.notes)
    tally.undone = len(jobs)
    under_way: dict[str, SlideJob] = {}
    how = "interrupted"
    try:
        with contextlib.closing(_events(engine or LocalEngine(), jobs, config)) as events:
            for event in events:
                if isinstance(event, SlideStarted):
                    under_way[event.job.slide_id] = event.job
                if isinstance(event, SlideFinished):
                    event = _with_older_result(event, config.out)
                    if event.fate in _ENDINGS:
                        from app.slides.question import error_of  # a run that goes well never asks a slide

                        raise error_of([event.row.error_code, event.row.message, ""])
                    under_way.pop(event.job.slide_id, None)
                    _count(tally, event)
                books.enter(event)
                yield event
                if fail_fast and isinstance(event, SlideFinished) and _is_failure(event):
                    how = "stopped at the first failure"
                    break
            else:
                how = "finished"
    except OutputUnwritableError:
        how = _ENDINGS["unwritable"]
        raise
    except (ModelError, SiteError):
        how = _ENDINGS["no-model"]
        raise
    finally:
        _clear_leftovers(config.out, set(under_way))
        books.enter_stored(under_way.values())
        with contextlib.nullcontext() if how == "finished" else contextlib.suppress(OutputUnwritableError):
            books.close(how, tally)


def _events(engine: Engine, jobs: Sequence[SlideJob], config: RunConfig) -> Generator[Event, None, None]:
    """The engine's events. Slides that another run holds come again at the end: it may be done with them by then."""
    held = []
    with contextlib.closing(engine.run_jobs(jobs, config)) as events:
        for event in events:
            if isinstance(event, SlideFinished) and event.fate == "held":
                held.append(event.job)
            else:
                yield event
    if held:
        # What the other run has made anew by then need not be made anew once more.
        with contextlib.closing(engine.run_jobs(held, replace(config, overwrite=False))) as events:
            yield from events


class _Books:
    """Everything that is written down about a run, besides the results themselves."""

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        self._out = config.out
        self._table = SlideTable(config.out, classes)
        self._log = RunLog(config.out, config.run_id)
        self._audit = AuditLog(config.out, config.who, config.run_id)

    def begin(self, jobs: Sequence[SlideJob], config: RunConfig, notes: Sequence[str]) -> list[str]:
        """What was found amiss in the table is told, a line each, and written down with `notes`."""
        self._log.write(
            "run-started",
            schema=SCHEMA,
            slides=len(jobs),
            model=config.model,
            who=config.who,
            pulmoscope=__version__,
        )
        if config.dossier_sha256:
            self._audit.record("commissioned", "", {"dossier_sha256": config.dossier_sha256})
        found = self._table.merge()
        for line in (*notes, *found):
            self._log.write("note", text=line)
        return found

    def enter(self, event: Event) -> None:
        self._log.tell(event)
        if not isinstance(event, SlideFinished) or event.fate == "held":
            return
        slide_id = event.job.slide_id
        if event.fate == "kept":
            self._audit.record("kept", slide_id, event.digests)
        elif event.row.status is SlideStatus.FAILED:
            self._audit.record("failed", slide_id, {"error_code": event.row.error_code})
            _clear_leftovers(self._out, {slide_id})  # of a process that was lost
        self._table.add(event.row)

    def enter_stored(self, jobs: Iterable[SlideJob]) -> None:
        """Rows of slides that a worker brought to their end while the run stopped: their results lie in the store."""
        for job in jobs:
            with contextlib.suppress(StoreError):
                self._table.add(SlideRow.of_summary(job.file, load_summary(result_path(self._out, job.slide_id))))

    def close(self, how: str, tally: Tally) -> None:
        self._table.merge()
        counts = {str(status): tally.count(status) for status in SlideStatus}
        self._log.write(
            "run-ended",
            how=how,
            **counts,
            kept=tally.kept,
            held=tally.held,
            undone=tally.undone,
            passed_over=tally.passed_over,
        )


def _is_failure(event: SlideFinished) -> bool:
    return event.row.status is SlideStatus.FAILED and event.fate != "held"


def _count(tally: Tally, event: SlideFinished) -> None:
    tally.undone -= 1
    if event.fate == "held":
        tally.held += 1
    else:
        tally.kept += event.fate == "kept"
        tally.rows.append(event.row)


def _clear_leftovers(out: Path, slide_ids: set[str]) -> None:
    """Removes what ended processes had staged of these slides, unless another run is at one of them now."""
    for slide_id in slide_ids:
        with contextlib.suppress(OutputUnwritableError), try_lock(out, slide_id) as ours:
            if ours:
                clear_staging(out, slide_id)


def _with_older_result(event: SlideFinished, out: Path) -> SlideFinished:
    """A failure, told apart from an older result of the same slide that still lies in the store."""
    if event.row.status is not SlideStatus.FAILED or event.fate != "ran":
        return event
    try:
        summary = load_summary(result_path(out, event.row.slide_id))
    except StoreError:
        return event
    message = f"{event.row.message} (an older result, {summary['call']}, is still stored)"
    return replace(event, row=replace(event.row, message=message))
