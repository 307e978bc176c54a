"""What became of each slide of a proof, as the run's table and the results tell it: data for the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.result import SlideStatus
from aggregate.result_folder import load_summary, result_path
from app.commissioning.given.labels import Label
from app.ledger.records import SlideRow
from classifier.evaluation.intervals import Groups
from classifier.evaluation.subgroups import UNTOLD

_SETS_LEVEL = "0.95"


@dataclass(frozen=True)
class Opinion:
    """A slide model on one slide: its `call` ("" where it refused), its probabilities, and its set at 95%."""

    call: str
    probabilities: Mapping[str, float]
    members: tuple[str, ...]

    @classmethod
    def of_summary(cls, told: Mapping[str, Any] | None) -> Opinion | None:
        """From a result's attributes; None where no slide model was asked."""
        if not told:
            return None
        probabilities = {name: float(p) for name, p in told["probabilities"].items() if p is not None}
        return cls(told["call"], probabilities, tuple(told["sets"].get(_SETS_LEVEL, ())))


@dataclass(frozen=True)
class Outcome:
    """One slide. `call` is a class where the slide was `judged`; else `undetermined`, or "" for a slide that failed."""

    slide_id: str
    label: str
    patient: str
    scanner: str
    stain: str
    status: SlideStatus
    call: str = ""
    judged: bool = False
    probabilities: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    seconds: float = float("nan")
    error_code: str = ""
    sha256: str = ""
    runtime: str = ""
    opinion: Opinion | None = None


def outcome_of(row: SlideRow, label: Label, out: Path, classes: Sequence[str]) -> Outcome:
    """Raises StoreError where a result cannot be read that the table tells of."""
    patient = f"patient {label.patient}" if label.patient else f"row {label.row}"
    base: dict[str, Any] = {
        "slide_id": row.slide_id,
        "label": label.label,
        "patient": patient,
        "stain": label.stain or UNTOLD,
    }
    if row.status is SlideStatus.FAILED:
        return Outcome(**base, scanner=label.scanner or UNTOLD, status=row.status, error_code=row.error_code)
    summary = load_summary(result_path(out, row.slide_id))
    return Outcome(
        **base,
        scanner=label.scanner or _vendor(summary),
        status=row.status,
        call=row.call,
        judged=row.call in classes and set(classes) <= set(row.probabilities),
        probabilities=dict(row.probabilities),
        reasons=row.review_reasons,
        seconds=_number(row.seconds),
        sha256=summary["slide"]["sha256"],
        runtime=str(summary["provenance"].get("model", {}).get("runtime", "")),
        opinion=Opinion.of_summary(summary.get("slide_model")),
    )


def patients(outcomes: Sequence[Outcome]) -> Groups:
    """(n,) whose each slide is."""
    return np.array([one.patient for one in outcomes], np.str_)


def among(outcomes: Sequence[Outcome], names: Sequence[str], of: str) -> NDArray[np.bool_]:
    """(n,) whether the `label` or `call` (`of`) of each is one of `names`."""
    return np.array([getattr(one, of) in names for one in outcomes], np.bool_)


def probability_table(outcomes: Sequence[Outcome], classes: Sequence[str]) -> NDArray[np.float64]:
    """(n, c) of slides that were judged."""
    table = [[one.probabilities[name] for name in classes] for one in outcomes]
    return np.array(table, np.float64).reshape(-1, len(classes))


def _vendor(summary: Mapping[str, Any]) -> str:
    return str(summary["slide"]["metadata"].get("vendor", "")) or UNTOLD


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
