"""An `.ets`: where in it the tiles of each level lie, and how they are coded. Decodes no pixel.

Hostile until checked: sizes and counts are bounded before memory is asked for, a tile lies in the file and in the grid
of its level, and no two lie at one place.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi.readers.olympus.tags import DamagedVsiError, OddVsiError
from wsi.region import Pair

RAW, JPEG, JPEG_2000, PNG = 0, 2, 3, 8
_CODECS = {RAW: "none", JPEG: "JPEG", JPEG_2000: "JPEG 2000", PNG: "PNG"}
_UNREAD = {5: "lossless JPEG", 9: "BMP"}
_UCHAR, _COLOURS = 2, 3
_RGB, BGR = 3, 4

_HEAD = struct.Struct("<4sIIIQIIQII")
"""Magic, size, version, dimensions, place and size of what follows, nothing, place of the table, tiles, nothing."""
_MORE = struct.Struct("<4s9I68x40sII")
"""Magic, version, type of samples, how many, colour space, codec, quality, tile's x, y, z; hints; background; order of
components; whether there are levels."""
_DIMENSIONS = (4, 8)
_TILE_SIDE_PX = (16, 4096)
# Of 512 px a side, as many as the largest picture has.
_MAX_TILES = 1 << 22
_MAX_LEVELS = 24


@dataclass(frozen=True)
class TileLevel:
    """One stored resolution, reduced by 2 to the power of its number. Tiles run in reading order; a length of 0 is a
    tile that was never written."""

    size_px: Pair
    tile_px: Pair
    downsample: int
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def columns(self) -> int:
        return -(-self.size_px[0] // self.tile_px[0])


@dataclass(frozen=True)
class EtsFile:
    codec: int
    bgr: bool
    """Whether its colour space says that px which are stored as they are begin with blue."""
    background: bytes
    """The samples of what was not scanned, as the file has them."""
    whole_grid: bool
    """Whether its finest tiles reach as far as the picture does."""
    levels: tuple[TileLevel, ...]

    @property
    def compression(self) -> str:
        return _CODECS[self.codec]


def read_ets(fd: int, size_px: Pair) -> EtsFile:
    """The `.ets` open at `fd`, whose picture measures `size_px`. Raises OddVsiError."""
    size = os.fstat(fd).st_size
    magic, head_bytes, _, dimensions, more_at, _, _, table_at, tiles, _ = _HEAD.unpack(_bytes(fd, 0, _HEAD.size, size))
    if magic != b"SIS\0" or head_bytes != 64:
        raise DamagedVsiError("an .ets that is none")
    if not _DIMENSIONS[0] <= dimensions <= _DIMENSIONS[1] or not 1 <= tiles <= _MAX_TILES:
        raise DamagedVsiError("an .ets with no sensible number of tiles")
    fields = _MORE.unpack(_bytes(fd, more_at, _MORE.size, size))
    magic, _, kind, samples, space, codec, _, width, height, depth, background, _, pyramid = fields
    if magic != b"ETS\0":
        raise DamagedVsiError("an .ets that is none")
    _check_kind(kind, samples, space, codec, (width, height, depth))
    table = _table(_bytes(fd, table_at, tiles * (4 * dimensions + 20), size), dimensions)
    _check_table(table, bool(pyramid), size)
    finest = table[table["at"][:, -1] == 0]
    reach = tuple(int(side) + 1 for side in finest["at"][:, :2].max(axis=0)) if len(finest) else (0, 0)
    levels = tuple(_levels(table, size_px, (width, height)))
    whole = reach == (levels[0].columns, -(-size_px[1] // height))
    return EtsFile(codec, space == BGR, background[:_COLOURS], whole, levels)


def _check_kind(kind: int, samples: int, space: int, codec: int, tile: tuple[int, int, int]) -> None:
    if (kind, samples) != (_UCHAR, _COLOURS) or space not in (_RGB, BGR):
        raise OddVsiError("px other than red, green and blue in 8 bits (fluorescence?)")
    if codec not in _CODECS:
        raise OddVsiError(f"tiles in {_UNREAD.get(codec, 'a compression that is not read here')}")
    if not all(_TILE_SIDE_PX[0] <= side <= _TILE_SIDE_PX[1] for side in tile[:2]) or tile[2] != 1:
        raise OddVsiError("tiles of no sensible size")


def _table(data: bytes, dimensions: int) -> np.ndarray:
    """(n,) records: the place of a tile, x and y first and the level last, where it begins, how long it is."""
    row = np.dtype([("", "<u4"), ("at", "<u4", (dimensions,)), ("offset", "<u8"), ("length", "<u4"), ("_", "<u4")])
    return np.frombuffer(data, row)


def _check_table(table: np.ndarray, pyramid: bool, size: int) -> None:
    at = table["at"]
    if at[:, 2:-1].any():
        raise OddVsiError("several focal planes, times or channels")
    if (at[:, -1] >= (_MAX_LEVELS if pyramid else 1)).any():
        raise DamagedVsiError("more levels than it says")
    ends = table["offset"].astype(np.float64) + table["length"]
    if (table["offset"] > size).any() or (ends > size).any():
        raise DamagedVsiError("tiles beyond its end: the file was cut short")


def _levels(table: np.ndarray, size_px: Pair, tile_px: Pair) -> list[TileLevel]:
    """The levels that have a tile, finest first."""
    levels = []
    for number in range(int(table["at"][:, -1].max()) + 1):
        tiles = table[table["at"][:, -1] == number]
        # What a px covers in part only is no px of the slide.
        part = (size_px[0] >> number, size_px[1] >> number)
        if number == 0 and not len(tiles):
            raise DamagedVsiError("no tile of its finest level")
        if len(tiles) and min(part) > 0:
            levels.append(_level(tiles, size_px, part, tile_px, 1 << number))
    return levels


def _level(tiles: np.ndarray, size_px: Pair, part: Pair, tile_px: Pair, downsample: int) -> TileLevel:
    most = [math.ceil(math.ceil(side / downsample) / tile) for side, tile in zip(size_px, tile_px, strict=True)]
    columns, rows = (-(-side // tile) for side, tile in zip(part, tile_px, strict=True))
    if columns * rows > _MAX_TILES:
        raise DamagedVsiError("a picture of more tiles than any slide has")
    x, y = (tiles["at"][:, side].astype(np.int64) for side in (0, 1))
    if (x >= most[0]).any() or (y >= most[1]).any():
        raise DamagedVsiError("tiles beyond the picture: the folder is another slide's")
    inside = (x < columns) & (y < rows)
    places = (y * columns + x)[inside]
    if len(np.unique(places)) != len(places):
        raise DamagedVsiError("two tiles at one place")
    offsets, lengths = np.zeros(columns * rows, np.int64), np.zeros(columns * rows, np.int64)
    offsets[places], lengths[places] = tiles["offset"][inside], tiles["length"][inside]
    return TileLevel(part, tile_px, downsample, offsets, lengths)


def _bytes(fd: int, at: int, length: int, size: int) -> bytes:
    data = os.pread(fd, length, at) if at + length <= size else b""
    if len(data) != length:
        raise DamagedVsiError("an .ets that ends early: the file was cut short")
    return data
