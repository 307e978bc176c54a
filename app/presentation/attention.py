"""Where a slide model looked, as cells of the heatmap and as the regions that it looked at most. Pure.

Told as times an even share: what a tile would have had if all counted alike. Attention that is even everywhere is then
pale everywhere, and not stretched to look like a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from aggregate.result import SlideResult
from app.presentation.cells import Mask, tile_cells

MOST = 3
# From twice an even share on a place stands out.
_STANDS_OUT = 2.0
# The scale ends here at the least, so that a slide without a centre of attention is not drawn with one.
_LEAST_TOP = 10.0


@dataclass(frozen=True)
class Attended:
    """A connected region that was looked at. `share` of all attention, 0 to 1; its area; the middle of its most
    attended tile, level-0 px."""

    share: float
    area_mm2: float
    x: float
    y: float


def attention_cells(result: SlideResult) -> NDArray[np.float64] | None:
    """(rows, columns) of times an even share, the mean of the tiles on a cell; NaN where none took part. None where no
    slide model looked, or it has no attention."""
    attention = result.tiles.attention
    took = None if attention is None else np.isfinite(attention)
    if attention is None or took is None or not took.any():
        return None
    times = attention[took].astype(np.float64) * int(took.sum())
    rows, columns = result.heatmap.call.shape
    total, count = np.zeros((rows, columns)), np.zeros((rows, columns))
    corners, side = tile_cells(result)[took], range(result.provenance.tile.cells_per_side)
    for down, across in product(side, side):
        row, column = corners[:, 0] + down, corners[:, 1] + across
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        np.add.at(total, (row[inside], column[inside]), times[inside])
        np.add.at(count, (row[inside], column[inside]), 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def top_of(times: NDArray[np.float64]) -> float:
    """What the darkest colour stands for: the greatest of (rows, columns) of times an even share, ten at the least."""
    return max(_LEAST_TOP, float(np.nanmax(times)))


def shades(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """(rows, columns) of 0 to 1: 0 up to an even share, 1 at the top, as the logarithm runs between; NaN stays."""
    return np.log(np.maximum(times, 1.0)) / np.log(top_of(times))


def attended_regions(result: SlideResult) -> list[Attended]:
    """At most MOST connected regions of twice an even share, those that hold most attention first; none where attention
    is even. A cell that a tile covers counts for that tile's attention, as many parts as it has cells there."""
    times = attention_cells(result)
    if times is None:
        return []
    labels = _connected(np.nan_to_num(times) >= _STANDS_OUT)
    total = float(np.nansum(times))
    found = []
    for number in range(1, int(labels.max()) + 1):
        within = labels == number
        found.append(_region(result, times, within, total))
    return sorted(found, key=lambda one: -one.share)[:MOST]


def _region(result: SlideResult, times: NDArray[np.float64], within: Mask, total: float) -> Attended:
    heatmap = result.heatmap
    row, column = np.unravel_index(int(np.argmax(np.where(within, times, -1.0))), times.shape)
    x, y = heatmap.origin_px
    return Attended(
        share=float(times[within].sum()) / total,
        area_mm2=float(within.sum() * heatmap.cell_um**2 / 1e6),
        x=x + (float(column) + 0.5) * heatmap.cell_px,
        y=y + (float(row) + 0.5) * heatmap.cell_px,
    )


def _connected(mask: Mask) -> NDArray[np.int32]:
    """(rows, columns) numbers from 1 of the areas joined by their sides."""
    import cv2

    return np.asarray(cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[1], np.int32)
