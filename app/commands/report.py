"""`pulmoscope report`: one result or a folder of them, each in every format, and the table of the cohort; into a folder
or one ZIP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from aggregate.result import SlideResult, SlideStatus
from aggregate.result_folder import SUFFIX, is_complete, result_path, stored_results
from aggregate.store import load
from app.batch.manifest import read_cases
from app.commands.terminal.counter import slides_shown
from app.exchange.archive import Archive
from app.exchange.crew import Order, helpers_for, rendered
from app.exchange.export import PROJECT_FORMATS, Export, Rendered, Wanted, table_files
from app.ledger.cases.members import read_members
from app.ledger.records import SlideRow
from app.ledger.table import read_table
from app.reports import Asked, Changed, ReportOptions, Watched
from app.review.reviews import open_reviews
from app.upkeep.drift.gather import watch_folders
from app.upkeep.drift.report import DriftPlan
from app.upkeep.drift.tell import MEANING
from wsi.errors import StoreError, UsageError
from wsi.files.writing import replace_file, unwritable, write_out
from wsi.text import escape, plain, visible

_LEFT_OUT = "not-exported.txt"
Put = Callable[[str, bytes], Path]
Progress = Callable[[int, int], object]


def write_reports(
    results: Path,
    out: Path | None,
    formats: Sequence[str],
    *,
    zip_file: Path | None = None,
    database: str | None = None,
    asked: Asked | None = None,
    progress: Progress = lambda done, total: None,
    **wanted: Any,
) -> tuple[list[Path], list[str]]:
    """The files written, and a line for each result that could not be read: it ends no other's report.

    Into the folder `out`, or into `zip_file`, which appears once it is whole. `wanted` are further fields of `Wanted`;
    `progress` is told how many slides are done, of how many. Raises UsageError for an unknown format or a place without
    results, OutputUnwritableError, ReviewError where what people decided cannot be read: a report must not call a
    signed result unsigned.
    """
    whole = Wanted(tuple(formats), asked=asked or Asked(), beside=out, **wanted)
    stored = _stored(results)
    if whole.asked.case and results.suffix != SUFFIX:
        raise UsageError("--case is for a single result", hint="give --manifest, a CSV with the columns slide,case")
    whole = replace(whole, watched=_watched(results, stored, database))
    listed, problems = _table(results)
    whose = results.absolute().parent if results.suffix == SUFFIX else results
    export = Export(whole, open_reviews(whose, database), {row.slide_id: row for row in listed})
    written: list[Path] = []
    with _place(out, zip_file) as put:
        for number, (path, done) in enumerate(_rendered(export, results, stored, database)):
            progress(number, len(stored))
            try:
                if done is not None and _is_named(path, done.slide_id, results):
                    files = export.take(done)
                else:
                    files = export.slide(_result(path, results), path)
            except StoreError as error:
                problems.append(str(error))
                continue
            # Outside: an output that takes nothing more ends the command, it is no result's fault.
            written += [put(name, content) for name, content in files]
        progress(len(stored), len(stored))
        written += [put(name, content) for name, content in export.failures()]
        if problems and zip_file:
            written.append(put(_LEFT_OUT, ("\n".join(problems) + "\n").encode("utf-8", "backslashreplace")))
        tables = export.tables() if results.suffix != SUFFIX else table_files(export.rows.values(), whole.formats)
        written += [put(name, content) for name, content in (*export.project(), *tables)]
    return written, problems


def write_case_reports(
    results: Path, out: Path | None, formats: Sequence[str], asked: Asked, zip_file: Path | None, database: str | None
) -> tuple[list[Path], list[str]]:
    """As `write_reports`, a report a case and `cases.csv`. Raises UsageError besides where no case is known."""
    from app.ledger.cases.rows import case_rows
    from app.reports.case.content import FORMATS
    from app.reports.case.render import case_files

    rows = case_rows(results)
    if not rows:
        raise UsageError(f"no case is known of {results}", hint="run it again with --manifest, a column `case` in it")
    if not set(formats) & set(FORMATS):
        raise UsageError(f"--by-case writes {', '.join(FORMATS)}", hint="give one of them with --format")

    def options(case: str) -> ReportOptions:
        return ReportOptions(asked.language, case, asked.written)

    def stored(slide_id: str) -> SlideResult:
        return load(result_path(results, slide_id))

    reviews = open_reviews(results, database)
    with _place(out, zip_file) as put:
        return [put(*file) for file in case_files(rows, formats, reviews, stored, options)], []


def _told_by_run(results: Path) -> dict[str, str]:
    """The case of each slide, by id, as the manifest of its run told it."""
    folder = results.absolute().parent if results.suffix == SUFFIX else results
    return {slide_id: member.case for slide_id, member in read_members(folder).items()}


def report_and_tell(
    results: Path,
    out: Path | None,
    formats: Sequence[str],
    *,
    as_json: bool,
    manifest: Path | None,
    slides: tuple[Path, ...],
    language: str,
    case: str | None,
    **more: Any,
) -> bool:
    """As `write_reports`; says what was written and what was not, and gives whether all of it was. `manifest` tells the
    slides' cases. Raises UsageError besides for a manifest that is none."""
    by_case = more.pop("by_case", False)
    cases = read_cases(manifest) if manifest else _told_by_run(results)
    asked = Asked(language, case, cases, slides, datetime.now(UTC))
    if by_case:
        written, problems = write_case_reports(results, out, formats, asked, more.get("zip_file"), more.get("database"))
    else:
        written, problems = write_reports(results, out, formats, asked=asked, progress=slides_shown(), **more)
    if as_json:
        click.echo(json.dumps({"written": [escape(str(path)) for path in written], "problems": problems}))
        return not problems
    for path in written:
        click.echo(escape(str(path)))
    for problem in problems:
        click.echo(f"pulmoscope: {problem}", err=True)
    return not problems


@contextmanager
def _place(out: Path | None, zip_file: Path | None) -> Iterator[Put]:
    """Where a name and its content go; gives the path. Raises OutputUnwritableError, UsageError."""
    if (out is None) == (zip_file is None):
        raise UsageError("say where reports go", hint="--out DIR, or --zip FILE")
    if out is not None:
        yield lambda name, content: write_out(out / name, content)
        return
    assert zip_file is not None
    try:
        zip_file.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(zip_file) as file, Archive(file) as archive:
            yield partial(_add, archive, zip_file)
    except OSError as error:
        raise unwritable(zip_file.name, error) from error


def _add(archive: Archive, zip_file: Path, name: str, content: bytes) -> Path:
    archive.add(name, content)
    return zip_file / name


def _rendered(
    export: Export, results: Path, stored: Sequence[Path], database: str | None
) -> Iterator[tuple[Path, Rendered | None]]:
    """Each result, with what helpers made of it; None where it is to be rendered here."""
    helpers = 0 if set(export.wanted.formats) & set(PROJECT_FORMATS) else helpers_for(len(stored))
    if not helpers:
        return ((path, None) for path in stored)
    rows = {result_path(results, slide_id).name: row for slide_id, row in export.rows.items()}
    slides = [(path, rows.get(path.name)) for path in stored]
    return rendered(Order(export.wanted, results, database), slides, helpers)


def _is_named(path: Path, slide_id: str, results: Path) -> bool:
    return results.suffix == SUFFIX or result_path(path.parent, slide_id).name == path.name


def _result(path: Path, results: Path) -> SlideResult:
    """A copied or renamed result would write over the reports of the slide whose id it holds. Raises StoreError."""
    result = load(path)
    if not _is_named(path, result.slide_id, results):
        raise StoreError(
            f"{visible(path.name)} holds the result of slide {plain(result.slide_id)}",
            hint="give a result its own name back, or run the slide again",
        )
    return result


def _watched(results: Path, stored: Sequence[Path], database: str | None) -> Watched | None:
    """What the watch over drift says of a folder; of one result, or of none, nothing. Raises ReviewError."""
    if results.suffix == SUFFIX or not stored:
        return None
    report, _ = watch_folders((results,), None, DriftPlan(), database)
    waiting = sum(finding.learning for finding in report.findings)
    changed = [
        Changed(finding.signal.words, MEANING[finding.signal.kind], finding.stream, finding.week)
        for finding in report.alarms
    ]
    return Watched(report.slides, len(report.findings) - waiting, waiting, report.plan.once_in, tuple(changed))


def _stored(results: Path) -> list[Path]:
    if results.suffix == SUFFIX and results.is_dir():
        return [results]
    if not results.is_dir():
        raise UsageError(f"{results} is neither a result nor a folder of results", hint="give the --out of a run")
    stored = stored_results(results)
    if not stored and not any(_table(results)):
        raise UsageError(f"{results} holds no result", hint="give the --out of `pulmoscope run`")
    return stored


def _table(results: Path) -> tuple[list[SlideRow], list[str]]:
    """Rows that hold good (failed slides, and finished ones whose result is there), and a line for what is no row."""
    if results.suffix == SUFFIX:
        return [], []
    stored = read_table(results)
    rows = [
        row
        for row in stored.rows.values()
        if row.status is SlideStatus.FAILED or is_complete(result_path(results, row.slide_id))
    ]
    return rows, stored.flaws
