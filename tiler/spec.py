"""What a model wants to be shown, and what the tiler hands over. Data only.

Arrays are named in types alone: who only checks a spec loads no NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING

from wsi.errors import UsageError
from wsi.spacing import ReadPlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TileSpec:
    """A square tile: `size_px` pixels at `mpp` um per px.

    `overlap` is the share of a tile's side that the next tile repeats: 0, 1/2, 2/3, 3/4, ..., so that a tile is a
    whole number of grid cells wide. A tile is kept when more than `min_tissue` of its area is tissue; 0 keeps
    every tile that holds a tissue pixel.
    """

    size_px: int
    mpp: float
    overlap: float = 0.0
    min_tissue: float = 0.0

    def __post_init__(self) -> None:
        if not (16 <= self.size_px <= 4096):
            raise UsageError(f"a tile of {self.size_px} px is outside 16 to 4096")
        if not (0.0 <= self.overlap < 1.0) or abs(1.0 / (1.0 - self.overlap) - self.cells_per_side) > 1e-6:
            raise UsageError(f"overlap {self.overlap:g} is not one of 0, 1/2, 2/3, 3/4, ...")
        if not (0.0 <= self.min_tissue < 1.0):
            raise UsageError(f"min_tissue {self.min_tissue:g} is outside 0 to 1")

    @property
    def cells_per_side(self) -> int:
        """Grid cells that one tile covers along a side."""
        return cells_per_side(self.overlap)


def cells_per_side(overlap: float) -> int:
    """Grid cells that a tile covers along a side, where the next tile repeats the share `overlap` (0 to under 1)."""
    return round(1.0 / (1.0 - overlap))


class TileQuality(IntFlag):
    """Bit flags of `tiles/quality`; 0 is good. A flagged tile is kept, shown and does not vote."""

    GOOD = 0
    BLUR = 1
    PEN = 2
    DARK = 4
    EDGE = 8


@dataclass(frozen=True)
class Grid:
    """Tiles in reading order. n tiles on `shape` (rows, columns) of grid cells.

    A cell is the square of side `cell_px` level-0 px (float); cell (r, c) has its top-left corner at
    `origin_px` + (c, r) * cell_px. Tile i starts in cell `cell[i]` = (row, column) and covers
    cells_per_side x cells_per_side cells (one, without overlap).
    """

    plan: ReadPlan
    shape: tuple[int, int]
    origin_px: tuple[int, int]
    cell_px: float
    cells_per_side: int
    xy: NDArray[np.int32]  # (n, 2) level-0 px, top-left, (x, y)
    level_xy: NDArray[np.int32]  # (n, 2) px of plan.level, top-left, (x, y)
    cell: NDArray[np.int32]  # (n, 2) row, column
    tissue_fraction: NDArray[np.float32]  # (n,) share of the tile's area that is tissue
    quality: NDArray[np.uint8]  # (n,) TileQuality, as far as the masks tell
    tissue_cells: NDArray[np.bool_]  # shape: cells that hold tissue

    def __len__(self) -> int:
        return len(self.xy)


@dataclass(frozen=True)
class TileBatch:
    """Tiles `start` to `start + len(pixels)` of a grid. `pixels` is (b, size, size, 3) uint8 RGB."""

    start: int
    pixels: NDArray[np.uint8]
    quality: NDArray[np.uint8]  # (b,) TileQuality; blur as far as a tile alone tells
    details: NDArray[np.float32]  # (b, cells), see `quality.out_of_focus`
