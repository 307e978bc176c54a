"""What a call passes over: areas that could not be judged, and single tiles that their neighbours outvote; each with
its place. Arrays in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiler.spec import Grid, TileQuality


@dataclass(frozen=True)
class Place:
    """`tiles` (of no overlap) at a level-0 px (x, y); NaN, NaN where there are none."""

    tiles: float = 0.0
    x_px: float = float("nan")
    y_px: float = float("nan")


@dataclass(frozen=True)
class Doubts:
    """The largest connected area without a vote, and how many there are of `unjudged_tiles` and more; the surest of the
    voting tiles that look like tumour, and how many do."""

    unjudged: Place = Place()
    unjudged_areas: int = 0
    tumour_like: Place = Place()


def find_doubts(
    grid: Grid,
    votes: NDArray[np.bool_],
    quality: NDArray[np.uint8],
    tumour: NDArray[np.floating],
    *,
    unjudged_tiles: float,
    tumour_like: float,
) -> Doubts:
    """`votes`, `quality` and `tumour` (1 - p(background)) are (n,), in the grid's order."""
    labels, tiles = _unjudged_areas(grid, votes, quality)
    return Doubts(
        unjudged=_largest(grid, labels, tiles) if len(tiles) else Place(),
        unjudged_areas=int((tiles >= unjudged_tiles).sum()),
        tumour_like=_surest(grid, np.where(votes & (tumour >= tumour_like), tumour, 0.0)),
    )


def _unjudged_areas(
    grid: Grid, votes: NDArray[np.bool_], quality: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Cells, (rows, columns), numbered from 1 by the area without a vote they belong to; and the tiles of each area.

    Cells of an area are joined by their sides. Tiles that are mostly glass are left out: they line every piece of
    tissue, and would make one area of all its rim.
    """
    import cv2

    rim = (quality & np.uint8(TileQuality.EDGE)) > 0
    unjudged = _covered(grid, ~votes & ~rim) & ~_covered(grid, votes) & grid.tissue_cells
    _, labels, stats, _ = cv2.connectedComponentsWithStats(unjudged.astype(np.uint8), connectivity=4)
    return np.asarray(labels, np.int32), stats[1:, cv2.CC_STAT_AREA] / grid.cells_per_side**2


def _largest(grid: Grid, labels: NDArray[np.int32], tiles: NDArray[np.float64]) -> Place:
    """The largest area, at that of its cells which is nearest to its middle."""
    largest = int(np.argmax(tiles))
    cells = np.argwhere(labels == largest + 1)
    row, column = cells[np.argmin(((cells - cells.mean(axis=0)) ** 2).sum(axis=1))]
    x, y = grid.origin_px
    half = grid.cell_px / 2
    return Place(float(tiles[largest]), float(x + column * grid.cell_px + half), float(y + row * grid.cell_px + half))


def _covered(grid: Grid, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The grid's cells under the chosen tiles."""
    covered = np.zeros(grid.shape, np.bool_)
    row, column = grid.cell[chosen].T
    for down in range(grid.cells_per_side):
        for across in range(grid.cells_per_side):
            covered[row + down, column + across] = True
    return covered


def _surest(grid: Grid, tumour: NDArray[np.floating]) -> Place:
    """The tile with the largest value, and how many have one above 0."""
    if not tumour.any():
        return Place()
    x_px, y_px = grid.xy[int(np.argmax(tumour))] + grid.plan.span_px / 2
    return Place(float(np.count_nonzero(tumour)) / grid.cells_per_side**2, float(x_px), float(y_px))
