"""The fast path: tiled JPEG TIFF (Aperio SVS, in JPEG 2000 too, Leica SCN, Philips TIFF, generic pyramids), each stored
tile decoded once and kept for a while.

What the slide is (levels, spacing, bounds, metadata) is OpenSlide's word; only pixels are read here, and a few tiles
are compared with OpenSlide's at opening. On any doubt the file is left to OpenSlide.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from wsi.errors import CorruptSlideError, UnsupportedSlideError
from wsi.identity import open_slide_fd
from wsi.readers.level_scale import StoredLevel, scale_levels
from wsi.readers.openslide import OpenSlideReader, vendor_of
from wsi.readers.tiff.coded_tile import APERIO_RGB, OddTileError, decode_coded
from wsi.readers.tiff.directory import (
    JPEG,
    FastPathDoubtError,
    Photometric,
    StoredTiles,
    readable_levels,
    sub_levels,
    tiled_levels,
)
from wsi.readers.tiff.jpeg_tile import OddJpegError, decode_tile, marked_colours, shared_head
from wsi.readers.tiled.beside import BesideOpenSlide
from wsi.readers.tiled.halved import HalvingSlide
from wsi.readers.tiled.placed import NO_TILES, UNTOLD, Placed, fill_placed, filled_up, on_canvas
from wsi.readers.tiled.slide import unlike
from wsi.slide import Pixels
from wsi.spacing import Level

# OpenSlide's names of the formats whose levels are plain grids of tiles, without overlap; one has them on a canvas.
_ON_CANVAS, _FILLED_UP = "leica", "philips"
_FORMATS = ("aperio", "generic-tiff", _FILLED_UP, _ON_CANVAS)
_CODECS = frozenset((JPEG, APERIO_RGB))
# Two builds of a JPEG 2000 decoder round one px of a hundred thousand apart.
_MAX_ROUNDING = 1
_JPEG_2000 = "tiff-jpeg2000"
# Glass is within a few grey levels of neutral; in the wrong colour space it is over a hundred away.
_LEAST_TINT_DIFFERENCE = 20.0
_MOST_TINT = (
    60.0  # of the brightest twentieth of a tile full of tissue; more is no white, whatever the other colours say
)

Pair = tuple[int, int]


def recognises(path: Path) -> bool:
    """Whether OpenSlide takes the file for a format that may hold plain tiled JPEG."""
    return vendor_of(path) in _FORMATS


def refuse_false_colours(path: Path) -> None:
    """Raises UnsupportedSlideError where OpenSlide would show the colours of the tags, and the tiles say others."""
    if not recognises(path):
        return
    fd = open_slide_fd(path)
    try:
        for tiles in readable_levels(fd):
            stored = _stored_level(tiles)
            if _recoloured(fd, path.name, stored) is not stored:
                raise _contradicts(path.name)
    except FastPathDoubtError:
        pass  # no tiled JPEG that is read here: nothing contradicts
    finally:
        os.close(fd)


class TiffJpegReader(HalvingSlide):
    """A slide of JPEG tiles, or Aperio's of JPEG 2000. Raises FastPathDoubtError where OpenSlide should read it, else
    as OpenSlideReader does."""

    backend = "tiff-jpeg"

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        with OpenSlideReader(path, mpp) as known:
            self._describe(known, known.metadata)
            self._openslide = BesideOpenSlide(path, self.files, mpp)
            self._fd = open_slide_fd(path)
            self._strict = False
            try:
                self.files.check()  # what was opened twice must be one file
                self._stored = _stored_levels(self._fd, known)
                if self._stored[0].tiles.compression != JPEG:
                    self.backend = _JPEG_2000
                self._identity = object()
                recoloured = tuple(_recoloured(self._fd, path.name, stored) for stored in self._stored)
                contradicts = any(new is not old for new, old in zip(recoloured, self._stored, strict=True))
                try:
                    checked = self._verify(known)
                except FastPathDoubtError as doubt:
                    if not contradicts:
                        raise
                    # OpenSlide would show the colours that the tags say, which are wrong.
                    raise _contradicts(path.name) from doubt
                note = f"{self.backend} (verified on {checked} tiles)"
                if contradicts:
                    if any(stored.theirs for stored in recoloured):
                        raise _contradicts(path.name)
                    self._stored, self._identity, self._strict = recoloured, object(), True
                    note = f"{self.backend} (colours as its tiles say, not as its tags)"
            except BaseException:
                self.close()
                raise
            self._describe(known, {**known.metadata, "reader": note})
            if len(self.levels) == 1 and known.metadata.get("vendor") not in (_ON_CANVAS, _FILLED_UP):
                self._add_sub_levels()

    def _add_sub_levels(self) -> None:
        """Levels in SubIFDs, as OME-TIFF has them and OpenSlide does not see: those that show the slide evenly."""
        [finest] = self._stored
        try:
            below = _levels_below(self._fd, self.path.name, finest.tiles.size_px)
        except FastPathDoubtError:
            return
        self._stored = (finest, *below)
        self.levels = tuple(Level(level.tiles.size_px, 1.0) for level in self._stored)  # to read them by
        stored = [_as_stored(level, self.size_px) for level in self._stored]
        found = scale_levels(
            stored, lambda level, corner, size: self.read_region(corner, level, size), compare_all=True
        )
        self.levels = found.levels
        self._stored, self._identity = tuple(self._stored[number] for number in found.stored), object()
        if found.left_out:
            self._describe(self, {**self.metadata, "levels_left_out": found.left_out})

    def _grid(self, level: int) -> StoredTiles:
        return self._stored[level].tiles

    def _fill(self, part: Pixels, corner: Pair, level: int) -> None:
        stored = self._stored[level]
        if stored.theirs:
            part[:] = self._openslide.read_region(corner, level, (part.shape[1], part.shape[0]))
        elif stored.place is None:
            super()._fill(part, corner, level)
        else:
            fill_placed(part, corner, stored.place, stored.tiles.size_px, partial(super()._fill, level=level))

    def half_region(self, level_xy: Pair, level: int, size_px: Pair) -> Pixels | None:
        """See `wsi.slide.Halves.half_region`: none of a canvas."""
        # At an odd number of px, what is decoded to half its size would lie half a px aside.
        stored = self._stored[level]
        if stored.theirs or stored.place is not None:
            return None
        return super().half_region(level_xy, level, size_px)

    def _check_open(self) -> None:
        if self._fd < 0:
            raise ValueError("the slide is closed")

    def _decode(self, level: int, index: int, into: Pixels) -> None:
        """Writes a stored tile; one that is missing or odd as OpenSlide paints it, or raises its CorruptSlideError."""
        stored = self._stored[level]
        tiles = stored.tiles
        offset, length = int(tiles.offsets[index]), int(tiles.lengths[index])
        if 0 < length <= stored.longest_bytes:
            try:
                stored.decode(os.pread(self._fd, length, offset), into)
                return
            except (OddJpegError, OddTileError, OSError, OverflowError):
                pass  # OpenSlide is lenient with some damage, and has the words for the rest
        if not length and stored.ours_alone:
            into[:] = 255
            return
        if length and (self._strict or stored.ours_alone):
            raise CorruptSlideError(
                f"{self.path.name} is damaged: a tile cannot be decoded", hint="copy or scan it again"
            )
        into[:] = self._openslide.read_region(stored.corner_of(index), level, tiles.tile_px)

    def _decode_half(self, level: int, index: int, into: Pixels) -> None:
        stored = self._stored[level]
        offset, length = int(stored.tiles.offsets[index]), int(stored.tiles.lengths[index])
        if stored.tiles.compression != JPEG or not 0 < length <= stored.longest_bytes:
            raise OddJpegError("no JPEG")
        try:
            tile = os.pread(self._fd, length, offset)
        except OverflowError as error:
            raise OddJpegError("no place in the file") from error
        decode_tile(stored.head, tile, into, halved=True)

    def _verify(self, known: OpenSlideReader) -> int:
        """Compares the fullest tile of each level, and the last of level 0, with OpenSlide's; gives their number."""
        own = ((level, stored.tiles) for level, stored in enumerate(self._stored) if not stored.theirs)
        picks = [(level, int(np.argmax(tiles.lengths))) for level, tiles in own]
        picks.append((0, len(self._stored[0].tiles.lengths) - 1))
        for level, index in picks:
            tiles, corner = self._stored[level].tiles, self._stored[level].corner_of(index)
            try:
                theirs = known.read_region(corner, level, tiles.tile_px)
                ours = self.read_region(corner, level, tiles.tile_px)
            except CorruptSlideError as error:
                raise FastPathDoubtError("some of its tiles are damaged") from error
            rounding = 0 if tiles.compression == JPEG else _MAX_ROUNDING
            if unlike(ours, theirs, stored=known.gives_stored_pixels(corner, level), rounding=rounding):
                raise FastPathDoubtError("its tiles come out differently")
        return len(picks)

    def reopen(self) -> TiffJpegReader:
        """A handle of its own that shares the decoded tiles."""
        if self._fd < 0:
            raise ValueError("the slide is closed")
        self.files.check()
        other = object.__new__(TiffJpegReader)
        other._describe(self, self.metadata)
        other.backend = self.backend
        other._fd = os.dup(self._fd)
        other._openslide = self._openslide.another()
        other._stored, other._identity, other._strict = self._stored, self._identity, self._strict
        return other

    def stored_components(self) -> TiffJpegReader:
        """See `wsi.slide.KeepsComponents`. No tile is left to OpenSlide, which would decode what the file names."""
        other = self.reopen()
        ours = [number for number, stored in enumerate(self._stored) if not stored.theirs]
        other.levels = tuple(self.levels[number] for number in ours)
        other._stored = tuple(_shown_as(self._stored[number], "rgb") for number in ours)
        other._identity, other._strict = object(), True
        return other

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._openslide.close()


@dataclass(frozen=True)
class _StoredLevel:
    tiles: StoredTiles
    head: bytes  # see `shared_head`
    longest_bytes: int  # no honest JPEG of the tile's size is longer
    ours_alone: bool = False  # OpenSlide does not see it
    place: Pair | None = None  # of the first tile's corner, on a level that is a canvas
    theirs: bool = False  # OpenSlide blends its px, and reads them

    def corner_of(self, index: int) -> Pair:
        """The corner of a tile on the level, in px."""
        row, column = divmod(index, self.tiles.columns)
        left, top = self.place or (0, 0)
        return left + column * self.tiles.tile_px[0], top + row * self.tiles.tile_px[1]

    def decode(self, tile: bytes, into: Pixels) -> None:
        """Writes the px of one tile. Raises OddJpegError, OddTileError."""
        if self.tiles.compression == JPEG:
            decode_tile(self.head, tile, into)
        else:
            decode_coded(self.tiles.compression, tile, into, ycbcr=self.tiles.photometric == "ycbcr")


def _stored_levels(fd: int, known: OpenSlideReader) -> tuple[_StoredLevel, ...]:
    """The directory of each of OpenSlide's levels, by its size."""
    directories = tiled_levels(fd, _CODECS)
    vendor = known.metadata.get("vendor")
    if vendor == _ON_CANVAS:
        return tuple(_on_level(placed) for placed in on_canvas(directories, known))
    if vendor == _FILLED_UP:
        return tuple(map(_stored_level, filled_up(directories, known.stored_sizes_px)))
    stored = []
    for size_px in known.stored_sizes_px:
        fitting = [tiles for tiles in directories if tiles.size_px == size_px]
        if len(fitting) != 1:
            raise FastPathDoubtError(UNTOLD)
        # OpenSlide paints such slides anew from finer levels, present tiles of coarser levels among them.
        if vendor == "aperio" and (fitting[0].lengths == 0).any():
            raise FastPathDoubtError("some of its tiles are missing")
        stored.append(_stored_level(fitting[0]))
    return tuple(stored)


def _on_level(placed: Placed | None) -> _StoredLevel:
    if placed is None:
        return _StoredLevel(NO_TILES, b"", 0, theirs=True)
    return replace(_stored_level(placed.tiles), place=placed.place)


def _recoloured(fd: int, name: str, stored: _StoredLevel) -> _StoredLevel:
    """The level itself; where its tiles contradict its tag, with the colours that keep its brightest part neutral.

    Raises UnsupportedSlideError where the pixels do not tell which is right.
    """
    lengths = stored.tiles.lengths
    if stored.tiles.compression != JPEG or not lengths.any():
        return stored
    # The plainest tile is glass, where there is any.
    picks = (int(np.argmin(np.where(lengths > 0, lengths, lengths.max() + 1))), int(np.argmax(lengths)))
    samples = [_stored_bytes(fd, stored, index) for index in picks]
    claimed = marked_colours(stored.tiles.tables) or marked_colours(samples[0])
    if claimed is None or claimed == stored.tiles.photometric:
        return stored
    other = _shown_as(stored, claimed)
    tints = [min(_tint(level, sample) for sample in samples) for level in (stored, other)]
    if abs(tints[0] - tints[1]) < _LEAST_TINT_DIFFERENCE or min(tints) > _MOST_TINT:
        raise _contradicts(name)
    return stored if tints[0] < tints[1] else other


def _shown_as(stored: _StoredLevel, photometric: Photometric) -> _StoredLevel:
    if stored.tiles.compression != JPEG:
        return stored  # its codestream says what it holds
    level = _stored_level(replace(stored.tiles, photometric=photometric))
    return replace(level, ours_alone=stored.ours_alone, place=stored.place, theirs=stored.theirs)


def _stored_bytes(fd: int, stored: _StoredLevel, index: int) -> bytes:
    length = min(int(stored.tiles.lengths[index]), stored.longest_bytes)
    try:
        return os.pread(fd, length, int(stored.tiles.offsets[index]))
    except (OSError, OverflowError):
        return b""


def _tint(level: _StoredLevel, tile: bytes) -> float:
    """How far from grey the brightest twentieth of a tile is, in grey levels; 255 where it can't be decoded."""
    pixels = np.empty((level.tiles.tile_px[1], level.tiles.tile_px[0], 3), np.uint8)
    try:
        decode_tile(level.head, tile, pixels)
    except OddJpegError:
        return 255.0
    brightness = pixels.min(axis=2)
    bright = pixels[brightness >= np.quantile(brightness, 0.95)]
    return float(np.ptp(bright.astype(np.int16), axis=1).mean())


def _contradicts(name: str) -> UnsupportedSlideError:
    return UnsupportedSlideError(
        f"{name} contradicts itself: its tiles and its tags name different colour spaces",
        hint="export it again; which of RGB and YCbCr is meant cannot be told",
    )


def _levels_below(fd: int, name: str, finest_px: Pair) -> list[_StoredLevel]:
    """Largest first. One whose colours cannot be told is passed over. Raises FastPathDoubtError."""
    found = []
    for tiles in sub_levels(fd, finest_px):
        if tiles.size_px[0] < finest_px[0] and tiles.size_px[1] < finest_px[1]:
            with contextlib.suppress(UnsupportedSlideError):
                found.append(_recoloured(fd, name, replace(_stored_level(tiles), ours_alone=True)))
    return sorted(found, key=lambda level: level.tiles.size_px, reverse=True)


def _as_stored(level: _StoredLevel, finest: Pair) -> StoredLevel:
    quotients = [whole / side for whole, side in zip(finest, level.tiles.size_px, strict=True)]
    return StoredLevel(level.tiles.size_px, sum(quotients) / 2, level.tiles.tile_px)


def _stored_level(tiles: StoredTiles) -> _StoredLevel:
    try:
        head = shared_head(tiles.tables, tiles.photometric) if tiles.compression == JPEG else b""
    except OddJpegError as error:
        raise FastPathDoubtError("its JPEG tables are odd") from error
    return _StoredLevel(tiles, head, 64 * 1024 + 8 * tiles.tile_px[0] * tiles.tile_px[1])
