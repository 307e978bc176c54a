"""The fast path: tiled JPEG TIFF (Aperio SVS, generic pyramids), each stored tile decoded once and kept for a while.

What the slide is (levels, spacing, bounds, metadata) is OpenSlide's word; only pixels are read here, and a few tiles
are compared with OpenSlide's at opening. On any doubt the file is left to OpenSlide.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import sub
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np
import openslide

from wsi.errors import CorruptSlideError, SlideTooLargeError
from wsi.identity import SlideFiles
from wsi.readers.jpeg_tile import OddJpegError, decode_tile, shared_head
from wsi.readers.openslide import MAX_REGION_PIXELS, OpenSlideReader
from wsi.readers.tiff_directory import FastPathDoubtError, TiledJpeg, tiled_jpegs
from wsi.readers.tile_cache import TileCache
from wsi.region import clip, overview, shrink_to, white
from wsi.slide import Pixels
from wsi.spacing import Level, Spacing

# OpenSlide's names of the formats whose levels are plain grids of tiles, without overlap or offset.
_FORMATS = ("aperio", "generic-tiff")
# One for all slides of the process, so that a viewer with many open needs no more than a worker with one. Holds two
# rows of 256 px tiles across the widest slides at their finest level, one and a half hundred thousand px.
_DECODED = TileCache(256 * 2**20)
# Where OpenSlide blends neighbouring px of a level (its downsample is not whole) tiles are alike, not equal. A wrong
# colour space gives a mean difference of 50.
_MAX_BLEND_DIFFERENCE = 6.0

Pair = tuple[int, int]


def recognises(path: Path) -> bool:
    """Whether OpenSlide takes the file for a format that may hold plain tiled JPEG."""
    try:
        return openslide.OpenSlide.detect_format(str(path)) in _FORMATS
    except openslide.OpenSlideError:
        return False


class TiffJpegReader:
    """A slide of JPEG tiles. Raises FastPathDoubtError where OpenSlide should read it, else as OpenSlideReader does."""

    backend = "tiff-jpeg"

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        with OpenSlideReader(path, mpp) as known:
            self._given_mpp = mpp
            self._describe(known, known.metadata)
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._openslide: OpenSlideReader | None = None
            try:
                self.files.check()  # what was opened twice must be one file
                self._stored = _stored_levels(self._fd, known)
                self._identity = object()
                checked = self._verify(known)
            except BaseException:
                self.close()
                raise
            note = f"{self.backend} (verified on {checked} tiles)"
            self._describe(known, {**known.metadata, "reader": note})

    def _describe(
        self, slide: OpenSlideReader | TiffJpegReader, metadata: Mapping[str, str | float | int | bool]
    ) -> None:
        self.path: Path = slide.path
        self.files: SlideFiles = slide.files
        self.size_px: Pair = slide.size_px
        self.levels: tuple[Level, ...] = slide.levels
        self.spacing: Spacing = slide.spacing
        self.bounds_px: tuple[int, int, int, int] = slide.bounds_px
        self.metadata: Mapping[str, str | float | int | bool] = MappingProxyType(dict(metadata))

    def read_region(self, level_xy: Pair, level: int, size_px: Pair) -> Pixels:
        """See `wsi.slide.Slide.read_region`. Stored pixels, whatever the level's downsample."""
        if not 0 <= level < len(self.levels):
            raise IndexError(f"the slide has levels 0 to {len(self.levels) - 1}, not {level}")
        if self._fd < 0:
            raise ValueError("the slide is closed")
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
        stored = self._stored[level].tiles
        (x, y), (tile_width, tile_height) = corner, stored.tile_px
        shape = (tile_height, tile_width, 3)
        for row, rows, tile_rows in _cuts(y, part.shape[0], tile_height):
            for column, columns, tile_columns in _cuts(x, part.shape[1], tile_width):
                index = row * stored.columns + column
                key = (self._identity, level, index)
                with _DECODED.tile(key, shape, partial(self._decode, level, index)) as tile:
                    part[rows, columns] = tile[tile_rows, tile_columns]

    def _decode(self, level: int, index: int, into: Pixels) -> None:
        """Writes a stored tile; one that is missing or odd as OpenSlide paints it, or raises its CorruptSlideError."""
        stored = self._stored[level]
        tiles = stored.tiles
        offset, length = int(tiles.offsets[index]), int(tiles.lengths[index])
        if 0 < length <= stored.longest_bytes:
            try:
                decode_tile(stored.head, os.pread(self._fd, length, offset), into)
                return
            except (OddJpegError, OSError, OverflowError):
                pass  # OpenSlide is lenient with some damage, and has the words for the rest
        row, column = divmod(index, tiles.columns)
        if self._openslide is None:
            self.files.check()
            self._openslide = OpenSlideReader(self.path, self._given_mpp)
        corner = (column * tiles.tile_px[0], row * tiles.tile_px[1])
        into[:] = self._openslide.read_region(corner, level, tiles.tile_px)

    def _verify(self, known: OpenSlideReader) -> int:
        """Compares the fullest tile of each level, and the last of level 0, with OpenSlide's; gives their number."""
        picks = [(level, int(np.argmax(stored.tiles.lengths))) for level, stored in enumerate(self._stored)]
        picks.append((0, len(self._stored[0].tiles.lengths) - 1))
        for level, index in picks:
            tiles = self._stored[level].tiles
            row, column = divmod(index, tiles.columns)
            corner = (column * tiles.tile_px[0], row * tiles.tile_px[1])
            try:
                theirs = known.read_region(corner, level, tiles.tile_px)
                ours = self.read_region(corner, level, tiles.tile_px)
            except CorruptSlideError as error:
                raise FastPathDoubtError("some of its tiles are damaged") from error
            if known.gives_stored_pixels(corner, level):
                alike = np.array_equal(ours, theirs)
            else:
                alike = float(np.abs(ours.astype(np.int16) - theirs).mean()) < _MAX_BLEND_DIFFERENCE
            if not alike:
                raise FastPathDoubtError("its tiles come out differently")
        return len(picks)

    def thumbnail(self, max_px: int) -> Pixels:
        """See `wsi.slide.Slide.thumbnail`: area-averaged from the coarsest level that is large enough."""
        target = shrink_to(self.size_px, max_px)
        fitting = [i for i, level in enumerate(self.levels) if min(map(sub, level.size_px, target)) >= 0]
        level = max(fitting, key=lambda i: self.levels[i].downsample, default=0)
        return overview(lambda corner, size: self.read_region(corner, level, size), self.levels[level].size_px, target)

    def reopen(self) -> TiffJpegReader:
        """A handle of its own that shares the decoded tiles."""
        if self._fd < 0:
            raise ValueError("the slide is closed")
        self.files.check()
        other = object.__new__(TiffJpegReader)
        other._describe(self, self.metadata)
        other._given_mpp = self._given_mpp
        other._fd = os.dup(self._fd)
        other._openslide = None
        other._stored, other._identity = self._stored, self._identity
        return other

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        if self._openslide is not None:
            self._openslide.close()
        self._openslide = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@dataclass(frozen=True)
class _StoredLevel:
    tiles: TiledJpeg
    head: bytes  # see `shared_head`
    longest_bytes: int  # no honest JPEG of the tile's size is longer


def _stored_levels(fd: int, known: OpenSlideReader) -> tuple[_StoredLevel, ...]:
    """The directory of each of OpenSlide's levels, by its size."""
    directories = tiled_jpegs(fd)
    stored = []
    for size_px in known.stored_sizes_px:
        fitting = [tiles for tiles in directories if tiles.size_px == size_px]
        if len(fitting) != 1:
            raise FastPathDoubtError("its levels cannot be told apart")
        # OpenSlide paints such slides anew from finer levels, present tiles of coarser levels among them.
        if known.metadata.get("vendor") == "aperio" and (fitting[0].lengths == 0).any():
            raise FastPathDoubtError("some of its tiles are missing")
        stored.append(_stored_level(fitting[0]))
    return tuple(stored)


def _stored_level(tiles: TiledJpeg) -> _StoredLevel:
    try:
        head = shared_head(tiles.tables, tiles.photometric)
    except OddJpegError as error:
        raise FastPathDoubtError("its JPEG tables are odd") from error
    return _StoredLevel(tiles, head, 64 * 1024 + 8 * tiles.tile_px[0] * tiles.tile_px[1])


def _cuts(start: int, length: int, side: int) -> Iterator[tuple[int, slice, slice]]:
    """The tiles of `side` px that cover `length` px from `start`: number, slice of the region, slice of the tile."""
    for tile in range(start // side, -(-(start + length) // side)):
        first, last = max(start, tile * side), min(start + length, (tile + 1) * side)
        yield tile, slice(first - start, last - start), slice(first - tile * side, last - tile * side)
