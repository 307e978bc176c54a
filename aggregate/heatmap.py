"""From tile probabilities to the grid of cells that is drawn over the slide. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aggregate.result import Heatmap
from tiler.spec import Grid


def build_heatmap(
    grid: Grid, probabilities: NDArray[np.floating], votes: NDArray[np.bool_], slide_mpp: float
) -> Heatmap:
    """Each cell is the mean of the tiles that cover it and voted; NaN and call 0 where none did.

    `probabilities` is (n, c), `votes` (n,), in the grid's order. Cells without tissue have no call even where a
    tile of their neighbour's tissue reaches over them.
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
    call[covered] = mean[:, covered].argmax(axis=0) + 1
    return Heatmap(
        probabilities=mean,
        call=call,
        tissue=grid.tissue_cells.astype(np.uint8),
        origin_px=grid.origin_px,
        cell_px=grid.cell_px,
        cell_um=grid.cell_px * slide_mpp,
    )
