"""The few tiles that show most of a slide at once, taken from one small picture of it that is kept while it is open.

Each of them would have the coarsest stored level decoded whole: 15 to 20 ms a tile, where any other takes one.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from app.viewer.tiles.pyramid import TILE_PX, Pyramid, read_box
from wsi.errors import SlideError
from wsi.slide import Pixels, Slide

# What is decoded for the picture, and what is kept of it: 6 MB a slide.
_MOST_READ_PX = 8_000_000
_MOST_KEPT_PX = 2_000_000
# The stored level itself is served tile by tile; from half its size on it is read whole too often.
_COARSER = 1.99

# None where the picture can't be had: a damaged tile must not take the sound ones with it.
_kept: WeakKeyDictionary[Slide, Pixels | None] = WeakKeyDictionary()


def overview_tile(slide: Slide, pyramid: Pyramid, level: int, column: int, row: int) -> Pixels | None:
    """(height, width, 3) uint8 RGB of one tile that is held; None where it is finer than the picture, or there is
    none."""
    import cv2

    base = _base_level(slide, pyramid)
    if base is None or level > base:
        return None
    if slide not in _kept:
        _kept[slide] = _picture(slide, pyramid, base)
    picture = _kept[slide]
    if picture is None:
        return None
    step = 1 << (base - level)
    width, height = pyramid.level_size_px(level)
    (left, top), (right, bottom) = (
        (column * TILE_PX, row * TILE_PX),
        (min((column + 1) * TILE_PX, width), min((row + 1) * TILE_PX, height)),
    )
    part = picture[top * step : bottom * step, left * step : right * step]
    if step == 1:
        return part
    return cv2.resize(part, (right - left, bottom - top), interpolation=cv2.INTER_AREA).astype("uint8", copy=False)


def _base_level(slide: Slide, pyramid: Pyramid) -> int | None:
    """The finest pyramid level that the picture serves; None where the coarsest stored level is too large for one."""
    coarsest = max(slide.levels, key=lambda level: level.downsample)
    if coarsest.size_px[0] * coarsest.size_px[1] > _MOST_READ_PX:
        return None
    for level in range(pyramid.max_level, pyramid.min_level - 1, -1):
        width, height = pyramid.level_size_px(level)
        if pyramid.downsample(level) / coarsest.downsample >= _COARSER and width * height <= _MOST_KEPT_PX:
            return level
    return None


def _picture(slide: Slide, pyramid: Pyramid, level: int) -> Pixels | None:
    try:
        return read_box(slide, pyramid, level, (0, 0, *pyramid.level_size_px(level)))
    except SlideError:
        return None
