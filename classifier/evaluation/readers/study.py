"""Readers beside the model on the same cases: how right each is, how far they agree, and the paired differences."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.evaluation.intervals import Figure, Groups, difference, share_with_interval
from classifier.evaluation.readers.agreement import cohen_kappa, fleiss_kappa, mcnemar_exact_p
from classifier.evaluation.readers.calls import NOT_READ, Readings
from wsi.errors import DatasetError


@dataclass(frozen=True)
class ReaderResult:
    """One reader on the `cases` that he or she read. `model_minus_reader` is the difference in accuracy on them;
    `only_model_right` and `only_reader_right` count the cases where one of the two was right alone."""

    reader: str
    cases: int
    accuracy: Figure
    kappa_reference: Figure
    kappa_model: Figure
    model_accuracy: Figure
    model_minus_reader: Figure
    only_model_right: int
    only_reader_right: int
    mcnemar_p: float


@dataclass(frozen=True)
class PairResult:
    """Cohen's kappa of two readers on the `cases` that both read."""

    first: str
    second: str
    cases: int
    kappa: Figure


@dataclass(frozen=True)
class ReaderStudy:
    """`kind` says what a case is. Fleiss' kappa is over the `complete_cases` that every reader read, without the
    model; `left_out` cases some reader did not."""

    kind: str
    cases: int
    model_accuracy: Figure
    model_kappa_reference: Figure
    readers: tuple[ReaderResult, ...]
    pairs: tuple[PairResult, ...]
    fleiss: Figure
    complete_cases: int
    left_out: int

    def to_dict(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in ("kind", "cases", "complete_cases", "left_out")},
            "model_accuracy": self.model_accuracy.to_dict(),
            "model_kappa_reference": self.model_kappa_reference.to_dict(),
            "fleiss_kappa": self.fleiss.to_dict(),
            "readers": [_plain(result) for result in self.readers],
            "pairs": [_plain(result) for result in self.pairs],
        }


@dataclass(frozen=True)
class _Cases:
    """m cases: the truth, the model's calls, the readers' (m, r), and what intervals are drawn over."""

    truth: NDArray[np.int64]
    model: NDArray[np.int64]
    calls: NDArray[np.int64]
    units: Groups
    classes: int


def study_readers(
    readings: Readings, probabilities: NDArray[np.floating], labels: NDArray[np.integer], units: Groups
) -> ReaderStudy:
    """The study from `readings` of tiles whose `probabilities` (n, c), true `labels` and `units` (n,) are at hand.

    The model's call on a case is the class with the largest mean probability over its tiles. Raises DatasetError where
    a case belongs to several units.
    """
    cases = _Cases(
        truth=np.array([labels[tiles[0]] for tiles in readings.tiles_of], np.int64),
        model=np.array([probabilities[tiles].mean(axis=0).argmax() for tiles in readings.tiles_of], np.int64),
        calls=readings.calls,
        units=np.array([_unit_of(units[tiles]) for tiles in readings.tiles_of]),
        classes=probabilities.shape[1],
    )
    complete = (cases.calls != NOT_READ).all(axis=1)
    return ReaderStudy(
        kind=readings.kind,
        cases=len(cases.truth),
        model_accuracy=share_with_interval(cases.model == cases.truth, cases.units),
        model_kappa_reference=cohen_kappa(cases.model, cases.truth, cases.classes, cases.units),
        readers=tuple(_reader(cases, column, name) for column, name in enumerate(readings.readers)),
        pairs=tuple(_pair(cases, readings.readers, i, j) for i, j in combinations(range(len(readings.readers)), 2)),
        fleiss=fleiss_kappa(cases.calls[complete], cases.classes, cases.units[complete]),
        complete_cases=int(complete.sum()),
        left_out=int((~complete).sum()),
    )


def _reader(cases: _Cases, column: int, name: str) -> ReaderResult:
    read = cases.calls[:, column] != NOT_READ
    calls, truth, model, units = (
        part[read] for part in (cases.calls[:, column], cases.truth, cases.model, cases.units)
    )
    right, model_right = calls == truth, model == truth
    only_model, only_reader = int((model_right & ~right).sum()), int((right & ~model_right).sum())
    return ReaderResult(
        reader=name,
        cases=len(calls),
        accuracy=share_with_interval(right, units),
        kappa_reference=cohen_kappa(calls, truth, cases.classes, units),
        kappa_model=cohen_kappa(calls, model, cases.classes, units),
        model_accuracy=share_with_interval(model_right, units),
        model_minus_reader=difference(model_right, right, units),
        only_model_right=only_model,
        only_reader_right=only_reader,
        mcnemar_p=mcnemar_exact_p(only_model, only_reader),
    )


def _pair(cases: _Cases, readers: tuple[str, ...], i: int, j: int) -> PairResult:
    both = (cases.calls[:, [i, j]] != NOT_READ).all(axis=1)
    first, second = cases.calls[both, i], cases.calls[both, j]
    return PairResult(
        readers[i], readers[j], int(both.sum()), cohen_kappa(first, second, cases.classes, cases.units[both])
    )


def _unit_of(units: Groups) -> str:
    if len(set(units.tolist())) > 1:
        raise DatasetError(
            "a case of the readers' CSV has tiles of several of the units that intervals are drawn over",
            hint="give a source group one patient and one site",
        )
    return str(units[0])


def _plain(result: ReaderResult | PairResult) -> dict[str, Any]:
    """JSON-ready: figures rounded, NaN as None."""
    values = {name: getattr(result, name) for name in result.__dataclass_fields__}
    return {name: value.to_dict() if isinstance(value, Figure) else value for name, value in values.items()}
