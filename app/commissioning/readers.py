"""People's calls on the slides of a proof, from a CSV `slide,reader,call[,way][,score]`: beside the model's, and where
two ways to read were tried (without the model and with it), the study of them. Draws nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.commissioning.given.tables import Cells, code, one_of, read_csv
from classifier.evaluation.intervals import Figure, Groups
from classifier.evaluation.readers.calls import NOT_READ, Readings
from classifier.evaluation.readers.mrmc import MrmcStudy, study_areas
from classifier.evaluation.readers.study import ReaderStudy, study_readers
from wsi.errors import UsageError
from wsi.metadata import number

SLIDES = "slides"
_NEEDED, _FURTHER = ("slide", "reader", "call"), ("way", "score")
_MOST_READERS = 50


@dataclass(frozen=True)
class Reading:
    """`score`: how sure a reader was that there is tumour, on any scale; NaN where nobody told."""

    slide: str
    reader: str
    call: str
    way: str
    score: float


@dataclass(frozen=True)
class ReadingsFile:
    rows: tuple[Reading, ...]
    sha256: str

    @property
    def ways(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.way for row in self.rows))

    @property
    def readers(self) -> tuple[str, ...]:
        return tuple(sorted({row.reader for row in self.rows}))


@dataclass(frozen=True)
class Ways:
    """The study of two ways or more: their names, and what Obuchowski and Rockette find of the readers' areas."""

    names: tuple[str, ...]
    readers: int
    slides: int
    study: MrmcStudy


def read_readings(path: Path, classes: Sequence[str], slides: Sequence[str]) -> ReadingsFile:
    """The calls on `slides`, as the labels write them. Raises UsageError with the row at fault."""
    rows, sha256 = read_csv(path, _NEEDED, _FURTHER)
    known, read = set(slides), set()
    readings = []
    for row, cells in rows:
        reading = _reading(path.name, row, cells, classes)
        if reading.slide not in known:
            raise UsageError(f"{path.name}: row {row} is of a slide without a label", hint="write it as the labels do")
        if (key := (reading.slide, reading.reader, reading.way)) in read:
            raise UsageError(f"{path.name}: row {row} is a second call of one reader on one slide", hint="keep one")
        read.add(key)
        readings.append(reading)
    file = ReadingsFile(tuple(readings), sha256)
    if len(file.readers) > _MOST_READERS:
        raise UsageError(f"{path.name} names more than {_MOST_READERS} readers", hint="split it into several studies")
    return file


def beside_model(
    file: ReadingsFile,
    slides: Sequence[str],
    calls: Sequence[str],
    truth: Sequence[str],
    classes: Sequence[str],
    patients: Groups,
) -> ReaderStudy | None:
    """The readers of the first way beside the model, on the judged `slides`; None where they read none of them.

    `calls`, `truth` (n): the model's call and the label of each; `patients` (n,).
    """
    at, column = {slide: i for i, slide in enumerate(slides)}, {name: i for i, name in enumerate(file.readers)}
    table = np.full((len(slides), len(column)), NOT_READ, np.int64)
    for row in file.rows:
        if row.way == file.ways[0] and row.slide in at:
            table[at[row.slide], column[row.reader]] = classes.index(row.call)
    somebody = np.flatnonzero((table != NOT_READ).any(axis=1))
    if not len(somebody):
        return None
    read_by = (table[somebody] != NOT_READ).any(axis=0)
    names = tuple(name for name, some in zip(file.readers, read_by, strict=True) if some)
    readings = Readings(SLIDES, names, tuple(np.array([i]) for i in somebody), table[somebody][:, read_by])
    called = np.eye(len(classes))[[classes.index(call) for call in calls]]
    return study_readers(readings, called, np.array([classes.index(one) for one in truth]), patients)


def compare_ways(file: ReadingsFile, positive_of: Mapping[str, bool], patient_of: Mapping[str, str]) -> Ways | None:
    """The study of the readers' scores, over the slides that every reader scored in every way; None where there are not
    two ways, two readers and two slides of either kind."""
    score = {(row.way, row.reader, row.slide): row.score for row in file.rows}
    keys = [(way, reader) for way in file.ways for reader in file.readers]
    slides = [s for s in positive_of if all(not math.isnan(score.get((*key, s), math.nan)) for key in keys)]
    positive = np.array([positive_of[slide] for slide in slides], np.bool_)
    patients = np.array([patient_of[slide] for slide in slides], np.str_)
    if min(len(file.ways), len(file.readers)) < 2 or _fewest(positive, patients) < 2:
        return None
    ratings = np.array([[[score[way, r, s] for s in slides] for r in file.readers] for way in file.ways], np.float64)
    return Ways(file.ways, len(file.readers), len(slides), study_areas(ratings, positive, patients))


def ways_to_dict(ways: Ways) -> dict[str, Any]:
    study = ways.study
    return {
        "ways": list(ways.names),
        "readers": ways.readers,
        "slides": ways.slides,
        "areas": [_whole(figure) for figure in study.means],
        "differences": [
            {"first": ways.names[i], "second": ways.names[j], "difference": _whole(figure)}
            for i, j, figure in study.differences
        ],
        "terms": asdict(study.terms),
        "f": study.f,
        "df1": study.df1,
        "df2": study.df2 if math.isfinite(study.df2) else None,
        "p": study.p,
    }


def _whole(figure: Figure) -> dict[str, float | None]:
    return figure.to_dict()


def _fewest(positive: NDArray[np.bool_], patients: Groups) -> int:
    return min(len(set(patients[positive].tolist())), len(set(patients[~positive].tolist())))


def _reading(name: str, row: int, cells: Cells, classes: Sequence[str]) -> Reading:
    reader = code(name, row, "reader", cells["reader"])
    if not (cells["slide"] and reader):
        raise UsageError(f"{name}: row {row} has an empty slide or reader", hint="leave such a row out")
    score = number(cells["score"]) if cells["score"] else math.nan
    if score is None:
        raise UsageError(f"{name}: row {row} has a score that is no number", hint="leave it empty, or write 0.7")
    call = one_of(name, row, "call", cells["call"], classes)
    return Reading(cells["slide"], reader, call, code(name, row, "way", cells["way"]), score)
