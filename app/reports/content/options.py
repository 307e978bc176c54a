"""What a person asks of a report, beside the result itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from app.ledger.records import SlideRow
from wsi.text import unescape


@dataclass(frozen=True)
class ReportOptions:
    """`language` is one of `app.presentation.language.LANGUAGES`. `case` is a case or accession number as a person gave
    it, never the slide's. `written` is the report's date (UTC); without one it tells none and gives the same bytes each
    time. `slide_file` is where pictures of the tissue come from."""

    language: str = "en"
    case: str = ""
    written: datetime | None = None
    slide_file: Path | None = None
    whole_canvas: bool = False
    """GeoJSON: counted from the corner of the slide's canvas, and not of its scanned part."""


@dataclass(frozen=True)
class Asked:
    """What is asked of the reports of many slides. `slides` are folders where slide files may lie; `case` is for a
    single result, `cases` are by slide path or id; `written` is the reports' date, UTC."""

    language: str = "en"
    case: str | None = None
    cases: Mapping[str, str] = field(default_factory=dict)
    slides: tuple[Path, ...] = ()
    written: datetime | None = None
    whole_canvas: bool = False

    def options(self, row: SlideRow, slide_file: Path | None = None) -> ReportOptions:
        """For the report of one slide."""
        path = str(Path(unescape(row.file)).absolute())
        case = self.cases.get(path) or self.cases.get(row.slide_id) or self.case or ""
        return ReportOptions(self.language, case, self.written, slide_file, self.whole_canvas)
