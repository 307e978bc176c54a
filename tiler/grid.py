"""The grid of tiles over a slide's tissue. Arithmetic only: no pixel is read here."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tiler.quality import mask_quality
from tiler.spec import Grid, TileSpec
from tiler.tissue import TissueMask
from wsi.errors import NoColourError, NoTissueError, SlideError
from wsi.slide import Slide
from wsi.spacing import ReadPlan, plan_read

Bounds = tuple[int, int, int, int]

# More than dust, coverslip edges and scratches come to.
_MIN_GREY_MM2 = 0.05


def lay_grid(tissue: TissueMask, spec: TileSpec, slide: Slide) -> Grid:
    """Tiles of `spec` that hold more than `spec.min_tissue` tissue, in reading order.

    A last tile that would reach beyond the slide is read as far inwards as it needs; its cell, the tissue it counts and
    its place in the heatmap stay those of the regular grid. Only where the slide is smaller than a tile is the rest
    background. Raises NoTissueError if there is no tile, NoColourError if what lies there is grey, MppTooCoarseError if
    the slide cannot give `spec.mpp`.
    """
    plan = plan_read(slide.levels, slide.spacing, spec.size_px, spec.mpp)
    downsample = slide.levels[plan.level].downsample
    grid = _grid(tissue, spec, plan, downsample, slide.bounds_px)
    if len(grid) == 0:
        raise _no_tissue(tissue)
    return grid


def _grid(tissue: TissueMask, spec: TileSpec, plan: ReadPlan, downsample: float, bounds: Bounds) -> Grid:
    cells_per_side = spec.cells_per_side
    cell_px = plan.span_px / cells_per_side
    x0, y0, width, height = bounds
    # As many cells as cover the bounds, and at least one tile.
    rows = max(cells_per_side, math.ceil(height / cell_px - 1e-9))
    columns = max(cells_per_side, math.ceil(width / cell_px - 1e-9))
    y_edges, x_edges = (start + np.arange(n + 1) * cell_px for start, n in ((y0, rows), (x0, columns)))

    tissue_area, pen_area, dark_area = (
        _area_in_cells(mask, tissue.scale_px, y_edges, x_edges) for mask in (tissue.tissue, tissue.pen, tissue.dark)
    )
    tissue_fraction, pen_fraction, dark_fraction = (
        _box_sum(area, cells_per_side) / plan.span_px**2 for area in (tissue_area, pen_area, dark_area)
    )
    kept = tissue_fraction > max(spec.min_tissue, 1e-9)
    cell = np.argwhere(kept).astype(np.int32)
    level_step = plan.read_px / cells_per_side
    first = np.array([round(x0 / downsample), round(y0 / downsample)], np.int32)
    level_xy = first + np.rint(cell[:, ::-1] * level_step).astype(np.int32)
    # Background beyond the edge is like no tissue, and a picture a tile and a half wide would be judged by its corner.
    # A level's last px may lie in part beyond level 0; without it the slide's last would be in no tile.
    ends = np.array([math.ceil(end / downsample - 1e-9) for end in (x0 + width, y0 + height)], np.int32)
    level_xy = np.minimum(level_xy, np.maximum(first, ends - plan.read_px))
    return Grid(
        plan=plan,
        shape=(rows, columns),
        origin_px=(x0, y0),
        cell_px=cell_px,
        cells_per_side=cells_per_side,
        xy=_level_0_xy(level_xy, downsample),
        level_xy=level_xy,
        cell=cell,
        tissue_fraction=np.minimum(tissue_fraction[kept], 1.0).astype(np.float32),
        quality=mask_quality(tissue_fraction[kept], pen_fraction[kept], dark_fraction[kept]),
        tissue_cells=tissue_area > 0,
    )


def level_xy_of(xy: NDArray[np.integer], downsample: float) -> NDArray[np.int32]:
    """The px of a level, (..., 2), whose level-0 place `xy` a grid gives: level 0 is finer, so nothing was lost."""
    return np.rint(xy / downsample).astype(np.int32)


def _level_0_xy(level_xy: NDArray[np.integer], downsample: float) -> NDArray[np.int32]:
    return np.rint(level_xy * downsample).astype(np.int32)


def _area_in_cells(
    mask: NDArray[np.bool_], scale_px: tuple[float, float], y_edges: NDArray[np.floating], x_edges: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Level-0 area of `mask` in each cell between the edges, exact for mask px that cells cut."""
    by_row = _integral_rows(mask, y_edges / scale_px[1])
    both = _interpolate_rows(by_row.T, x_edges / scale_px[0]).T
    area = np.diff(np.diff(both, axis=0), axis=1) * scale_px[0] * scale_px[1]
    # Sums and differences of doubles: what is not a thousandth of a mask px is rounding, not tissue.
    area[area < 1e-3 * scale_px[0] * scale_px[1]] = 0.0
    return area


def _integral_rows(mask: NDArray[np.bool_], at: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rows `at` (n,), ascending, of the integral image of `mask`, (n, columns + 1). The whole image, eight bytes a
    mask px, would be the largest thing in memory."""
    at = np.clip(at, 0, mask.shape[0])
    lower = np.minimum(at.astype(np.int64), mask.shape[0] - 1)
    table = np.zeros((len(at), mask.shape[1] + 1))
    above, summed = np.zeros(mask.shape[1]), 0
    for row, (first, weight) in enumerate(zip(lower, at - lower, strict=True)):
        above += np.add.reduce(mask[summed:first], axis=0, dtype=np.int32)
        summed = first
        np.cumsum(above + weight * mask[first], out=table[row, 1:])
    return table


def _interpolate_rows(table: NDArray[np.floating], at: NDArray[np.floating]) -> NDArray[np.floating]:
    at = np.clip(at, 0, table.shape[0] - 1)
    lower = np.minimum(at.astype(np.int64), table.shape[0] - 2)
    weight = (at - lower)[:, None]
    return table[lower] * (1 - weight) + table[lower + 1] * weight


def _box_sum(cells: NDArray[np.floating], side: int) -> NDArray[np.floating]:
    """Sum over each `side` x `side` block of cells: one value a tile position."""
    if side == 1:
        return cells
    return np.lib.stride_tricks.sliding_window_view(cells, (side, side)).sum(axis=(2, 3))


def _no_tissue(tissue: TissueMask) -> SlideError:
    if tissue.grey_mm2 >= _MIN_GREY_MM2:
        return NoColourError(
            f"the slide has no colour: {tissue.grey_mm2:.1f} mm2 of it are grey, and grey pictures cannot be judged",
            hint="scan or export it in colour",
        )
    if tissue.pen.any():
        return NoTissueError(f"no tissue on the slide, only {tissue.pen_mm2:.1f} mm2 of pen marks")
    if tissue.dark_background or tissue.dark.mean() > 0.5:
        return NoTissueError("no tissue on the slide, it is mostly black")
    return NoTissueError("no tissue on the slide: nothing is stained above the colour of glass")
