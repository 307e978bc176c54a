"""How sure a figure is: 95% intervals of a bootstrap that draws whole groups (sources, patients, sites), never tiles.
From few groups there is none, and where nothing differed between the groups a bootstrap cannot tell anything: a share
that is all or nothing then has an exact bound, every other figure none.

Tiles of one source are near copies; drawn singly they would make an interval too narrow (Field and Welsh 2007, doi
10.1111/j.1467-9868.2007.00593.x). Every function draws the same groups for the same seed: figures can be paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BOOTSTRAP_ROUNDS = 1000
INTERVAL = 0.95
# Percentile intervals from fewer groups tend to be too narrow (Cameron, Gelbach and Miller 2008, doi
# 10.1162/rest.90.3.414, count 5 to 30 as few).
FEW_GROUPS = 30
# From fewer no interval is told: resampling three sources, or nine, says nothing of the next one.
MIN_GROUPS = 10
_SAME = 1e-12

Groups = NDArray[np.str_]


@dataclass(frozen=True)
class Figure:
    """A figure with the ends of its 95% interval, and the `groups` that it rests on (a class's sensitivity: those with
    tiles of it). NaN where there is none: no value for a class without tiles, no ends where nothing supports them."""

    value: float
    low: float = float("nan")
    high: float = float("nan")
    groups: int = 0

    @classmethod
    def from_dict(cls, told: Mapping[str, float | None]) -> Figure:
        """What `to_dict` gives; cards of before tell no groups, and then only the ends say whether there are any."""
        value, low, high = (np.nan if (end := told.get(name)) is None else end for name in ("value", "low", "high"))
        return cls(value, low, high, int(told.get("groups") or 0))

    def to_dict(self) -> dict[str, float | None]:
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {
            **{name: None if np.isnan(number) else round(number, 6) for name, number in ends.items()},
            "groups": self.groups,
        }

    @property
    def is_bound(self) -> bool:
        """Whether the interval is the exact bound of a share that was all or nothing in every group."""
        return bool(self.value in (0.0, 1.0) and self.low != self.high and self.value in (self.low, self.high))

    @property
    def doubt(self) -> str:
        """Why there is no interval; "" where there is one, or no figure."""
        if np.isnan(self.value) or not np.isnan(self.low):
            return ""
        if 0 < self.groups < MIN_GROUPS:
            return f"no interval: only {self.groups} group{'' if self.groups == 1 else 's'}"
        return f"no interval: the same in all {self.groups} groups" if self.groups else "no interval"

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        if self.is_bound:
            ends = f"at least {self.low:.3f}" if self.value else f"at most {self.high:.3f}"
        else:
            ends = self.doubt or f"{self.low:.3f} to {self.high:.3f}"
        return f"{self.value:.3f} ({ends})"


def bounded_share(value: float, groups: int) -> Figure:
    """A share that was all (1) or nothing (0) in each of `groups`, with its exact one-sided 95% bound.

    Clopper and Pearson 1934 (doi 10.1093/biomet/26.4.404) with no failure in n groups: 0.05 ** (1 / n), about 1 - 3 / n
    (rule of three). It counts groups, not tiles: a whole group may be what is missing.
    """
    if groups < MIN_GROUPS:
        return Figure(value, groups=groups)
    least = (1 - INTERVAL) ** (1 / groups)
    return Figure(value, least, 1.0, groups) if value else Figure(value, 0.0, 1 - least, groups)


def with_ends(value: float, drawn: NDArray[np.floating] | Sequence[float], groups: int, *, is_share: bool) -> Figure:
    """`value` with the interval of its `drawn` values, where `groups` support one. `is_share`: it counts tiles."""
    if is_share and value in (0.0, 1.0):
        return bounded_share(value, groups)
    low, high = interval(drawn)
    if groups < MIN_GROUPS or high - low < _SAME:
        return Figure(value, groups=groups)
    return Figure(value, low, high, groups)


def count_groups(groups: Groups) -> int:
    return len(np.unique(groups))


def interval(drawn: NDArray[np.floating] | Sequence[float]) -> tuple[float, float]:
    """Both ends of the middle 95% of `drawn` (n,) values; values that are not defined (NaN) are left out."""
    values = np.asarray(drawn, np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return float(low), float(high)


def draws(groups: Groups, *, rounds: int = BOOTSTRAP_ROUNDS, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Indices into `groups` (n,), one array a round: as many groups as there are, drawn with return, with all of
    their members. Nothing where there is one group only: it cannot tell how groups differ."""
    rng = np.random.default_rng(seed)
    names, member = np.unique(groups, return_inverse=True)
    order = np.argsort(member, kind="stable")
    members_of = np.split(order, np.cumsum(np.bincount(member))[:-1])
    for _ in range(rounds if len(names) > 1 else 0):
        yield np.concatenate([members_of[i] for i in rng.integers(len(names), size=len(names))])


def drawn_sums(
    values: NDArray[np.number], groups: Groups, *, rounds: int = BOOTSTRAP_ROUNDS, seed: int = 0
) -> NDArray[np.float64]:
    """(rounds, k) sums of `values` (n, k) over the same draws as `draws`: for figures made of counts, and fast."""
    rng = np.random.default_rng(seed)
    names, member = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, member, values)
    count = rounds if len(names) > 1 else 0
    times = (np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names)) for _ in range(count))
    return np.array([drawn @ sums for drawn in times]).reshape(count, values.shape[1])


def figure_of(
    values: NDArray[np.number],
    groups: Groups,
    of_sums: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    among: NDArray[np.bool_] | None = None,
    is_share: bool = False,
) -> Figure:
    """The figure that `of_sums` makes of column sums: it takes sums (m, k) of `values` (n, k) and gives m figures.

    It rests on the groups of the rows that `among` (n,) marks. `is_share`: the figure counts rows, 0 to 1.
    """
    resting = count_groups(groups if among is None else groups[among])
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(of_sums(np.asarray(values, np.float64).sum(axis=0)[None])[0])
        return with_ends(value, of_sums(drawn_sums(values, groups)), resting, is_share=is_share)


def share_with_interval(hits: NDArray[np.bool_], groups: Groups, among: NDArray[np.bool_] | None = None) -> Figure:
    """The share of `hits` (n,), among those tiles that `among` (n,) marks; NaN where it marks none."""
    counted = np.ones(len(hits), np.bool_) if among is None else among
    columns = np.stack([hits & counted, counted], axis=1).astype(np.int64)
    return figure_of(columns, groups, lambda sums: sums[:, 0] / sums[:, 1], among=counted, is_share=True)


def difference(hits: NDArray[np.bool_], others: NDArray[np.bool_], groups: Groups) -> Figure:
    """Share of `hits` minus share of `others`, both (n,) on the same tiles: a paired difference."""
    columns = np.stack([hits.astype(np.int64) - others, np.ones(len(hits), np.int64)], axis=1)
    return figure_of(columns, groups, lambda sums: sums[:, 0] / sums[:, 1])
