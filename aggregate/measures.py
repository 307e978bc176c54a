"""What may be measured of called tumour on a stored result: areas, foci, lengths. A result in, numbers out; nothing of
it is stored, so that results stay what they were.

Tiles know no cell and no gland: what none of these figures is, is told wherever they are (`app.presentation.measured`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aggregate.heatmap import tile_cells
from aggregate.result import UNDETERMINED, SlideResult
from aggregate.thresholds import LEAST_NEIGHBOURS

Mask = NDArray[np.bool_]
_EIGHT = 8


@dataclass(frozen=True)
class Measures:
    """Areas in mm2, of tissue alone: glass within a tile counts for nothing. `share` is of the judged tissue, 0 to 1.

    A focus is a patch of at least LEAST_NEIGHBOURS called tiles that touch, corners included; what is smaller is a
    spot, and is measured for the area alone. `extent_mm` is the longest straight line within one focus; `edge_mm` the
    shortest way from a focus to the outer edge of the tissue found, 0 where one reaches it. Either is NaN without a
    focus, and known to `error_mm`: a tile's side."""

    tumour_mm2: float
    judged_mm2: float
    foci: int
    spots: int
    extent_mm: float
    edge_mm: float
    error_mm: float

    @property
    def share(self) -> float:
        return self.tumour_mm2 / self.judged_mm2 if self.judged_mm2 else math.nan


def measure(result: SlideResult) -> Measures | None:
    """The measures of a slide; None where there is no call, since nothing could be leaned on."""
    heatmap, per_side = result.heatmap, result.provenance.tile.cells_per_side
    if result.decision.call == UNDETERMINED or not (heatmap.call > 0).any():
        return None
    tumour = np.isin(heatmap.call, np.flatnonzero(np.array(result.tumour_outputs)) + 1)
    tissue_mm2 = _tissue_of_cells(result) * heatmap.cell_um**2 / 1e6
    foci, count, spots = _foci(tumour, LEAST_NEIGHBOURS * per_side**2)
    cell_mm = heatmap.cell_um / 1000
    return Measures(
        tumour_mm2=float(tissue_mm2[tumour].sum()),
        judged_mm2=float(tissue_mm2[heatmap.call > 0].sum()),
        foci=count,
        spots=spots,
        extent_mm=_extent(foci) * cell_mm,
        edge_mm=_to_edge(foci > 0, heatmap.tissue > 0) * cell_mm if count else math.nan,
        error_mm=per_side * cell_mm,
    )


def _tissue_of_cells(result: SlideResult) -> NDArray[np.float64]:
    """(rows, columns) share of each cell that is tissue: that of its tile, or the mean of those that cover it."""
    rows, columns = result.heatmap.call.shape
    total, count = np.zeros((rows, columns)), np.zeros((rows, columns))
    row, column = tile_cells(result).T
    per_side = result.provenance.tile.cells_per_side
    for down in range(per_side):
        for across in range(per_side):
            at = row + down, column + across
            inside = (at[0] >= 0) & (at[0] < rows) & (at[1] >= 0) & (at[1] < columns)
            np.add.at(total, (at[0][inside], at[1][inside]), result.tiles.tissue_fraction[inside])
            np.add.at(count, (at[0][inside], at[1][inside]), 1)
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)


def _foci(tumour: Mask, least: int) -> tuple[NDArray[np.int32], int, int]:
    """Cells, (rows, columns), numbered from 1 by their focus; how many foci, and how many patches are smaller."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(tumour.astype(np.uint8), connectivity=_EIGHT)
    large = stats[1:, cv2.CC_STAT_AREA] >= least
    numbers = np.concatenate([[0], np.where(large, np.cumsum(large), 0)]).astype(np.int32)
    found = int(large.sum())
    return numbers[labels], found, count - 1 - found


def _extent(foci: NDArray[np.int32]) -> float:
    """Cells of the longest straight line within one focus of (rows, columns); NaN without one."""
    from scipy import ndimage

    windows = enumerate(ndimage.find_objects(foci), start=1)
    return max((_longest(np.argwhere(foci[window] == number)) for number, window in windows), default=math.nan)


def _longest(cells: NDArray[np.intp]) -> float:
    """The largest distance between the middles of two of (n, 2) cells, and a cell more: half of one at either end."""
    import cv2

    hull = cv2.convexHull(cells.astype(np.int32))[:, 0].astype(np.float64)
    between = hull[:, None] - hull[None]
    return float(np.sqrt((between**2).sum(axis=2)).max()) + 1.0


def _to_edge(foci: Mask, tissue: Mask) -> float:
    """Cells of tissue between a focus and the nearest cell outside; holes in the tissue are no edge, the slide's is."""
    from scipy import ndimage

    whole = np.pad(ndimage.binary_fill_holes(tissue | foci), 1)
    way = ndimage.distance_transform_edt(whole)[1:-1, 1:-1]
    return max(0.0, float(way[foci].min()) - 1.0)
