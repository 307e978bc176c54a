"""Reports of stored results: one module a format, and the table of a cohort. They read a
SlideResult and what people decided on it, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from aggregate.result import SlideResult
from app.ledger.records import SlideRow
from app.reports.cohort import cohort_bytes, render_cohort
from app.reports.csv_report import render_csv
from app.reports.geojson_report import render_geojson
from app.reports.html_report import render_html
from app.reports.json_report import render_json
from app.reports.names import report_stem
from app.reports.pdf_report import render_pdf
from app.review.records import ReviewState, SlideRecord
from wsi.errors import UsageError
from wsi.files.writing import write_out
from wsi.text import plain

__all__ = ["FORMATS", "MEDIA_TYPES", "cohort_files", "render", "write_cohort", "write_report"]

_RENDERERS: dict[str, Callable[[SlideResult, SlideRecord | None], bytes]] = {
    "html": render_html,
    "pdf": render_pdf,
    "json": render_json,
    "csv": lambda result, _record: render_csv(result),
    "geojson": render_geojson,
}
FORMATS: tuple[str, ...] = tuple(_RENDERERS)
MEDIA_TYPES: dict[str, str] = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "geojson": "application/geo+json",
}


def render(result: SlideResult, fmt: str, record: SlideRecord | None = None, *, whole_canvas: bool = False) -> bytes:
    """One report, as the bytes of its file; `record` is what people decided, `whole_canvas` is for GeoJSON.

    Raises UsageError for an unknown format.
    """
    if fmt not in _RENDERERS:
        raise UsageError(f"there is no report format {plain(fmt)!r}", hint=f"choose from {', '.join(FORMATS)}")
    if fmt == "geojson":
        return render_geojson(result, record, whole_canvas=whole_canvas)
    return _RENDERERS[fmt](result, record)


def write_report(
    result: SlideResult,
    out_dir: Path,
    formats: Sequence[str] = FORMATS,
    record: SlideRecord | None = None,
    *,
    whole_canvas: bool = False,
) -> list[Path]:
    """Writes `<slide_id>.<format>` for each format and returns the files; `names.report_stem` tells the exceptions.
    `record` is what people decided on the result.

    Each file appears whole or not at all. Raises UsageError (format), StoreError (a slide id that is no file name),
    OutputUnwritableError.
    """
    stem = report_stem(result.slide_id)
    rendered = ((fmt, render(result, fmt, record, whole_canvas=whole_canvas)) for fmt in formats)
    return [write_out(out_dir / f"{stem}.{fmt}", content) for fmt, content in rendered]


def cohort_files(
    rows: Iterable[SlideRow], formats: Sequence[str] = (), states: Mapping[str, ReviewState] | None = None
) -> list[tuple[str, bytes]]:
    """Name and content of `cohort.csv` and `cohort.html`; the page links to reports of `formats` in the same folder.

    `rows` also tell of slides that failed; `states` is how far people are, by slide id.
    """
    rows, known = list(rows), states or {}
    classes = tuple(dict.fromkeys(name for row in rows for name in row.probabilities))
    return [
        ("cohort.csv", cohort_bytes(rows, classes, known)),
        ("cohort.html", render_cohort(rows, classes, formats, known)),
    ]


def write_cohort(
    slides: Iterable[SlideResult | SlideRow],
    out_dir: Path,
    formats: Sequence[str] = (),
    states: Mapping[str, ReviewState] | None = None,
) -> list[Path]:
    """Writes what `cohort_files` gives, of results or rows. Raises OutputUnwritableError."""
    rows = [SlideRow.of_result(slide) if isinstance(slide, SlideResult) else slide for slide in slides]
    return [write_out(out_dir / name, content) for name, content in cohort_files(rows, formats, states)]
