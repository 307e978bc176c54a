"""Windows of pixels: what of a requested region lies on the image, white for the rest, and area-averaged overviews."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Pair = tuple[int, int]

# An overview is made from bands of about this many pixels, so that a slide without a small level fits in memory.
_BAND_PIXELS = 8_000_000


def clip(corner: Pair, size_px: Pair, image_px: Pair) -> tuple[Pair, Pair, Pair] | None:
    """The part of a region that lies on an image of `image_px`; all pairs are (x, y) or (width, height).

    Returns (offset within the region, corner on the image, size), or None where they do not meet. Raises ValueError
    for a size below zero.
    """
    if min(size_px) < 0:
        raise ValueError(f"a region cannot be {size_px[0]} by {size_px[1]} px")
    first = (max(0, corner[0]), max(0, corner[1]))
    last = (min(corner[0] + size_px[0], image_px[0]), min(corner[1] + size_px[1], image_px[1]))
    size = (last[0] - first[0], last[1] - first[1])
    if min(size) <= 0:
        return None
    return (first[0] - corner[0], first[1] - corner[1]), first, size


def white(size_px: Pair) -> Pixels:
    """(height, width, 3) of 255 for a size (width, height)."""
    return np.full((size_px[1], size_px[0], 3), 255, np.uint8)


def on_white(rgba: NDArray[np.uint8]) -> Pixels:
    """(height, width, 4) pixels, not premultiplied, laid on white: (height, width, 3)."""
    alpha = rgba[..., 3]
    rgb = cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)
    if alpha.min() == 255:
        return np.asarray(rgb, np.uint8)
    share = alpha[..., None].astype(np.uint16)
    return ((rgb * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)


def shrink_to(size_px: Pair, max_px: int) -> Pair:
    """(width, height) of the same shape whose longer side is at most `max_px`; never larger than `size_px`."""
    if max_px < 1:
        raise ValueError("an overview needs at least one pixel")
    scale = min(1.0, max_px / max(size_px))
    return (max(1, round(size_px[0] * scale)), max(1, round(size_px[1] * scale)))


def overview(read: Callable[[Pair, Pair], Pixels], image_px: Pair, target_px: Pair) -> Pixels:
    """An image of `image_px`, read by `read(corner, size)` in bands, area-averaged to `target_px`."""
    (width, height), (columns, rows) = image_px, target_px
    if image_px == target_px:
        return read((0, 0), image_px)
    rows_per_band = max(1, math.floor(_BAND_PIXELS / width * rows / height))
    small = np.empty((rows, columns, 3), np.uint8)
    for first in range(0, rows, rows_per_band):
        last = min(rows, first + rows_per_band)
        top, bottom = first * height // rows, max(first * height // rows + 1, last * height // rows)
        band = read((0, top), (width, bottom - top))
        cv2.resize(band, (columns, last - first), dst=small[first:last], interpolation=cv2.INTER_AREA)
    return small
