"""Where the cells of a heatmap lie on the slide, and which of them holds a point. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aggregate.result import Heatmap


@dataclass(frozen=True)
class Placement:
    """A rectangle on the slide, level-0 px. It may reach beyond the slide."""

    x: float
    y: float
    width: float
    height: float


def placement(heatmap: Heatmap) -> Placement:
    """What all cells of a heatmap cover."""
    rows, columns = heatmap.call.shape
    x, y = heatmap.origin_px
    return Placement(x, y, columns * heatmap.cell_px, rows * heatmap.cell_px)


def cell_placement(heatmap: Heatmap, row: int, column: int) -> Placement:
    """What one cell covers."""
    x, y = heatmap.origin_px
    return Placement(x + column * heatmap.cell_px, y + row * heatmap.cell_px, heatmap.cell_px, heatmap.cell_px)


def cell_at(heatmap: Heatmap, x: float, y: float) -> tuple[int, int] | None:
    """(row, column) of the cell that holds a level-0 point, None outside the heatmap."""
    column = int(np.floor((x - heatmap.origin_px[0]) / heatmap.cell_px))
    row = int(np.floor((y - heatmap.origin_px[1]) / heatmap.cell_px))
    rows, columns = heatmap.call.shape
    return (row, column) if 0 <= row < rows and 0 <= column < columns else None
