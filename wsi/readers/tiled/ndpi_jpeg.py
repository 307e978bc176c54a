"""Hamamatsu NDPI: each level is one JPEG in strips, of which some that lie upon each other are decoded and kept for a
while.

As with TIFF, what the slide is comes from OpenSlide; only pixels are read here, and a few blocks are compared with
OpenSlide's at opening. On any doubt the slide is left to OpenSlide, and a level without strips is in any case.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from operator import sub
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi.errors import CorruptSlideError
from wsi.identity import open_slide_fd
from wsi.readers.openslide import OpenSlideReader, vendor_of
from wsi.readers.tiff.directory import FastPathDoubtError
from wsi.readers.tiff.jpeg_strips import (
    MARKER_BYTES,
    MAX_HEAD_BYTES,
    MAX_SIDE_PX,
    StripHead,
    between_markers,
    decode_strip,
    read_head,
)
from wsi.readers.tiff.jpeg_tile import OddJpegError
from wsi.readers.tiff.ndpi import NdpiLevel, read_levels, strip_places
from wsi.readers.tiled.beside import BesideOpenSlide
from wsi.readers.tiled.halved import HalvingSlide
from wsi.readers.tiled.slide import unlike
from wsi.region import Pair, Pixels

# Strips are wide, and what lies above and below a tile is decoded with it: a quarter as high as tiles are elsewhere.
_BLOCK_HEIGHT_PX = 64
_LEAST_STRIP_PX = 16
# No honest strip is longer, by its px.
_MOST_BYTES_A_PX = 8


def recognises(path: Path) -> bool:
    """Whether OpenSlide takes the file for Hamamatsu's."""
    return vendor_of(path) == "hamamatsu"


@dataclass(frozen=True)
class _Strips:
    """A level as a grid of blocks, each of `rows` strips upon each other, fewer at the lower edge."""

    size_px: Pair
    head: StripHead
    places: NDArray[np.int64]
    """(strips + 1,) where each begins in the file, row by row, and where the last one ends."""
    rows: int

    @property
    def tile_px(self) -> Pair:
        return self.head.strip_px[0], self.head.strip_px[1] * self.rows

    @property
    def columns(self) -> int:
        return self.size_px[0] // self.head.strip_px[0]

    def block(self, index: int) -> NDArray[np.int64]:
        """Numbers of the strips of a block, from the top."""
        row, column = divmod(index, self.columns)
        first = row * self.rows * self.columns + column
        return np.arange(first, min(first + self.rows * self.columns, len(self.places) - 1), self.columns)

    def fullest(self) -> int:
        """Number of the block of most bytes."""
        down = (len(self.places) - 1) // self.columns
        lengths = np.diff(self.places).reshape(down, self.columns)
        blocks = np.add.reduceat(lengths, np.arange(0, down, self.rows), axis=0)
        return int(np.argmax(blocks))

    @property
    def last(self) -> int:
        return -(-self.size_px[1] // self.tile_px[1]) * self.columns - 1

    def decode(self, fd: int, index: int, into: Pixels, *, halved: bool = False) -> None:
        """Writes the px of a block into (height, width, 3), which may be higher. Raises OddJpegError, OSError."""
        numbers = self.block(index)
        starts, ends = (self.places[numbers] - MARKER_BYTES).tolist(), self.places[numbers + 1].tolist()
        (width, height), step = self.head.strip_px, self.head.strip_px[1] // (2 if halved else 1)
        if max(map(sub, ends, starts)) > _MOST_BYTES_A_PX * width * height + MAX_HEAD_BYTES:
            raise OddJpegError("longer than any strip of its size")
        # One strip a row: what they are made of lies in one piece.
        origin, together = starts[0], os.pread(fd, ends[-1] - starts[0], starts[0]) if self.columns == 1 else b""
        for row, (number, start, end) in enumerate(zip(numbers.tolist(), starts, ends, strict=True)):
            data = together[start - origin : end - origin] if together else os.pread(fd, end - start, start)
            strip = between_markers(data, first=number == 0, last=number + 2 == len(self.places))
            decode_strip(self.head, strip, into[row * step : (row + 1) * step], halved=halved)


class NdpiJpegReader(HalvingSlide):
    """An NDPI in strips. Raises FastPathDoubtError where OpenSlide should read it, else as OpenSlideReader."""

    backend = "ndpi-jpeg"

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        with OpenSlideReader(path, mpp) as known:
            self._identity = object()
            self._describe(known, known.metadata)
            self._openslide = BesideOpenSlide(path, self.files, mpp)
            self._fd = open_slide_fd(path)
            try:
                self.files.check()  # what was opened twice must be one file
                self._stored = _stored_levels(self._fd, known)
                checked = self._verify(known)
            except BaseException:
                self.close()
                raise
        self._describe(known, {**known.metadata, "reader": f"{self.backend} (verified on {checked} blocks)"})

    def _grid(self, level: int) -> _Strips:
        stored = self._stored[level]
        assert stored is not None
        return stored

    def _check_open(self) -> None:
        if self._fd < 0:
            raise ValueError("the slide is closed")

    def _fill(self, part: Pixels, corner: Pair, level: int) -> None:
        """See `TiledSlide._fill`; what is odd, and a level without strips, as OpenSlide paints it, or its
        CorruptSlideError."""
        if self._stored[level] is not None:
            try:
                super()._fill(part, corner, level)
                return
            except (OddJpegError, OSError):
                pass  # OpenSlide is lenient with some damage, and has the words for the rest
        part[:] = self._openslide.read_region(corner, level, (part.shape[1], part.shape[0]))

    def _decode(self, level: int, index: int, into: Pixels) -> None:
        """Writes the block of that number; of `into` below the level's edge nothing. Raises OddJpegError, OSError."""
        self._grid(level).decode(self._fd, index, into)

    def _decode_half(self, level: int, index: int, into: Pixels) -> None:
        self._grid(level).decode(self._fd, index, into, halved=True)

    def half_region(self, level_xy: Pair, level: int, size_px: Pair) -> Pixels | None:
        """See `wsi.slide.Halves.half_region`."""
        self._check_open()
        return None if self._stored[level] is None else super().half_region(level_xy, level, size_px)

    def _verify(self, known: OpenSlideReader) -> int:
        """Compares the fullest block of each level, and the last of level 0, with OpenSlide's; gives their number."""
        own = [(level, stored) for level, stored in enumerate(self._stored) if stored is not None]
        picks = [(level, stored, stored.fullest()) for level, stored in own]
        picks.append((*own[0], own[0][1].last))
        for level, stored, index in picks:
            self._compare(known, level, stored, index)
        return len(picks)

    def _compare(self, known: OpenSlideReader, level: int, stored: _Strips, index: int) -> None:
        """Raises FastPathDoubtError where a block is another one than OpenSlide's."""
        (width, height), (row, column) = stored.tile_px, divmod(index, stored.columns)
        ours = np.empty((height, width, 3), np.uint8)
        corner = (column * width, row * height)
        part = ours[: stored.size_px[1] - corner[1]]  # it may be the last of its column
        try:
            self._decode(level, index, ours)
            theirs = known.read_region(corner, level, (width, len(part)))
        except (OddJpegError, OSError, CorruptSlideError) as error:
            raise FastPathDoubtError("some of its strips are damaged") from error
        if unlike(part, theirs, stored=known.gives_stored_pixels(corner, level)):
            raise FastPathDoubtError("its strips come out differently")

    def reopen(self) -> NdpiJpegReader:
        """A handle of its own that shares the decoded blocks."""
        self._check_open()
        self.files.check()
        other = object.__new__(NdpiJpegReader)
        other._describe(self, self.metadata)
        other._openslide, other._fd = self._openslide.another(), os.dup(self._fd)
        other._stored, other._identity = self._stored, self._identity
        return other

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._openslide.close()


def _stored_levels(fd: int, known: OpenSlideReader) -> tuple[_Strips | None, ...]:
    """The strips of each of OpenSlide's levels, by its size; None for one that has none, never of the finest."""
    levels = read_levels(fd)
    stored = []
    for size_px in known.stored_sizes_px:
        fitting = [level for level in levels if level.size_px == size_px]
        if len(fitting) != 1:
            raise FastPathDoubtError("its levels cannot be told apart")
        stored.append(_strips(fd, fitting[0]))
    if stored[0] is None:
        raise FastPathDoubtError("its finest level is not cut into strips")
    return tuple(stored)


def _strips(fd: int, level: NdpiLevel) -> _Strips | None:
    """None where restart markers do not cut the level into whole strips. Raises FastPathDoubtError."""
    try:
        head = read_head(os.pread(fd, min(MAX_HEAD_BYTES, level.end - level.start), level.start))
    except (OddJpegError, OSError) as error:
        raise FastPathDoubtError("a JPEG of an odd kind") from error
    if head is None:
        return None
    if max(level.size_px) <= MAX_SIDE_PX and head.size_px != level.size_px:
        raise FastPathDoubtError("its JPEG is of another size")
    (width, height), (strip_width, strip_height) = level.size_px, head.strip_px
    if width % strip_width or height % strip_height:
        return None  # OpenSlide shows no strip that is not whole
    if not _LEAST_STRIP_PX <= strip_width <= MAX_SIDE_PX:
        raise FastPathDoubtError("strips of no sensible size")
    columns, down = width // strip_width, height // strip_height
    places = strip_places(fd, level, columns * down, head.length)
    return _Strips(level.size_px, head, places, _BLOCK_HEIGHT_PX // strip_height)
