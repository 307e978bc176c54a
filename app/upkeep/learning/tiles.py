"""Which of a result's tiles a drawn region labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aggregate.result import SlideResult
from tiler.spec import TileQuality

# Of a tile's area: a tile that lies half in another tissue teaches the wrong thing.
LEAST_INSIDE = 0.75
# Neighbours teach little more than one of them.
MOST_A_REGION = 100
_POINTS_A_SIDE = 8

Ring = Sequence[Sequence[float]]


def labelled_tiles(result: SlideResult, rings: Sequence[Ring]) -> NDArray[np.intp]:
    """(n,) indices of the tiles of good quality that lie in a region (outer ring first, then holes, level-0 px); of
    many at most MOST_A_REGION, evenly spread."""
    inside = share_inside(result.tiles.xy.astype(np.float64), result.tile_side_px, rings) >= LEAST_INSIDE
    fit = np.flatnonzero(inside & (result.tiles.quality == TileQuality.GOOD))
    spread = np.linspace(0, len(fit) - 1, min(len(fit), MOST_A_REGION)).round().astype(np.intp)
    return fit[spread]


def share_inside(xy: NDArray[np.floating], side_px: float, rings: Sequence[Ring]) -> NDArray[np.float64]:
    """(n,) share of the area of tiles with these top-left corners (n, 2) that lies in a region, to a 64th."""
    steps = (np.arange(_POINTS_A_SIDE) + 0.5) / _POINTS_A_SIDE * side_px
    points = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    (left, top), (right, bottom) = np.min(rings[0], axis=0), np.max(rings[0], axis=0)
    near = (xy[:, 0] < right) & (xy[:, 0] + side_px > left) & (xy[:, 1] < bottom) & (xy[:, 1] + side_px > top)
    shares = np.zeros(len(xy))
    for index in np.flatnonzero(near):
        shares[index] = _inside(xy[index] + points, rings).mean()
    return shares


def _inside(points: NDArray[np.floating], rings: Sequence[Ring]) -> NDArray[np.bool_]:
    """(m,) by the even-odd rule over all rings, so that holes are outside."""
    inside = np.zeros(len(points), np.bool_)
    x, y = points[:, 0], points[:, 1]
    for ring in rings:
        corners = np.asarray(ring, np.float64)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            crosses = (y0 > y) != (y1 > y)
            with np.errstate(divide="ignore", invalid="ignore"):
                inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside
