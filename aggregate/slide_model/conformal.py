"""Sets of classes instead of one: for each class, 95% (90%) of its new slides have it in their set.

Split conformal prediction by class (Mondrian: Vovk et al. 2005; Sadinle et al. 2019, arXiv:1609.00451): a class is in
the set where its probability reaches what all but the allowed share of calibration patients of that class reach.
The promise holds for slides like those that calibrated, one draw of patients with another; it is over patients, so a
patient counts with the slide that does worst; and it says nothing of slides that were refused, which are an outcome of
their own. Where sites are told, the bound of a class is the loosest that any site needs: it holds at each of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi.errors import ModelError

LEVELS = (0.9, 0.95)
SINGLE, SEVERAL, NOTHING, REFUSED = OUTCOMES = ("single", "several", "none", "refused")
EVERYTHING = -1.0
_MAX_SITES = 200


def least_patients(level: float) -> int:
    """How many patients of a class a promise needs at the very least: 9 for 90%, 19 for 95%."""
    return math.ceil(level / (1.0 - level) - 1e-9)


@dataclass(frozen=True)
class Bound:
    """`from_p`: the probability that takes a class into the set, EVERYTHING where too few patients calibrate it.
    `patients` calibrated it; `sites` are those whose own count was enough, `unpromised` those whose was not."""

    from_p: float
    patients: int
    sites: tuple[str, ...] = ()
    unpromised: tuple[str, ...] = ()

    @property
    def is_promised(self) -> bool:
        return self.from_p > EVERYTHING

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Bound:
        """Raises KeyError, TypeError, ValueError."""
        sites, unpromised = (tuple(map(str, told[name])) for name in ("sites", "unpromised"))
        return cls(float(told["from_p"]), int(told["patients"]), sites, unpromised)


@dataclass(frozen=True)
class PredictionSets:
    """For each level, as text ("0.95"), a bound a class in the order of the card."""

    bounds: Mapping[str, tuple[Bound, ...]]

    def sets_of(self, probabilities: Sequence[float]) -> dict[str, tuple[int, ...]]:
        """By level, the indices of the classes (c,) that cannot be left out, the likeliest first."""
        order = np.argsort(-np.asarray(probabilities), kind="stable").tolist()
        return {
            level: tuple(i for i in order if probabilities[i] >= bounds[i].from_p)
            for level, bounds in self.bounds.items()
        }

    def unpromised(self, classes: Sequence[str]) -> list[str]:
        """What cannot be promised, a line each."""
        told = []
        for level, bounds in self.bounds.items():
            percent, least = f"{float(level):.0%}", least_patients(float(level))
            for name, bound in zip(classes, bounds, strict=True):
                if not bound.is_promised:
                    told.append(
                        f"{percent} cannot be promised for {name}: {bound.patients} patients, it takes {least}; "
                        "it is in every set"
                    )
                for site in bound.unpromised:
                    told.append(f"{percent} is not promised for {name} at {site} alone: under {least} patients there")
        return told

    def to_dict(self) -> dict[str, Any]:
        return {
            level: [
                {"from_p": b.from_p, "patients": b.patients, "sites": list(b.sites), "unpromised": list(b.unpromised)}
                for b in bounds
            ]
            for level, bounds in self.bounds.items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], classes: int) -> PredictionSets:
        """Reads what `to_dict` gives. Raises ModelError."""
        try:
            read = {
                str(level): tuple(
                    Bound(
                        float(b["from_p"]),
                        int(b["patients"]),
                        *(tuple(map(str, b[k])) for k in ("sites", "unpromised")),
                    )
                    for b in bounds
                )
                for level, bounds in values.items()
            }
            fits = all(0.5 <= float(level) < 1 and len(bounds) == classes for level, bounds in read.items())
            fits &= len(read) <= 8 and all(
                EVERYTHING <= b.from_p <= 1 and len(b.sites) + len(b.unpromised) <= _MAX_SITES
                for bounds in read.values()
                for b in bounds
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError("the prediction sets of the slide model cannot be read") from error
        if not fits:
            raise ModelError("the prediction sets of the slide model are none")
        return cls(read)


def outcome_of(indices: Sequence[int], *, refused: bool) -> str:
    """What a set says: one class, several, none of them (the slide is unlike each), or refused."""
    if refused:
        return REFUSED
    return NOTHING if not indices else SINGLE if len(indices) == 1 else SEVERAL


def fit_sets(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    patients: Sequence[str],
    sites: Sequence[str] = (),
    *,
    levels: Sequence[float] = LEVELS,
) -> PredictionSets:
    """The bounds from calibrated probabilities (n, c) of slides that trained nothing and were not refused, their class
    indices (n,), patients and, where they are told, sites."""
    own = np.asarray(probabilities, np.float64)[np.arange(len(labels)), labels]
    where = list(sites) or [""] * len(labels)
    return PredictionSets(
        {
            f"{level:g}": tuple(
                _bound(
                    [(float(own[i]), patients[i], where[i]) for i in np.flatnonzero(labels == index).tolist()],
                    level,
                )
                for index in range(probabilities.shape[1])
            )
            for level in levels
        }
    )


def _bound(slides: Sequence[tuple[float, str, str]], level: float) -> Bound:
    """Of slides (own probability, patient, site) of one class."""
    worst: dict[tuple[str, str], float] = {}
    for p, patient, site in slides:
        worst[patient, site] = min(p, worst.get((patient, site), math.inf))
    of_patient: dict[str, float] = {}
    of_site: dict[str, list[float]] = {}
    for (patient, site), p in worst.items():
        of_patient[patient] = min(p, of_patient.get(patient, math.inf))
        if site:
            of_site.setdefault(site, []).append(p)
    together = _quantile(list(of_patient.values()), level)
    enough = {site: _quantile(found, level) for site, found in of_site.items()}
    kept = sorted(site for site, found in enough.items() if found > EVERYTHING)
    lowest = min([together, *(enough[site] for site in kept)])
    return Bound(lowest, len(of_patient), tuple(kept), tuple(sorted(set(enough) - set(kept))))


def _quantile(own: Sequence[float], level: float) -> float:
    """The k-th smallest, k = floor((n + 1) (1 - level)): at most that share of new ones lies below it."""
    rank = math.floor((len(own) + 1) * (1.0 - level) + 1e-9)
    return sorted(own)[rank - 1] if rank >= 1 else EVERYTHING
