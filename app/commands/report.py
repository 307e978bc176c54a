"""`pulmoscope report`: one result or a folder of them, each in every format, and the table of the cohort."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aggregate.result import SlideResult, SlideStatus
from aggregate.result_folder import SUFFIX, committed_digests, is_complete, result_path, stored_results
from aggregate.store import load
from app.exchange.write import EXCHANGE_FORMATS, write_exchange, write_tables
from app.ledger.records import SlideRow
from app.ledger.table import read_table
from app.reports import FORMATS, write_cohort, write_report
from app.review.records import ReviewState, SlideRecord
from app.review.reviews import Reviews, open_reviews
from wsi.errors import StoreError, UsageError
from wsi.text import plain, unescape, visible


def write_reports(
    results: Path, out: Path, formats: Sequence[str], *, whole_canvas: bool = False, database: str | None = None
) -> tuple[list[Path], list[str]]:
    """The files written, and a line for each result that could not be read: it ends no other's report.

    Raises UsageError for an unknown format or a place without results, OutputUnwritableError, ReviewError where what
    people decided cannot be read: a report must not call a signed result unsigned.
    """
    pages, known = [name for name in formats if name in FORMATS], (*FORMATS, *EXCHANGE_FORMATS)
    unknown = [name for name in formats if name not in known]
    if unknown or not formats:
        raise UsageError(f"--format {','.join(unknown) or '(none)'}", hint=f"choose from {', '.join(known)}")
    stored = _stored(results)
    written: list[Path] = []
    listed, problems = _table(results)
    rows: dict[str, SlideRow] = {row.slide_id: row for row in listed}
    reviews = open_reviews(results.absolute().parent if results.suffix == SUFFIX else results, database)
    states = reviews.states()
    for path in stored:
        try:
            result = load(path)
            if results.suffix != SUFFIX:
                _check_id(result, path)
            record = _record(reviews, states, result, path)
        except StoreError as error:
            problems.append(str(error))
            continue
        # Outside: an output that takes nothing more ends the command, it is no result's fault.
        written += write_report(result, out, pages, record, whole_canvas=whole_canvas)
        row = rows.setdefault(result.slide_id, SlideRow.of_result(result))
        written += write_exchange(result, out, formats, Path(unescape(row.file)))
    if results.suffix != SUFFIX:
        written += write_cohort(rows.values(), out, pages, states)
    return [*written, *write_tables(rows.values(), out, formats)], problems


def _record(reviews: Reviews, states: dict[str, ReviewState], result: SlideResult, path: Path) -> SlideRecord | None:
    """What people decided on this very result; of a slide that was run anew since, the state is taken back."""
    state = states.get(result.slide_id)
    if state is None:
        return None
    digest = committed_digests(path)["result_sha256"]
    if state.result_sha256 != digest:
        states.pop(result.slide_id)
    return reviews.record(result.slide_id, digest)


def _check_id(result: SlideResult, path: Path) -> None:
    """A copied or renamed result would write over the reports of the slide whose id it holds."""
    if result_path(path.parent, result.slide_id).name != path.name:
        raise StoreError(
            f"{visible(path.name)} holds the result of slide {plain(result.slide_id)}",
            hint="give a result its own name back, or run the slide again",
        )


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
