"""An evaluation as one page that needs nothing else. What it shows was found by `classifier.evaluation`."""

from __future__ import annotations

from pathlib import Path

from app.reports.evaluation.page import report_html
from classifier.evaluation.findings import Evaluation
from wsi.files.writing import unwritable, write_file

REPORT_FILE = "report.html"


def write_evaluation(evaluation: Evaluation, out: Path) -> Path:
    """Writes report.html below `out` and returns its path. Raises OutputUnwritableError."""
    path = out / REPORT_FILE
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_file(path, report_html(evaluation).encode())
    except OSError as error:
        raise unwritable(f"to {out}", error, "choose another --out") from error
    return path
