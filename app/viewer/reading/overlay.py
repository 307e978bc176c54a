"""Heatmap to picture: one RGBA px a cell, and where the picture lies on the slide. Pure; draws no slide, reads no file.

The browser enlarges the picture with nearest neighbours, so a cell stays a crisp square at every zoom.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aggregate.result import Heatmap
from app.presentation import colours

Rgba = NDArray[np.uint8]

# A probability of 0 keeps a pale tint of the class: analysed tissue stays told apart from glass.
_FAINTEST = 0.12
TISSUE_COLOUR = "#3B6FB6"


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


def call_layer(heatmap: Heatmap, class_colours: Sequence[str]) -> Rgba:
    """(rows, columns, 4): each cell in the colour of its call; `class_colours` are ``#RRGGBB``, one a class."""
    table = np.zeros((len(class_colours) + 1, 4), np.uint8)
    for index, colour in enumerate(class_colours):
        table[index + 1] = (*colours.rgb(colour), 255)
    return table[heatmap.call]


def probability_layer(heatmap: Heatmap, index: int, colour: str) -> Rgba:
    """(rows, columns, 4): `colour` where tiles voted, the more opaque the likelier class `index` is."""
    probability = heatmap.probabilities[index]
    known = np.isfinite(probability)
    alpha = _FAINTEST + (1 - _FAINTEST) * np.where(known, probability, 0.0)
    layer = np.zeros((*probability.shape, 4), np.uint8)
    layer[known, :3] = colours.rgb(colour)
    layer[..., 3] = np.where(known, np.round(255 * alpha), 0)
    return layer


def tissue_layer(heatmap: Heatmap) -> Rgba:
    """(rows, columns, 4): the cells that hold tissue, in one colour."""
    layer = np.zeros((*heatmap.tissue.shape, 4), np.uint8)
    layer[heatmap.tissue != 0] = (*colours.rgb(TISSUE_COLOUR), 255)
    return layer


def silent_layer(heatmap: Heatmap) -> Rgba:
    """(rows, columns, 4): opaque where there is tissue and no call (not recognised, or of poor quality)."""
    layer = np.zeros((*heatmap.call.shape, 4), np.uint8)
    layer[(heatmap.tissue != 0) & (heatmap.call == 0)] = (*colours.rgb(colours.NOT_RECOGNISED), 255)
    return layer


def encode_png(layer: Rgba) -> bytes:
    """A layer as PNG, lossless."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(layer).save(file, "PNG")
    return file.getvalue()
