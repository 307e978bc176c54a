"""Small pictures for the list: the slide, and its call map in the same frame. Pure, but for `overview`, which reads."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from aggregate.store import StoredMap
from app.presentation import colours
from app.viewer.tiles.encoded import encode_jpeg
from app.viewer.tiles.pyramid import TILE_PX, lay_pyramid, read_tile
from wsi.slide import Slide

SIDE_PX = 96


def overview(slide: Slide) -> tuple[bool, bytes]:
    """Whether the slide has a picture that is quick to read, and it as JPEG of at most SIDE_PX a side.

    Where the slide stores no small level it has none: a list must not decode whole slides.
    """
    import cv2

    pyramid = lay_pyramid(slide.levels)
    level = max(pyramid.min_level, pyramid.max_level - _halvings(slide.size_px))
    if not pyramid.holds(level, 0, 0) or pyramid.holds(level, 1, 0) or pyramid.holds(level, 0, 1):
        return False, b""
    pixels = read_tile(slide, pyramid, level, 0, 0)
    size = fitted((pixels.shape[1], pixels.shape[0]))
    return True, encode_jpeg(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False))


def fitted(size_px: tuple[int, int], side_px: int = SIDE_PX) -> tuple[int, int]:
    """(width, height) of the same shape, the longer side `side_px`."""
    scale = side_px / max(size_px)
    return max(1, round(size_px[0] * scale)), max(1, round(size_px[1] * scale))


def call_picture(stored: StoredMap) -> NDArray[np.uint8]:
    """(height, width, 4) uint8: each call in its colour where it lies on the slide, silent tissue grey, glass clear."""
    palette = colours.class_colours(stored.classes, stored.background, stored.tissues)
    table = np.zeros((256, 4), np.uint8)
    for index, colour in enumerate(palette.values(), start=1):
        table[index] = (*colours.rgb(colour), 255)
    cells = table[stored.call]
    cells[(stored.tissue != 0) & (stored.call == 0)] = (*colours.rgb(colours.NOT_RECOGNISED), 255)
    width, height = fitted(stored.size_px)
    columns = _cells_of(width, stored.size_px[0] / width, stored.origin_px[0], stored.cell_px)
    rows = _cells_of(height, stored.size_px[1] / height, stored.origin_px[1], stored.cell_px)
    inside = ((rows >= 0) & (rows < cells.shape[0]))[:, None] & ((columns >= 0) & (columns < cells.shape[1]))
    picked = cells[rows.clip(0, cells.shape[0] - 1)[:, None], columns.clip(0, cells.shape[1] - 1)]
    return np.where(inside[..., None], picked, 0).astype(np.uint8)


def encode_small_png(picture: NDArray[np.uint8]) -> bytes:
    """(height, width, 4) uint8 as PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def _cells_of(count: int, step_px: float, origin_px: int, cell_px: float) -> NDArray[np.intp]:
    """The number of the cell under the middle of each of `count` picture px."""
    middles = (np.arange(count) + 0.5) * step_px
    return np.floor((middles - origin_px) / cell_px).astype(np.intp)


def _halvings(size_px: tuple[int, int]) -> int:
    """How often a slide is halved until one tile of the pyramid holds it."""
    return max(0, int(np.ceil(np.log2(max(size_px) / TILE_PX))))
