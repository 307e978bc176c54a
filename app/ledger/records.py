"""One row a slide: what is told of it, typed, and its two faces: cells of the table `OUT/slides.csv`, and JSON. Nothing
here opens a slide or a result."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aggregate.result import SlideResult, SlideStatus
from wsi.files.csv_cells import as_written, csv_line, inert
from wsi.files.writing import write_file

SLIDES_CSV = "slides.csv"
_BEFORE = ("slide_id", "file", "status", "call")
_AFTER = (
    "confidence",
    "review_reasons",
    "mpp",
    "mpp_source",
    "tissue_mm2",
    "tiles",
    "seconds",
    "error_code",
    "message",
)


@dataclass(frozen=True)
class SlideRow:
    """What is told of one slide, done or not. Empty strings, None and NaN are empty cells, and null in JSON."""

    slide_id: str
    file: str
    status: SlideStatus  # its text is taken too
    call: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)  # class name -> probability
    confidence: float | None = None
    review_reasons: tuple[str, ...] = ()
    mpp: float | None = None
    mpp_source: str = ""
    tissue_mm2: float | None = None
    tiles: int | None = None
    seconds: float | None = None
    error_code: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a text that is no status."""
        object.__setattr__(self, "status", SlideStatus(self.status))

    def cells(self, classes: Sequence[str]) -> dict[str, str]:
        """Column name -> text, for one line of the table; inert for a spreadsheet, whatever it holds."""
        return {
            "slide_id": inert(self.slide_id),
            "file": inert(self.file),
            "status": str(self.status),
            "call": inert(self.call),
            **{f"p_{name}": _number(self.probabilities.get(name), ".6f") for name in classes},
            "confidence": _number(self.confidence, ".6f"),
            "review_reasons": inert(";".join(self.review_reasons)),
            "mpp": _number(self.mpp, ".6g"),
            "mpp_source": inert(self.mpp_source),
            "tissue_mm2": _number(self.tissue_mm2, ".4f"),
            "tiles": "" if self.tiles is None else str(self.tiles),
            "seconds": _number(self.seconds, ".2f"),
            "error_code": inert(self.error_code),
            "message": inert(self._message_on_one_line),
        }

    def to_json(self) -> dict[str, Any]:
        """The same columns for programs: texts as they are, numbers as numbers, null for what is missing, reasons as a
        list; `p_<class>` for each class that the row knows."""
        return {
            "slide_id": self.slide_id,
            "file": self.file,
            "status": str(self.status),
            "call": self.call or None,
            **{f"p_{name}": _finite(p) for name, p in self.probabilities.items()},
            "confidence": _finite(self.confidence),
            "review_reasons": list(self.review_reasons),
            "mpp": _finite(self.mpp),
            "mpp_source": self.mpp_source or None,
            "tissue_mm2": _finite(self.tissue_mm2),
            "tiles": self.tiles,
            "seconds": _finite(self.seconds),
            "error_code": self.error_code or None,
            "message": self._message_on_one_line or None,
        }

    @property
    def _message_on_one_line(self) -> str:
        return " ".join(self.message.split())

    @classmethod
    def of_result(cls, result: SlideResult) -> SlideRow:
        """The row of a finished slide, from its result in memory; `file` is the name that the result keeps."""
        decision, qc = result.decision, result.qc
        return cls._of_finished(
            slide_id=result.slide_id,
            file=result.slide.file,
            status=result.status,
            call=decision.call,
            probabilities=dict(zip(result.classes, decision.probabilities, strict=True)),
            confidence=decision.confidence,
            review_reasons=decision.review_reasons,
            mpp=result.slide.mpp,
            mpp_source=result.slide.mpp_source,
            tissue_mm2=qc.get("tissue_mm2"),
            tiles=qc.get("tiles"),
            seconds=result.provenance.seconds,
        )

    @classmethod
    def of_summary(cls, file: str, summary: Mapping[str, Any]) -> SlideRow:
        """The row of a stored result, from its attributes alone (`store.load_summary`)."""
        return cls._of_finished(
            slide_id=summary["slide_id"],
            file=file,
            status=SlideStatus(summary["status"]),
            call=summary["call"],
            probabilities=summary["probabilities"],
            confidence=summary["confidence"],
            review_reasons=summary["review_reasons"],
            mpp=summary["slide"]["mpp"],
            mpp_source=summary["slide"]["mpp_source"],
            tissue_mm2=summary["qc"].get("tissue_mm2"),
            tiles=summary["qc"].get("tiles"),
            seconds=summary["provenance"].get("seconds"),
        )

    @classmethod
    def _of_finished(
        cls,
        *,
        probabilities: Mapping[str, float | None],
        confidence: float | None,
        review_reasons: Sequence[str],
        tissue_mm2: float | None,
        tiles: float | None,
        seconds: object,
        **texts_and_mpp: Any,
    ) -> SlideRow:
        """What is not finite (an undetermined slide's figures) is missing, wherever it comes from."""
        return cls(
            probabilities={name: p for name, value in probabilities.items() if (p := _finite(value)) is not None},
            confidence=_finite(confidence),
            review_reasons=tuple(review_reasons),
            tissue_mm2=_finite(tissue_mm2),
            tiles=None if _finite(tiles) is None else round(tiles or 0),
            seconds=_finite(seconds) if isinstance(seconds, int | float) else None,
            **texts_and_mpp,
        )


def columns(classes: Sequence[str]) -> tuple[str, ...]:
    return (*_BEFORE, *(f"p_{name}" for name in classes), *_AFTER)


def table_bytes(rows: Iterable[SlideRow], classes: Sequence[str]) -> bytes:
    """The table of `rows`, as the bytes of its file. What UTF-8 cannot hold is escaped: no row may spoil the others."""
    lines = (csv_line(row.cells(classes).values()) for row in rows)
    return "".join((csv_line(columns(classes)), *lines)).encode("utf-8", "backslashreplace")


def write_rows(path: Path, rows: Iterable[SlideRow], classes: Sequence[str]) -> None:
    """Writes the whole table and moves it into place: a reader never sees half of it. Raises OSError."""
    write_file(path, table_bytes(rows, classes))


def read_rows(path: Path) -> list[SlideRow]:
    """The rows of a table; an absent table has none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [_row(cells) for cells in csv.DictReader(file)]


def _row(cells: dict[str, str]) -> SlideRow:
    return SlideRow(
        slide_id=as_written(cells["slide_id"]),
        file=as_written(cells["file"]),
        status=SlideStatus(as_written(cells["status"])),
        call=as_written(cells["call"]),
        probabilities={name[2:]: float(text) for name, text in cells.items() if name.startswith("p_") and text},
        confidence=_float(cells["confidence"]),
        review_reasons=tuple(filter(None, as_written(cells["review_reasons"]).split(";"))),
        mpp=_float(cells["mpp"]),
        mpp_source=as_written(cells["mpp_source"]),
        tissue_mm2=_float(cells["tissue_mm2"]),
        tiles=int(cells["tiles"]) if cells["tiles"] else None,
        seconds=_float(cells["seconds"]),
        error_code=as_written(cells["error_code"]),
        message=as_written(cells["message"]),
    )


def _number(value: float | None, form: str) -> str:
    return "" if _finite(value) is None else format(value, form)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _float(text: str) -> float | None:
    return float(text) if text else None
