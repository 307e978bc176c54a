"""Polygons to the px whose middle lies inside, by the even-odd rule, whatever the outline does. Arrays in and out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]
# Rows that the edges of one polygon may cross, all together: a few seconds. No drawing of tissue comes near.
MOST_CROSSINGS = 200_000_000
_AT_A_TIME = 1 << 22


def fill(rings: Sequence[Ring], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(rows, columns): the px (r, c) of which (c + 1/2, r + 1/2) lies inside the `rings`, each (n, 2) of x, y.

    A ring needs no last point that equals its first. Raises ValueError past MOST_CROSSINGS.
    """
    rows, columns = shape
    start, end = _edges(rings)
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(low - 0.5), 0, rows).astype(np.int64)
    count = np.clip(np.ceil(high - 0.5), 0, rows).astype(np.int64) - first
    if count.sum() > MOST_CROSSINGS:
        raise ValueError("the outline crosses too many rows")
    toggles = np.zeros((rows, columns + 1), np.uint8)
    for edges in _portions(count):
        row, column = _crossings(start[edges], end[edges], first[edges], count[edges])
        # Bytes wrap at 256, so what is odd stays odd.
        np.add.at(toggles, (row, np.clip(column, 0, columns)), np.uint8(1))
    inside = np.bitwise_xor.accumulate(toggles[:, :-1] & 1, axis=1)
    return inside.view(np.bool_)


def ring_area(ring: Ring) -> float:
    """The area of a ring (n, 2) that does not cross itself (shoelace formula)."""
    x, y = ring.T - ring[0][:, None]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def ring_length(ring: Ring) -> float:
    """The way around a ring (n, 2)."""
    return float(np.hypot(*(np.roll(ring, -1, axis=0) - ring).T).sum())


def _edges(rings: Sequence[Ring]) -> tuple[Ring, Ring]:
    """Where each edge starts and ends, (n, 2) each."""
    return np.concatenate(list(rings)), np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])


def _portions(count: NDArray[np.int64]) -> list[slice]:
    """Runs of edges with few enough crossings to be held at once; an edge crosses no more rows than there are."""
    ends = np.cumsum(count)
    steps = np.arange(_AT_A_TIME, int(ends[-1]) + _AT_A_TIME, _AT_A_TIME)
    cuts = np.searchsorted(ends, steps)
    bounds = [0, *(int(cut) + 1 for cut in cuts)]
    return [slice(a, b) for a, b in pairwise(bounds) if a < b]


def _crossings(
    start: Ring, end: Ring, first: NDArray[np.int64], count: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and first column to the right, (m,) each, of every place where an edge crosses the middle of a row."""
    edge = np.repeat(np.arange(len(count)), count)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    (x0, y0), (x1, y1) = start[edge].T, end[edge].T
    x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    return row, np.ceil(x - 0.5).astype(np.int64)
