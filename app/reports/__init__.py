"""Reports of stored results: one module a format, and the table of a cohort. They read a
SlideResult and what people decided on it, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from aggregate.result import SlideResult
from app.ledger.records import SlideRow
from app.presentation.language import speaking
from app.reports.cohort.table import cohort_bytes, render_cohort
from app.reports.cohort.watched import Changed, Watched
from app.reports.content.failed import FAILURE_FORMATS
from app.reports.content.options import Asked, ReportOptions
from app.reports.csv_report import render_csv
from app.reports.geojson_report import render_geojson
from app.reports.html_report import render_failure_html, render_html
from app.reports.json_report import render_failure_json, render_json
from app.reports.names import report_stem
from app.review.records import ReviewState, SlideRecord
from wsi.errors import UsageError
from wsi.files.writing import write_out
from wsi.text import plain

__all__ = [
    "FAILURE_FORMATS",
    "FORMATS",
    "MEDIA_TYPES",
    "WITH_PICTURES",
    "Asked",
    "Changed",
    "ReportOptions",
    "Watched",
    "cohort_files",
    "render",
    "render_failure",
    "write_cohort",
    "write_failure",
    "write_report",
]

FORMATS: tuple[str, ...] = ("html", "pdf", "json", "csv", "geojson")
WITH_PICTURES: tuple[str, ...] = ("html", "pdf")
"""Those that show the tissue, where the slide file is at hand."""
MEDIA_TYPES: dict[str, str] = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "geojson": "application/geo+json",
}


def render(
    result: SlideResult, fmt: str, record: SlideRecord | None = None, options: ReportOptions | None = None
) -> bytes:
    """One report, as the bytes of its file; `record` is what people decided.

    Raises UsageError for an unknown format.
    """
    options = options or ReportOptions()
    with speaking(options.language):
        match fmt:
            case "html":
                return render_html(result, record, options)
            case "pdf":
                # ReportLab is loaded by who wants a PDF.
                from app.reports.pdf.report import render_pdf

                return render_pdf(result, record, options)
            case "json":
                return render_json(result, record, options)
            case "csv":
                return render_csv(result)
            case "geojson":
                return render_geojson(result, record, whole_canvas=options.whole_canvas)
    raise UsageError(f"there is no report format {plain(fmt)!r}", hint=f"choose from {', '.join(FORMATS)}")


def write_report(
    result: SlideResult,
    out_dir: Path,
    formats: Sequence[str] = FORMATS,
    record: SlideRecord | None = None,
    options: ReportOptions | None = None,
) -> list[Path]:
    """Writes `<slide_id>.<format>` for each format and returns the files; `names.report_stem` tells the exceptions.
    `record` is what people decided on the result.

    Each file appears whole or not at all. Raises UsageError (format), StoreError (a slide id that is no file name),
    OutputUnwritableError.
    """
    stem = report_stem(result.slide_id)
    rendered = ((fmt, render(result, fmt, record, options)) for fmt in formats)
    return [write_out(out_dir / f"{stem}.{fmt}", content) for fmt, content in rendered]


def render_failure(row: SlideRow, fmt: str, options: ReportOptions | None = None) -> bytes:
    """The report of a slide that failed, in one of FAILURE_FORMATS. Raises UsageError for any other."""
    options = options or ReportOptions()
    with speaking(options.language):
        match fmt:
            case "html":
                return render_failure_html(row, options)
            case "pdf":
                from app.reports.pdf.failed import render_failure_pdf

                return render_failure_pdf(row, options)
            case "json":
                return render_failure_json(row, options)
    raise UsageError(f"there is no report format {plain(fmt)!r}", hint=f"choose from {', '.join(FAILURE_FORMATS)}")


def write_failure(
    row: SlideRow, out_dir: Path, formats: Sequence[str], options: ReportOptions | None = None
) -> list[Path]:
    """Writes the report of a slide that failed in those of `formats` that there are for one; names and errors as in
    `write_report`."""
    stem = report_stem(row.slide_id)
    wanted = [fmt for fmt in formats if fmt in FAILURE_FORMATS]
    return [write_out(out_dir / f"{stem}.{fmt}", render_failure(row, fmt, options)) for fmt in wanted]


def cohort_files(
    rows: Iterable[SlideRow],
    formats: Sequence[str] = (),
    states: Mapping[str, ReviewState] | None = None,
    language: str = "en",
    cases: Mapping[str, str] | None = None,
    watched: Watched | None = None,
) -> list[tuple[str, bytes]]:
    """Name and content of `cohort.csv` and `cohort.html`; the page links to reports of `formats` in the same folder.

    `rows` also tell of slides that failed; `states` is how far people are, by slide id; `watched` what the watch over
    drift says of them.
    """
    rows, known = list(rows), states or {}
    classes = tuple(dict.fromkeys(name for row in rows for name in row.probabilities))
    with speaking(language):
        page = render_cohort(rows, classes, formats, known, cases, watched)
    return [("cohort.csv", cohort_bytes(rows, classes, known, cases)), ("cohort.html", page)]


def write_cohort(
    slides: Iterable[SlideResult | SlideRow],
    out_dir: Path,
    formats: Sequence[str] = (),
    states: Mapping[str, ReviewState] | None = None,
) -> list[Path]:
    """Writes what `cohort_files` gives, of results or rows. Raises OutputUnwritableError."""
    rows = [SlideRow.of_result(slide) if isinstance(slide, SlideResult) else slide for slide in slides]
    return [write_out(out_dir / name, content) for name, content in cohort_files(rows, formats, states)]
