"""What an evaluation found: everything that its report shows and `metrics.json` holds. Data only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from classifier.evaluation.curves.coverage import CoverageCurve
from classifier.evaluation.curves.roc import RocCurve
from classifier.evaluation.foreign import ForeignResult
from classifier.evaluation.intervals import Figure
from classifier.evaluation.metrics import ReliabilityBin
from classifier.evaluation.readers.study import ReaderStudy
from classifier.evaluation.reporting_items import ReportingItem, Section, items_of_report
from classifier.evaluation.shifts import ShiftResult, worst_shift
from classifier.model_folder.card import ModelCard
from wsi import __version__

_OPTIONAL = {Section.SHIFTS: "shifts", Section.FOREIGN: "foreign", Section.READERS: "readers"}


@dataclass(frozen=True)
class Evaluation:
    """`split` is "" where all tiles of the list were judged; the baseline, colour histograms learned from the list's
    train split, is None where it has none. Intervals are drawn over `units` of the kind `interval_over`.

    `shifts`, `laboratories` and `foreign` are empty, and `readers` is None, where they were not asked for.
    """

    card: ModelCard
    runtime: str
    split: str
    tiles: int
    groups: int
    interval_over: str
    units: int
    groups_of_class: tuple[int, ...]
    figures: Mapping[str, Figure]
    baseline: Mapping[str, Figure] | None
    confusion: tuple[tuple[int, ...], ...]  # row: true class, column: predicted class
    reliability: tuple[ReliabilityBin, ...]
    roc: tuple[RocCurve, ...]
    coverage: CoverageCurve
    not_recognised: float  # share of the tiles under the card's familiarity threshold
    recognised_accuracy: Figure
    warnings: tuple[str, ...]
    shifts: tuple[ShiftResult, ...] = ()
    laboratories: tuple[ShiftResult, ...] = ()
    further_baselines: Mapping[str, Figure] = field(default_factory=dict)  # accuracy of each, by its name
    foreign: tuple[ForeignResult, ...] = ()
    readers: ReaderStudy | None = None
    classes: tuple[str, ...] = ()  # what was told apart: the card's classes, or all its outputs

    @property
    def model(self) -> str:
        return self.card.name

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections that a report on this has."""
        return tuple(one for one in Section if one not in _OPTIONAL or getattr(self, _OPTIONAL[one]))

    @property
    def reporting_items(self) -> tuple[ReportingItem, ...]:
        return items_of_report(self.sections)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is not defined is None."""
        worst = worst_shift(self.shifts)
        return {
            "model": self.card.name,
            "model_version": self.card.version,
            "model_digest": self.card.digest,
            "synthetic": self.card.synthetic,
            "runtime": self.runtime,
            "software": f"pulmoscope {__version__}",
            "split": self.split,
            "tiles": self.tiles,
            "groups": self.groups,
            "interval_over": self.interval_over,
            "units": self.units,
            "classes": list(self.classes),
            "groups_of_class": list(self.groups_of_class),
            "figures": {name: figure.to_dict() for name, figure in self.figures.items()},
            "baseline": self.baseline and {name: figure.to_dict() for name, figure in self.baseline.items()},
            "further_baselines": {name: figure.to_dict() for name, figure in self.further_baselines.items()},
            "confusion": [list(row) for row in self.confusion],
            "reliability": [asdict(one) for one in self.reliability],
            "roc": [_without_nan(asdict(curve)) for curve in self.roc],
            "coverage": self.coverage.to_dict(),
            "not_recognised": None if math.isnan(self.not_recognised) else self.not_recognised,
            "recognised_accuracy": self.recognised_accuracy.to_dict(),
            "shifts": [result.to_dict() for result in self.shifts],
            "worst_shift": worst.name if worst else None,
            "laboratories": [result.to_dict() for result in self.laboratories],
            "foreign": [result.to_dict() for result in self.foreign],
            "readers": self.readers.to_dict() if self.readers else None,
            "reporting_items": [asdict(item) for item in self.reporting_items],
            "warnings": list(self.warnings),
        }


def _without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(one, float) and math.isnan(one) else one for name, one in values.items()}
