"""A result's cells as the browser draws them: what each is called, why it is silent, how likely each output is; packed.

Pure: reads no file, and chooses no colours. The browser makes its layers of these, so that a choice asks nobody.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from aggregate.heatmap import tile_cells
from aggregate.result import SlideResult
from tiler.spec import TileQuality

Mask = NDArray[np.bool_]

# A probability of 1, of 16 bits; the value above says that there is none.
SCALE, ABSENT = 65534, 65535


class Silence(IntEnum):
    """Why tissue has no call. Of two flaws the one that is told is the one that weighs more: the last."""

    NONE = 0
    NOT_RECOGNISED = 1
    EDGE = 2
    DARK = 3
    BLUR = 4
    PEN = 5


FLAWS = {
    Silence.EDGE: TileQuality.EDGE,
    Silence.DARK: TileQuality.DARK,
    Silence.BLUR: TileQuality.BLUR,
    Silence.PEN: TileQuality.PEN,
}


def covered(result: SlideResult, tiles: Mask) -> Mask:
    """(rows, columns): the cells under those of the tiles, (n,), that are chosen."""
    heatmap = result.heatmap
    mask: Mask = np.zeros(heatmap.call.shape, np.bool_)
    corners = tile_cells(result)[tiles]
    rows, columns = heatmap.call.shape
    for down in range(result.provenance.tile.cells_per_side):
        for across in range(result.provenance.tile.cells_per_side):
            row, column = corners[:, 0] + down, corners[:, 1] + across
            inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
            mask[row[inside], column[inside]] = True
    return mask


def silences(result: SlideResult) -> NDArray[np.uint8]:
    """(rows, columns) of `Silence`: 0 where there is a call, or no tissue."""
    silent = (result.heatmap.tissue != 0) & (result.heatmap.call == 0)
    found = np.where(silent, np.uint8(Silence.NOT_RECOGNISED), np.uint8(0))
    for silence, flag in FLAWS.items():
        found[silent & covered(result, (result.tiles.quality & np.uint8(flag)) > 0)] = silence
    return found


def packed(
    result: SlideResult,
    silence: NDArray[np.uint8],
    marks: Mapping[str, Mask],
    attention: NDArray[np.floating] | None = None,
) -> str:
    """Deflated, in base64: probabilities (outputs, rows, columns) and, where there is one, the shade of the attention
    (rows, columns; 0 to 1, NaN: none) as uint16, little-endian; then calls, silences (rows, columns), tissue and each
    mark as uint8."""
    heatmap = result.heatmap
    planes = _scaled(heatmap.probabilities)
    if attention is not None:
        planes += _scaled(attention)
    for plane in (heatmap.call, silence, heatmap.tissue, *marks.values()):
        planes += np.ascontiguousarray(plane, np.uint8).tobytes()
    return base64.b64encode(zlib.compress(planes)).decode()


def _scaled(shares: NDArray[np.floating]) -> bytes:
    known = np.isfinite(shares)
    return np.where(known, np.round(np.where(known, shares, 0.0) * SCALE), ABSENT).astype("<u2").tobytes()
