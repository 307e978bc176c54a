"""A slide whose levels are plain grids of tiles: regions are pieced together here, who inherits decodes a tile.

Decoded tiles are kept for a while, in one store for all slides of the process. Nothing here opens a file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from operator import sub
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, Self

import numpy as np

from wsi.errors import SlideTooLargeError
from wsi.identity import SlideFiles
from wsi.readers.openslide import MAX_REGION_PIXELS
from wsi.readers.tiled.cache import TileCache
from wsi.region import Pair, Pixels, clip, overview, shrink_to, white
from wsi.slide import Slide
from wsi.spacing import Level, Spacing

# One for all slides of the process, so that a viewer with many open needs no more than a worker with one. Holds two
# rows of 256 px tiles across the widest slides at their finest level, one and a half hundred thousand px.
_DECODED = TileCache(256 * 2**20)

# Where OpenSlide blends neighbouring px of a level (its downsample is not whole) tiles are alike, not equal. A wrong
# colour space gives a mean difference of 50.
_MAX_BLEND_DIFFERENCE = 6.0


def unlike(ours: Pixels, theirs: Pixels, *, stored: bool, rounding: int = 0) -> bool:
    """Whether a tile (height, width, 3) is another one than OpenSlide's. `stored`: that gives px as they are stored,
    and none may lie more than `rounding` grey levels apart."""
    difference = np.abs(ours.astype(np.int16) - theirs)
    return int(difference.max()) > rounding if stored else float(difference.mean()) >= _MAX_BLEND_DIFFERENCE


class TileGrid(Protocol):
    """How a level is cut: tiles of `tile_px` (width, height) in reading order, the first at the level's corner."""

    @property
    def size_px(self) -> Pair: ...

    @property
    def tile_px(self) -> Pair: ...

    @property
    def columns(self) -> int: ...


class TiledSlide(ABC):
    """What tiled slides have in common. `_identity` is shared by all handles that decode the same px."""

    path: Path
    files: SlideFiles
    size_px: Pair
    levels: tuple[Level, ...]
    spacing: Spacing
    bounds_px: tuple[int, int, int, int]
    metadata: Mapping[str, str | float | int | bool]
    _identity: object

    @abstractmethod
    def _grid(self, level: int) -> TileGrid:
        """How that level is cut."""

    @abstractmethod
    def _decode(self, level: int, index: int, into: Pixels) -> None:
        """Writes the tile of that number, (height, width, 3). Raises SlideError."""

    @abstractmethod
    def _check_open(self) -> None:
        """Raises ValueError where the slide is closed."""

    @abstractmethod
    def close(self) -> None:
        """See `wsi.slide.Slide.close`; once more does nothing."""

    def _describe(self, slide: Slide, metadata: Mapping[str, str | float | int | bool]) -> None:
        """Tells of this slide what `slide` does, and `metadata`."""
        self.path, self.files, self.size_px, self.levels = slide.path, slide.files, slide.size_px, slide.levels
        self.spacing, self.bounds_px = slide.spacing, slide.bounds_px
        self.metadata = MappingProxyType(dict(metadata))

    def _describe_by_levels(
        self, path: Path, sizes_px: Sequence[Pair], spacing: Spacing, metadata: Mapping[str, str | float | int | bool]
    ) -> None:
        """Tells of a slide that no library describes: levels of these sizes, to be read before their scale is known."""
        self.path, self.spacing, self.size_px = path, spacing, sizes_px[0]
        self.levels = tuple(Level(size_px, 1.0) for size_px in sizes_px)
        self.bounds_px = (0, 0, *self.size_px)
        self.metadata = MappingProxyType(dict(metadata))

    def read_region(self, level_xy: Pair, level: int, size_px: Pair) -> Pixels:
        """See `wsi.slide.Slide.read_region`. Stored pixels, whatever the level's downsample."""
        if not 0 <= level < len(self.levels):
            raise IndexError(f"the slide has levels 0 to {len(self.levels) - 1}, not {level}")
        self._check_open()
        window = clip(level_xy, size_px, self.levels[level].size_px)
        if window is None:
            return white(size_px)
        (left, top), corner, (width, height) = window
        if width * height > MAX_REGION_PIXELS:
            raise SlideTooLargeError(
                f"{self.path.name}: a region of {width} x {height} px is too large to read at once"
            )
        whole = (width, height) == tuple(size_px)
        region = np.empty((height, width, 3), np.uint8) if whole else white(size_px)
        part = region[top : top + height, left : left + width]
        self._fill(part, corner, level)
        return region

    def _fill(self, part: Pixels, corner: Pair, level: int) -> None:
        """Copies into `part` what is stored from `corner` on."""
        grid = self._grid(level)
        lay_tiles(part, corner, grid.tile_px, grid.columns, (self._identity, level), partial(self._decode, level))

    def thumbnail(self, max_px: int) -> Pixels:
        """See `wsi.slide.Slide.thumbnail`: area-averaged from the coarsest level that is large enough."""
        target = shrink_to(self.size_px, max_px)
        fitting = [i for i, level in enumerate(self.levels) if min(map(sub, level.size_px, target)) >= 0]
        level = max(fitting, key=lambda i: self.levels[i].downsample, default=0)
        return overview(lambda corner, size: self.read_region(corner, level, size), self.levels[level].size_px, target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def lay_tiles(
    part: Pixels, corner: Pair, tile_px: Pair, columns: int, key: Hashable, decode: Callable[[int, Pixels], None]
) -> None:
    """Copies into `part` (height, width, 3) what tiles of `tile_px` hold from `corner` on, `columns` of them a row.

    `decode` writes the tile of a number, where none is kept under `key`; what it raises comes through.
    """
    (x, y), (tile_width, tile_height) = corner, tile_px
    shape, cut_across = (tile_height, tile_width, 3), list(_cuts(x, part.shape[1], tile_width))
    for row, rows, tile_rows in _cuts(y, part.shape[0], tile_height):
        for column, across, tile_across in cut_across:
            index = row * columns + column
            with _DECODED.tile((key, index), shape, partial(decode, index)) as tile:
                part[rows, across] = tile[tile_rows, tile_across]


def _cuts(start: int, length: int, side: int) -> Iterator[tuple[int, slice, slice]]:
    """The tiles of `side` px that cover `length` px from `start`: number, slice of the region, slice of the tile."""
    for tile in range(start // side, -(-(start + length) // side)):
        first, last = max(start, tile * side), min(start + length, (tile + 1) * side)
        yield tile, slice(first - start, last - start), slice(first - tile * side, last - tile * side)
