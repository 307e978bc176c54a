"""One row a slide: what is told of it, typed, and its two faces: cells of the table `OUT/slides.csv`, and JSON. Nothing
here opens a slide or a result."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from aggregate.provenance import Provenance
from aggregate.result import SlideResult, SlideStatus
from wsi.files.csv_cells import as_written, csv_line, inert
from wsi.files.finite import finite
from wsi.files.reading import read_regular
from wsi.files.writing import write_file

SLIDES_CSV = "slides.csv"
MAX_TABLE_BYTES = 256 << 20
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
# Of what made the row's result; tables of older versions do not have them.
_ORIGIN = ("model", "settings")
# What a slide model says beside the rule: in tables where one was asked.
_OPINION = ("slide_model_call", "slide_model_p", "slide_model_set")


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
    model: str = ""
    settings: str = ""
    slide_model_call: str = ""
    slide_model_p: float | None = None  # of that call
    slide_model_set: tuple[str, ...] = ()  # the classes of its 0.95 set; its outcome where that is none or refused

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
            "model": inert(self.model),
            "settings": inert(self.settings),
            "slide_model_call": inert(self.slide_model_call),
            "slide_model_p": _number(self.slide_model_p, ".6f"),
            "slide_model_set": inert(";".join(self.slide_model_set)),
        }

    def to_json(self) -> dict[str, Any]:
        """The same columns for programs: texts as they are, numbers as numbers, null for what is missing, reasons as a
        list; `p_<class>` for each class that the row knows."""
        return {
            "slide_id": self.slide_id,
            "file": self.file,
            "status": str(self.status),
            "call": self.call or None,
            **{f"p_{name}": finite(p) for name, p in self.probabilities.items()},
            "confidence": finite(self.confidence),
            "review_reasons": list(self.review_reasons),
            "mpp": finite(self.mpp),
            "mpp_source": self.mpp_source or None,
            "tissue_mm2": finite(self.tissue_mm2),
            "tiles": self.tiles,
            "seconds": finite(self.seconds),
            "error_code": self.error_code or None,
            "message": self._message_on_one_line or None,
            "model": self.model or None,
            "settings": self.settings or None,
            **(self._opinion_json() if self.has_opinion else {}),
        }

    def _opinion_json(self) -> dict[str, Any]:
        return {
            "slide_model_call": self.slide_model_call or None,
            "slide_model_p": finite(self.slide_model_p),
            "slide_model_set": list(self.slide_model_set),
        }

    @property
    def has_opinion(self) -> bool:
        """Whether a slide model was asked."""
        return bool(self.slide_model_set)

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
            model=result.provenance.model_words,
            settings=result.provenance.settings,
            **_opinion_fields(result.opinion.to_dict() if result.opinion else None),
        )

    @classmethod
    def of_summary(cls, file: str, summary: Mapping[str, Any]) -> SlideRow:
        """The row of a stored result, from its attributes alone (`store.load_summary`)."""
        provenance = Provenance.from_dict(summary["provenance"])
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
            model=provenance.model_words,
            settings=provenance.settings,
            **_opinion_fields(summary.get("slide_model")),
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
            probabilities={name: p for name, value in probabilities.items() if (p := finite(value)) is not None},
            confidence=finite(confidence),
            review_reasons=tuple(review_reasons),
            tissue_mm2=finite(tissue_mm2),
            tiles=None if finite(tiles) is None else round(tiles or 0),
            seconds=finite(seconds) if isinstance(seconds, int | float) else None,
            **texts_and_mpp,
        )


def columns(classes: Sequence[str], *, opinions: bool = False) -> tuple[str, ...]:
    """The table's, with those of a slide model where one was asked for a row of it."""
    further = _OPINION if opinions else ()
    return (*_BEFORE, *(f"p_{name}" for name in classes), *_AFTER, *_ORIGIN, *further)


def table_bytes(rows: Iterable[SlideRow], classes: Sequence[str]) -> bytes:
    """The table of `rows`, as the bytes of its file. What UTF-8 cannot hold is escaped: no row may spoil the others."""
    listed = list(rows)
    header = columns(classes, opinions=any(row.has_opinion for row in listed))
    cells = (row.cells(classes) for row in listed)
    lines = (csv_line([row[name] for name in header]) for row in cells)
    return "".join((csv_line(header), *lines)).encode("utf-8", "backslashreplace")


def write_rows(path: Path, rows: Iterable[SlideRow], classes: Sequence[str]) -> None:
    """Writes the whole table and moves it into place: a reader never sees half of it. Raises OSError."""
    write_file(path, table_bytes(rows, classes))


def read_rows(path: Path) -> list[SlideRow]:
    """The rows of a table; an absent table has none. Raises OSError, ValueError where a row cannot be read."""
    try:
        rows, flaws = parse_table(read_regular(path, MAX_TABLE_BYTES))
    except FileNotFoundError:
        return []
    if flaws:
        raise ValueError(f"{path.name}: {flaws[0]}")
    return rows


def readable_rows(path: Path, known: KnownRows | None = None) -> list[SlideRow]:
    """The rows of a table that can be read, whatever else lies there. `known` is as for `parse_table`."""
    try:
        return parse_table(read_regular(path, MAX_TABLE_BYTES), known)[0]
    except OSError:
        return []


KnownRows = dict[bytes, SlideRow]
"""The rows of a table as it was read last, by a digest of their line: of a hundred thousand a run changes few."""


def parse_table(content: bytes, known: KnownRows | None = None) -> tuple[list[SlideRow], list[str]]:
    """(rows, a line for each flaw) of a table's bytes. Never raises.

    Rows that are `known` are taken from there, and are the same objects; afterwards it holds those of this table.
    """
    try:
        text = content.decode("utf-8-sig")
        header, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (ValueError, csv.Error):
        return [], ["is no CSV in UTF-8"] if content else []
    missing = sorted({*_BEFORE, *_AFTER} - set(header))
    if missing or len(set(header)) != len(header):
        return [], [f"has no column {missing[0]}" if missing else "has a column twice"]
    rows, flaws = _parse_lines(header, lines, known)
    uses = Counter(row.slide_id for row in rows)
    flaws += [f"{times} rows are of one slide" for times in uses.values() if times > 1]
    return [row for row in rows if uses[row.slide_id] == 1], flaws


def _parse_lines(
    header: list[str], lines: list[list[str]], known: KnownRows | None
) -> tuple[list[SlideRow], list[str]]:
    rows, flaws = [], []
    before = {} if known is None else dict(known)
    if known is not None:
        known.clear()
    begun = hashlib.blake2b(repr(header).encode(), digest_size=16)
    for number, cells in enumerate(lines, start=1):
        digest = begun.copy()
        if known is not None:
            digest.update(repr(cells).encode())
        try:
            row = before.get(digest.digest()) or _row(dict(zip(header, cells, strict=True)))
        except ValueError:
            flaws.append(f"row {number} is not as a run writes it")
            continue
        rows.append(row)
        if known is not None:
            known[digest.digest()] = row
    return rows, flaws


def row_of_json(values: object) -> SlideRow:
    """The row whose fields these are (`dataclasses.asdict`, by way of JSON). Raises ValueError."""
    known = {one.name for one in fields(SlideRow)}
    if not isinstance(values, dict) or not set(values) <= known or not {"slide_id", "file", "status"} <= set(values):
        raise ValueError("no row")
    for name, value in values.items():
        if not _FITS.get(name, _is_text)(value):
            raise ValueError(f"{name} is of another kind")
    lists = ("review_reasons", "slide_model_set")
    return SlideRow(**{**values, **{name: tuple(values.get(name, ())) for name in lists}})


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_figure(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _are_figures(value: object) -> bool:
    return isinstance(value, dict) and all(_is_figure(p) and p is not None for p in value.values())


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


_FITS: dict[str, Callable[[Any], bool]] = {
    "probabilities": _are_figures,
    "review_reasons": _are_texts,
    "slide_model_set": _are_texts,
    "tiles": lambda value: value is None or (isinstance(value, int) and not isinstance(value, bool)),
    **dict.fromkeys(("confidence", "mpp", "tissue_mm2", "seconds", "slide_model_p"), _is_figure),
}


def _row(cells: Mapping[str, str]) -> SlideRow:
    text = {name: as_written(cell) for name, cell in cells.items()}
    return SlideRow(
        slide_id=text["slide_id"],
        file=text["file"],
        status=SlideStatus(text["status"]),
        call=text["call"],
        probabilities={name[2:]: _figure(cell) for name, cell in cells.items() if name.startswith("p_") and cell},
        confidence=_float(cells["confidence"]),
        review_reasons=tuple(filter(None, text["review_reasons"].split(";"))),
        mpp=_float(cells["mpp"]),
        mpp_source=text["mpp_source"],
        tissue_mm2=_float(cells["tissue_mm2"]),
        tiles=int(cells["tiles"]) if cells["tiles"] else None,
        seconds=_float(cells["seconds"]),
        error_code=text["error_code"],
        message=text["message"],
        **{name: text.get(name, "") for name in _ORIGIN},
        slide_model_call=text.get("slide_model_call", ""),
        slide_model_p=_float(cells.get("slide_model_p", "")),
        slide_model_set=tuple(filter(None, text.get("slide_model_set", "").split(";"))),
    )


def _opinion_fields(told: Mapping[str, Any] | None) -> dict[str, Any]:
    """A row's fields of what a slide model said, from its stored words."""
    if told is None:
        return {}
    strictest = told["sets"].get("0.95", ()) if told["outcome"] in ("single", "several") else (told["outcome"],)
    return {
        "slide_model_call": told["call"],
        "slide_model_p": told["probabilities"].get(told["call"]),
        "slide_model_set": tuple(strictest),
    }


def _figure(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no figure")
    return number


def _number(value: float | None, form: str) -> str:
    return "" if finite(value) is None else format(value, form)


def _float(text: str) -> float | None:
    return _figure(text) if text else None
