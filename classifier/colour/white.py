"""The white of a picture: its brightest set to one colour, so that a camera's white balance says nothing of tissue.

In LC25000 the brightest hundredth of a tile alone, three numbers, tells normal lung from tumour in 0.966 of the tiles.
A model whose card says so sees tiles only after this, in training, in an evaluation and on slides alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WHITE = 245.0
# As many tiles of a slide or source show its glass, if anything does: solid tissue shows none.
WHITE_TILES = 16
_BRIGHTEST = 99.0
# Darker is no glass: what is bright in solid tissue must not be bleached by more than a camera might have darkened it.
_DARKEST = 200.0

White = tuple[float, float, float]
Pixels = NDArray[np.uint8]


def white_point(tiles: Sequence[Pixels] | Pixels) -> White:
    """The colour of the brightest hundredth of tiles (h, w, 3), a channel at a time; of several the brightest."""
    brightest = [_high(tile.reshape(-1, 3)) for tile in tiles]
    red, green, blue = np.clip(np.max(brightest, axis=0), _DARKEST, 255.0).round(1).tolist()
    return red, green, blue


def _high(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(3,) the percentile of pixels (n, 3), as NumPy gives it, which would import a twentieth of a second's worth."""
    place = _BRIGHTEST / 100 * (len(pixels) - 1)
    low = int(place)
    high = min(low + 1, len(pixels) - 1)
    ordered = np.partition(pixels, (low, high), axis=0)
    below, above = ordered[low].astype(np.float64), ordered[high].astype(np.float64)
    return below + (above - below) * (place - low)


def white_table(white: White, to: float = WHITE) -> Pixels:
    """(1, 256, 3) new by old value of each channel, for `cv2.LUT`: takes `white` to `to`, three times."""
    new = np.arange(256)[:, None] * (to / np.array(white))
    return np.clip(np.rint(new), 0, 255).astype(np.uint8)[None]


def set_white(pixels: Pixels, white: White, to: float = WHITE) -> Pixels:
    """`pixels` (..., 3), any number of dimensions, with `white` taken to `to`."""
    import cv2  # the process that hands slides out imports this module, and no imaging library

    rows = np.ascontiguousarray(pixels).reshape(1, -1, 3)
    return np.asarray(cv2.LUT(rows, white_table(white, to)), np.uint8).reshape(pixels.shape)
