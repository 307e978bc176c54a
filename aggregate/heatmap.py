"""From tile probabilities to the grid of cells that is drawn over the slide. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aggregate.result import Heatmap, SlideResult
from tiler.spec import Grid

_ROUNDING = 0.02  # of a cell: a tile's place is whole px of a reduced level


def build_heatmap(
    grid: Grid,
    probabilities: NDArray[np.floating],
    votes: NDArray[np.bool_],
    slide_mpp: float,
    tumour: NDArray[np.bool_] | None = None,
) -> Heatmap:
    """Each cell is the mean of the tiles that cover it and voted; NaN and call 0 where none did.

    `probabilities` is (n, c), `votes` (n,), in the grid's order; `tumour` (c,) tells which outputs are one. Cells
    without tissue have no call even where a tile of their neighbour's tissue reaches over them.
    """
    rows, columns = grid.shape
    n_classes = probabilities.shape[1]
    total = np.zeros((n_classes, rows, columns))
    count = np.zeros((rows, columns))
    row, column = grid.cell[votes].T
    for down in range(grid.cells_per_side):
        for across in range(grid.cells_per_side):
            np.add.at(count, (row + down, column + across), 1)
            for c in range(n_classes):
                np.add.at(total[c], (row + down, column + across), probabilities[votes, c])
    covered = (count > 0) & grid.tissue_cells
    mean = np.full(total.shape, np.nan, np.float32)
    mean[:, covered] = (total[:, covered] / count[covered]).astype(np.float32)
    call = np.zeros((rows, columns), np.uint8)
    call[covered] = likeliest(mean[:, covered].T, tumour) + 1
    return Heatmap(
        probabilities=mean,
        call=call,
        tissue=grid.tissue_cells.astype(np.uint8),
        origin_px=grid.origin_px,
        cell_px=grid.cell_px,
        cell_um=grid.cell_px * slide_mpp,
    )


def likeliest(
    probabilities: NDArray[np.floating], tumour: NDArray[np.bool_] | tuple[bool, ...] | None = None
) -> NDArray[np.intp]:
    """(n,) the output that each row of (n, c) is told as.

    Where `tumour` (c,) is given, kinds without tumour count together first: a cell of 0.3 stroma,
    0.3 lymphoid tissue and 0.4 tumour is more likely none.
    """
    tumour = None if tumour is None else np.asarray(tumour, np.bool_)
    if tumour is None or (~tumour).sum() < 2 or not len(probabilities):
        return probabilities.argmax(axis=1)
    without = probabilities[:, ~tumour].sum(axis=1)
    shown = np.where(tumour, probabilities, -1.0)
    of_tissue = np.where(~tumour, probabilities, -1.0).argmax(axis=1)
    return np.where(shown.max(axis=1) > without, shown.argmax(axis=1), of_tissue)


def tile_cells(result: SlideResult) -> NDArray[np.int64]:
    """(n, 2): row and column of each tile's first cell. The last tile of a row or column was read inwards, by less than
    a cell: it is of the cell that its place lies before."""
    start = (result.tiles.xy - np.array(result.heatmap.origin_px)) / result.heatmap.cell_px
    near = np.round(start)
    cells = np.where(np.abs(start - near) <= _ROUNDING, near, np.ceil(start))
    return cells.astype(np.int64)[:, ::-1]
