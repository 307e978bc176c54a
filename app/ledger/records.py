"""One row a slide: the table `OUT/slides.csv`, its columns and its file. Nothing here opens a slide or a result."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aggregate.provenance import Provenance

SLIDES_CSV = "slides.csv"
STATUSES = ("done", "review", "failed")
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
# A spreadsheet runs a cell that begins like this as a formula; file names and messages come from outside.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class SlideRow:
    """What is told of one slide, done or not. Empty strings and None are written as empty cells."""

    slide_id: str
    file: str
    status: str
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

    def cells(self, classes: Sequence[str]) -> dict[str, str]:
        """Column name -> text, for one line of the table."""
        return {
            "slide_id": self.slide_id,
            "file": _inert(self.file),
            "status": self.status,
            "call": _inert(self.call),
            **{f"p_{name}": _number(self.probabilities.get(name), ".6f") for name in classes},
            "confidence": _number(self.confidence, ".6f"),
            "review_reasons": ";".join(self.review_reasons),
            "mpp": _number(self.mpp, ".6g"),
            "mpp_source": self.mpp_source,
            "tissue_mm2": _number(self.tissue_mm2, ".4f"),
            "tiles": "" if self.tiles is None else str(self.tiles),
            "seconds": _number(self.seconds, ".2f"),
            "error_code": self.error_code,
            "message": _inert(" ".join(self.message.split())),
        }


def result_row(file: str, summary: Mapping[str, Any]) -> SlideRow:
    """The row of a stored result, from its attributes (`store.load_summary`)."""
    tiles = summary["qc"].get("tiles")
    return SlideRow(
        slide_id=summary["slide_id"],
        file=file,
        status=summary["status"],
        call=summary["call"],
        probabilities={name: p for name, p in summary["probabilities"].items() if p is not None},
        confidence=summary["confidence"],
        review_reasons=tuple(summary["review_reasons"]),
        mpp=summary["slide"]["mpp"],
        mpp_source=summary["slide"]["mpp_source"],
        tissue_mm2=summary["qc"].get("tissue_mm2"),
        tiles=None if tiles is None else round(tiles),
        seconds=Provenance.from_dict(summary["provenance"]).seconds,
    )


def columns(classes: Sequence[str]) -> tuple[str, ...]:
    return (*_BEFORE, *(f"p_{name}" for name in classes), *_AFTER)


def write_rows(path: Path, rows: Iterable[SlideRow], classes: Sequence[str]) -> None:
    """Writes the whole table beside `path` and moves it into place: a reader never sees half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns(classes), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(row.cells(classes))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_rows(path: Path) -> list[SlideRow]:
    """The rows of a table; an absent table has none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [_row(cells) for cells in csv.DictReader(file)]


def _row(cells: dict[str, str]) -> SlideRow:
    return SlideRow(
        slide_id=cells["slide_id"],
        file=_as_written(cells["file"]),
        status=cells["status"],
        call=_as_written(cells["call"]),
        probabilities={name[2:]: float(text) for name, text in cells.items() if name.startswith("p_") and text},
        confidence=_float(cells["confidence"]),
        review_reasons=tuple(filter(None, cells["review_reasons"].split(";"))),
        mpp=_float(cells["mpp"]),
        mpp_source=cells["mpp_source"],
        tissue_mm2=_float(cells["tissue_mm2"]),
        tiles=int(cells["tiles"]) if cells["tiles"] else None,
        seconds=_float(cells["seconds"]),
        error_code=cells["error_code"],
        message=_as_written(cells["message"]),
    )


def _number(value: float | None, form: str) -> str:
    return "" if value is None or value != value else format(value, form)


def _float(text: str) -> float | None:
    return float(text) if text else None


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith((*_FORMULA_STARTS, "'")) else text


def _as_written(text: str) -> str:
    return text[1:] if text.startswith("'") else text
