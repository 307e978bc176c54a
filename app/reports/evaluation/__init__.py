"""An evaluation as one page that needs nothing else. What it shows was found by `classifier.evaluation`."""

from __future__ import annotations

from pathlib import Path

from app.reports.evaluation.page import report_html
from classifier.evaluation.findings import Evaluation
from wsi.errors import OutputUnwritableError

REPORT_FILE = "report.html"


def write_evaluation(evaluation: Evaluation, out: Path) -> Path:
    """Writes report.html below `out` and returns its path. Raises OutputUnwritableError."""
    path = out / REPORT_FILE
    partial = path.with_name(f".{path.name}.partial")
    try:
        out.mkdir(parents=True, exist_ok=True)
        partial.write_text(report_html(evaluation), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputUnwritableError(f"cannot write to {out}: {error.strerror}", hint="choose another --out") from error
    return path
