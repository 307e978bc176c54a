"""The files for other programs, each whole or not at all; what writes them is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from aggregate.result import SlideResult
from app.ledger.records import SlideRow
from app.reports.names import report_stem
from wsi.files.writing import write_out

EXCHANGE_FORMATS = ("fhir", "dicom", "parquet")
"""The first two of each slide, the last of all."""
_TABLE = "cohort.parquet"


def write_exchange(result: SlideResult, out_dir: Path, formats: Sequence[str], slide: Path | None = None) -> list[Path]:
    """Writes `<slide_id>.fhir.json`, and `.seg.dcm`, `.pm.dcm`, `.sr.dcm`, as `formats` say; gives the files.

    `slide` is the slide's own file, if it is at hand: DICOM objects refer to it where it is DICOM. Raises UsageError
    (highdicom is not installed), StoreError (a slide id that is no file name), OutputUnwritableError.
    """
    stem, files = report_stem(result.slide_id), {}
    if "fhir" in formats:
        from app.exchange.fhir import render_fhir

        files[".fhir.json"] = render_fhir(result)
    if "dicom" in formats:
        from app.exchange.dicom import render_dicom

        files |= render_dicom(result, slide)
    return [write_out(out_dir / f"{stem}{ending}", content) for ending, content in files.items()]


def write_tables(rows: Iterable[SlideRow], out_dir: Path, formats: Sequence[str]) -> list[Path]:
    """Writes `cohort.parquet`, if `formats` ask for it. Raises OutputUnwritableError."""
    if "parquet" not in formats:
        return []
    from app.exchange.parquet import render_parquet

    return [write_out(out_dir / _TABLE, render_parquet(list(rows)))]
