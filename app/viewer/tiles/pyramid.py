"""A Deep Zoom pyramid over a slide: which tiles there are, and the pixels of one. Opens and encodes nothing.

Each pyramid level halves the next; the last is level 0 of the slide. A tile is read from the coarsest stored level
that is fine enough, at half its size where that will do and its reader can, and area-averaged where it is finer still.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wsi.slide import Halves, Pixels, Slide
from wsi.spacing import Level

TILE_PX = 256
# What one tile may read and hold: a slide without stored pyramid would otherwise be decoded whole for its overview.
MAX_READ_PX = 4096 * 4096
# Scanners store 4.00012 where they mean 4.
_DOWNSAMPLE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Pyramid:
    """Tiles of TILE_PX over a slide of `size_px` (width, height); levels `min_level` to `max_level`."""

    size_px: tuple[int, int]
    min_level: int
    max_level: int

    def downsample(self, level: int) -> int:
        """Level-0 px per px of a pyramid level."""
        return 1 << (self.max_level - level)

    def level_size_px(self, level: int) -> tuple[int, int]:
        """(width, height) of a pyramid level, partial px counted."""
        step = self.downsample(level)
        return (-(-self.size_px[0] // step), -(-self.size_px[1] // step))

    def grid(self, level: int) -> tuple[int, int]:
        """(columns, rows) of tiles of a pyramid level."""
        width, height = self.level_size_px(level)
        return (-(-width // TILE_PX), -(-height // TILE_PX))

    def holds(self, level: int, column: int, row: int) -> bool:
        """Whether there is such a tile."""
        if not self.min_level <= level <= self.max_level:
            return False
        columns, rows = self.grid(level)
        return 0 <= column < columns and 0 <= row < rows


def lay_pyramid(levels: Sequence[Level]) -> Pyramid:
    """The pyramid over a slide's stored levels, as far down as one tile reads at most MAX_READ_PX."""
    size_px = levels[0].size_px
    max_level = max(0, math.ceil(math.log2(max(size_px))))
    min_level = max_level
    while min_level > 0 and _read_px(levels, 1 << (max_level - min_level + 1)) <= MAX_READ_PX:
        min_level -= 1
    return Pyramid(size_px, min_level, max_level)


def read_tile(slide: Slide, pyramid: Pyramid, level: int, column: int, row: int) -> Pixels:
    """(height, width, 3) uint8 RGB of one tile; narrower at the right and bottom edges.

    `pyramid.holds(level, column, row)` must be true. Raises CorruptSlideError.
    """
    (left, right), (top, bottom) = (
        (index * TILE_PX, min((index + 1) * TILE_PX, end))
        for index, end in zip((column, row), pyramid.level_size_px(level), strict=True)
    )
    return read_box(slide, pyramid, level, (left, top, right, bottom))


def read_box(slide: Slide, pyramid: Pyramid, level: int, box: tuple[int, int, int, int]) -> Pixels:
    """(height, width, 3) uint8 RGB of a level's px (left, top, right, bottom), all inside it. Raises
    CorruptSlideError."""
    import cv2

    step, (left, top, right, bottom) = pyramid.downsample(level), box
    pixels = _read(slide, _stored_level(slide.levels, step), step, box)
    if pixels.shape[:2] == (bottom - top, right - left):
        return pixels
    return cv2.resize(pixels, (right - left, bottom - top), interpolation=cv2.INTER_AREA).astype("uint8", copy=False)


def _read(slide: Slide, stored: int, step: int, box: tuple[int, int, int, int]) -> Pixels:
    """The pyramid's px (left, top, right, bottom) from that stored level, each of them in at least one px."""
    size_px, ratio = slide.levels[stored].size_px, step / slide.levels[stored].downsample
    if ratio * (1 + _DOWNSAMPLE_TOLERANCE) >= 2 and isinstance(slide, Halves):
        half = slide.half_region(*_window(box, ratio / 2, stored, (-(-size_px[0] // 2), -(-size_px[1] // 2))))
        if half is not None:
            return half
    return slide.read_region(*_window(box, ratio, stored, size_px))


def _window(
    box: tuple[int, int, int, int], ratio: float, stored: int, ends: tuple[int, int]
) -> tuple[tuple[int, int], int, tuple[int, int]]:
    """The corner in stored px of a box of the pyramid's px, the stored level, and the size: as `read_region` asks."""
    (x0, x1), (y0, y1) = (_span(box[at], box[at + 2], ratio, ends[at]) for at in (0, 1))
    return (x0, y0), stored, (x1 - x0, y1 - y0)


def _span(start: int, stop: int, ratio: float, end: int) -> tuple[int, int]:
    """A range of pyramid px as a range of stored px, at least one px wide and inside the stored level."""
    low = min(round(start * ratio), end - 1)
    return low, max(low + 1, min(round(stop * ratio), end))


def _stored_level(levels: Sequence[Level], step: int) -> int:
    fine_enough = [i for i, level in enumerate(levels) if level.downsample <= step * (1 + _DOWNSAMPLE_TOLERANCE)]
    return max(fine_enough, key=lambda i: levels[i].downsample)


def _read_px(levels: Sequence[Level], step: int) -> float:
    stored = levels[_stored_level(levels, step)]
    side = TILE_PX * step / stored.downsample
    return min(side, stored.size_px[0]) * min(side, stored.size_px[1])
