"""The same figures by scanner, stain or whatever else cases are told apart by: a row each, however few they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.evaluation.curves.areas import area_by_delong
from classifier.evaluation.intervals import Figure, Groups, count_groups, share_with_interval

UNTOLD = "not told"


@dataclass(frozen=True)
class Subgroup:
    """The cases whose `kind` (scanner, stain) is `name`. Of those `listed`, `cases` were judged, and `positives` of
    them have what is looked for; a figure rests on patients and has an interval from ten of them on."""

    kind: str
    name: str
    listed: int
    cases: int
    positives: int
    patients: int
    sensitivity: Figure
    specificity: Figure
    auc: Figure


@dataclass(frozen=True)
class BinaryCases:
    """n cases that were judged: `scores`, what was `called`, what is `positive`, and whose (`patients`); all (n,)."""

    scores: NDArray[np.float64]
    called: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    patients: Groups

    def of(self, chosen: NDArray[np.bool_]) -> BinaryCases:
        """Those that `chosen` (n,) marks."""
        return BinaryCases(self.scores[chosen], self.called[chosen], self.positive[chosen], self.patients[chosen])

    @property
    def sensitivity(self) -> Figure:
        return share_with_interval(self.called, self.patients, self.positive)

    @property
    def specificity(self) -> Figure:
        return share_with_interval(~self.called, self.patients, ~self.positive)


def subgroup_table(
    kind: str, names: Sequence[str], cases: BinaryCases, listed: Sequence[str] | None = None
) -> tuple[Subgroup, ...]:
    """A row a name, in their order; `names` (n,) says of each case what it is, "" what nobody told. `listed` says it of
    all cases, those that were not judged among them."""
    told = np.array([name or UNTOLD for name in names], np.str_)
    all_of = Counter(name or UNTOLD for name in (names if listed is None else listed))
    return tuple(_row(kind, name, all_of[name], cases.of(told == name)) for name in sorted(all_of))


def _row(kind: str, name: str, listed: int, cases: BinaryCases) -> Subgroup:
    return Subgroup(
        kind=kind,
        name=name,
        listed=listed,
        cases=len(cases.scores),
        positives=int(cases.positive.sum()),
        patients=count_groups(cases.patients),
        sensitivity=cases.sensitivity,
        specificity=cases.specificity,
        auc=area_by_delong(cases.scores, cases.positive, cases.patients),
    )
