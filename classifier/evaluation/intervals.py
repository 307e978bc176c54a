"""How sure a figure is: 95% intervals of a bootstrap that draws whole groups (sources, patients, sites), never tiles.

Tiles of one source are near copies; drawn singly they would make an interval too narrow (Field and Welsh 2007, doi
10.1111/j.1467-9868.2007.00593.x). Every function draws the same groups for the same seed: figures can be paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

BOOTSTRAP_ROUNDS = 1000
INTERVAL = 0.95
# Percentile intervals from fewer groups tend to be too narrow (Cameron, Gelbach and Miller 2008, doi
# 10.1162/rest.90.3.414, count 5 to 30 as few).
FEW_GROUPS = 30

Groups = NDArray[np.str_]


@dataclass(frozen=True)
class Figure:
    """A figure with the ends of its 95% interval; NaN where it is not defined (a class without tiles)."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        return {name: None if np.isnan(number) else round(number, 6) for name, number in asdict(self).items()}

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        ends = "no interval" if np.isnan(self.low) else f"{self.low:.3f} to {self.high:.3f}"
        return f"{self.value:.3f} ({ends})"


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
    values: NDArray[np.number], groups: Groups, of_sums: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Figure:
    """The figure that `of_sums` makes of column sums: it takes sums (m, k) of `values` (n, k) and gives m figures."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(of_sums(np.asarray(values, np.float64).sum(axis=0)[None])[0])
        return Figure(value, *interval(of_sums(drawn_sums(values, groups))))


def share_with_interval(hits: NDArray[np.bool_], groups: Groups, among: NDArray[np.bool_] | None = None) -> Figure:
    """The share of `hits` (n,), among those tiles that `among` (n,) marks; NaN where it marks none."""
    counted = np.ones(len(hits), np.bool_) if among is None else among
    return figure_of(np.stack([hits & counted, counted], axis=1), groups, lambda sums: sums[:, 0] / sums[:, 1])


def difference(hits: NDArray[np.bool_], others: NDArray[np.bool_], groups: Groups) -> Figure:
    """Share of `hits` minus share of `others`, both (n,) on the same tiles: a paired difference."""
    columns = np.stack([hits.astype(np.int64) - others, np.ones(len(hits), np.int64)], axis=1)
    return figure_of(columns, groups, lambda sums: sums[:, 0] / sums[:, 1])
