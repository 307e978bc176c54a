"""Whether a tile can be judged at all. Pen, dark and edge are read off the masks, blur off the tile's own pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tiler.ranks import median, quantile
from tiler.spec import TileQuality

# A tile with less tissue shows mostly glass; one over the slide's edge mostly nothing.
MIN_TISSUE_TO_JUDGE = 0.25
_MAX_PEN = 0.02
_MAX_DARK = 0.10
# Fine over coarse detail, in cells of a tile: how much of it is gone says how far out of focus it is, whatever the
# tissue is. Of 652 tiles of 38 sources none has less than 0.2, and none less than 0.18 after a blur of sigma 1 px;
# after 2 px all of the soft ones (LC25000) and 39% of the sharp, after 3 px 98% of those.
CELLS_PER_SIDE = 4
_FINE_PX, _COARSE_PX = 3, 9
_MIN_SHARPNESS = 0.18
# Grey levels; with less there is nothing to be sharp.
_MIN_COARSE_DETAIL = 1.0
# A cell out of focus has less than this of what the sharper part of the slide's own tissue has; of those tiles 4 of
# 10,000 cells have, and no tile has more than a quarter of such cells, which makes it out of focus.
_OWN_QUANTILE = 0.75
_OWN_SHARE = 0.45
_MAX_SOFT_CELLS = 0.25
_LEAST_SOFT_CELLS = 2
_LEAST_CELLS = 64
# Focus of a tile that is just sharp enough.
FOCUS_THRESHOLD = 0.5


def mask_quality(
    tissue_fraction: NDArray[np.floating],
    pen_fraction: NDArray[np.floating],
    dark_fraction: NDArray[np.floating],
) -> NDArray[np.uint8]:
    """(n,) TileQuality flags from the shares of each tile's area, all (n,)."""
    flags = np.zeros(len(tissue_fraction), np.uint8)
    flags[tissue_fraction < MIN_TISSUE_TO_JUDGE] |= np.uint8(TileQuality.EDGE)
    flags[pen_fraction > _MAX_PEN] |= np.uint8(TileQuality.PEN)
    flags[dark_fraction > _MAX_DARK] |= np.uint8(TileQuality.DARK)
    return flags


def detail(tile: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(CELLS_PER_SIDE ** 2,) fine over coarse detail in the cells of a tile (h, w, 3); NaN where there is hardly any.

    What a second, stronger blur takes away against what a first, slight one takes (after Crete et al. 2007).
    """
    grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY)
    soft, softer = (cv2.blur(grey, (side, side)) for side in (_FINE_PX, _COARSE_PX))
    fine, coarse = (_in_cells(cv2.absdiff(*pair)) for pair in ((grey, soft), (soft, softer)))
    return np.where(coarse > _MIN_COARSE_DETAIL, fine / np.maximum(coarse, 1e-3), np.nan).astype(np.float32).ravel()


def _in_cells(plane: cv2.typing.MatLike) -> NDArray[np.float32]:
    """(CELLS_PER_SIDE, CELLS_PER_SIDE) means of a uint8 plane over the cells of a tile, in float32."""
    height, width = plane.shape
    rows, columns = height // CELLS_PER_SIDE, width // CELLS_PER_SIDE
    if (rows * CELLS_PER_SIDE, columns * CELLS_PER_SIDE) != (height, width):
        cells = (CELLS_PER_SIDE, CELLS_PER_SIDE)
        return np.asarray(cv2.resize(plane.astype(np.float32), cells, interpolation=cv2.INTER_AREA), np.float32)
    # Whole px a cell: the same figures, since a cell's sum is whole in float32 too, at half the price.
    corners = cv2.integral(plane)[::rows, ::columns]
    across = corners[:, 1:] - corners[:, :-1]
    return (across[1:] - across[:-1]).astype(np.float32) * np.float32(1.0 / (rows * columns))


def sharpness(details: NDArray[np.float32]) -> float:
    """Of a tile with these `details`, the median of its cells; infinite for one without contrast, which is nothing to
    call blurred."""
    told = details[np.isfinite(details)]
    return float(median(told)) if len(told) else float("inf")


def usual_detail(details: NDArray[np.float32]) -> float:
    """Of the tiles of a slide, `details` (n, cells), the median cell's; NaN where none has contrast."""
    told = details[np.isfinite(details)]
    return float(median(told)) if len(told) else float("nan")


def details(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, cells) `detail` of tiles (n, h, w, 3)."""
    return np.stack([detail(tile) for tile in tiles])


def blur_flags(details: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(n,) TileQuality.BLUR or 0 for tiles with these `details` (n, cells): blurred on any slide."""
    blurred = np.fromiter((sharpness(tile) < _MIN_SHARPNESS for tile in details), np.bool_, len(details))
    return blurred.astype(np.uint8) * np.uint8(TileQuality.BLUR)


def out_of_focus(details: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(n,) TileQuality.BLUR or 0 for all the tiles of a slide, (n, cells): in part less sharp than the rest of it.

    Says nothing of a slide that is too small to have a sharpness of its own.
    """
    told = np.isfinite(details)
    if told.sum() < _LEAST_CELLS:
        return np.zeros(len(details), np.uint8)
    soft = told & (details < _OWN_SHARE * quantile(details[told], _OWN_QUANTILE))
    count = soft.sum(axis=1)
    blurred = (count > _MAX_SOFT_CELLS * told.sum(axis=1)) & (count >= _LEAST_SOFT_CELLS)
    return blurred.astype(np.uint8) * np.uint8(TileQuality.BLUR)


def focus(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n,) 0 to 1 for tiles (n, h, w, 3): sharpness on the scale of familiarity, FOCUS_THRESHOLD where blur begins."""
    sharp = np.fromiter((sharpness(detail(tile)) for tile in tiles), np.float64, len(tiles))
    return (1.0 - _MIN_SHARPNESS / (sharp + _MIN_SHARPNESS)).astype(np.float32)
