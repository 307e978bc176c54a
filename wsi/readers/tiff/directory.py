"""Where a tiled JPEG TIFF keeps its tiles: directories of classic and BigTIFF files, read with bounds on everything.

Only what the fast reader needs, and only its own layout; all else is a FastPathDoubtError. Decodes no pixel.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Photometric = Literal["rgb", "ycbcr"]

_MAX_DIRECTORIES = 512
_MAX_ENTRIES = 1024
# A square decimetre at 0.1 um per px has fifteen million tiles of 256 px.
_MAX_TILES = 1 << 24
_MAX_TABLES_BYTES = 1 << 16
_TILE_SIDE_PX = (16, 4096)

# TIFF 6.0 and BigTIFF tag numbers.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_SAMPLES, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 277, 284, 322, 323, 324, 325
_SAMPLE_FORMAT, _JPEG_TABLES, _SUB_DIRECTORIES = 339, 347, 330
_MAX_SUB_DIRECTORIES = 32
_SCALARS = frozenset((_WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _SAMPLES, _PLANAR)) | frozenset(
    (_TILE_WIDTH, _TILE_HEIGHT)
)
JPEG = 7
_PHOTOMETRICS: dict[int | None, Photometric] = {2: "rgb", 6: "ycbcr"}
# Field type -> numpy code: BYTE, ASCII, SHORT, LONG, UNDEFINED, IFD, LONG8, IFD8. Nothing else can hold what is read,
# but resolutions, which are pairs of LONG.
_CODES = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 7: "u1", 13: "u4", 16: "u8", 18: "u8"}
_RATIONAL, _RATIONALS = 5, frozenset((282, 283))
# Hamamatsu's own, by tag and type: FLOAT, SLONG.
_CODES_OF_NDPI = {(65421, 11): "f4", (65424, 9): "i4"}


class FastPathDoubtError(Exception):
    """Why the fast path leaves a file alone: a few words of ours, never text from the file."""


class TruncatedTiffError(FastPathDoubtError):
    """A directory that ought to be there lies beyond the end of the file."""


@dataclass(frozen=True)
class StoredTiles:
    """One stored resolution. Tiles run in reading order; a length of 0 is a tile that was never written."""

    size_px: tuple[int, int]
    tile_px: tuple[int, int]
    photometric: Photometric
    tables: bytes
    """The shared JPEG tables as the file has them, SOI to EOI; empty where each tile has its own."""
    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint64]
    compression: int = JPEG
    """As TIFF numbers it."""

    @property
    def columns(self) -> int:
        return -(-self.size_px[0] // self.tile_px[0])


@dataclass(frozen=True)
class Entry:
    code: str
    count: int
    place: int
    """Where in the file the values begin."""


@dataclass(frozen=True)
class TiffFile:
    fd: int
    size: int
    order: str  # "<" or ">"
    big: bool
    ndpi: bool = False
    """Hamamatsu's: of a place inside a directory the lower 32 bits are told, of the next directory all 64."""

    @property
    def pointer(self) -> str:
        """struct code of the place of a directory."""
        return "Q" if self.big or self.ndpi else "I"

    def meant(self, place: int, told_at: int) -> int:
        """A place that is told at `told_at`. NDPI: the last one with these lower bits that lies before."""
        if not self.ndpi:
            return place
        found = (told_at >> 32 << 32) | place
        return found if found < told_at or found < 1 << 32 else found - (1 << 32)

    def bytes_at(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise TruncatedTiffError("a directory points beyond the file")
        data = os.pread(self.fd, length, offset)
        if len(data) != length:
            raise FastPathDoubtError("the file ends early")
        return data

    def unpack(self, form: str, offset: int) -> tuple[Any, ...]:
        return struct.unpack(self.order + form, self.bytes_at(offset, struct.calcsize("<" + form)))

    def values(self, entry: Entry, most: int = _MAX_TILES) -> NDArray[np.uint64]:
        """(n,) the first `most` values of a field; there is at least one."""
        count = min(entry.count, most)
        if count < 1:
            raise FastPathDoubtError("a field of no sensible length")
        data = self.bytes_at(entry.place, count * int(entry.code[1]))
        return np.frombuffer(data, self.order + entry.code).astype(np.uint64)


_JPEGS = frozenset((JPEG,))
Compressions = Collection[int]


def tiled_levels(fd: int, compressions: Compressions = _JPEGS) -> tuple[StoredTiles, ...]:
    """The tiled directories of the TIFF open at `fd`, in file order; stripped ones (thumbnail, label) are passed over.

    Raises FastPathDoubtError where the file is no TIFF, is damaged, or has a tiled directory in another layout than
    8-bit interleaved colours, JPEG or what else is named.
    """
    file, offset = open_tiff(fd)
    tiled = (entries for entries in read_directories(file, offset) if _TILE_OFFSETS in entries)
    return tuple(_stored_tiles(file, entries, compressions) for entries in tiled)


def sub_levels(fd: int, size_px: tuple[int, int], compressions: Compressions = _JPEGS) -> tuple[StoredTiles, ...]:
    """The tiled levels that hang below the first directory of that size (SubIFDs, as OME-TIFF has them).

    One in another layout is left out. Raises FastPathDoubtError where the file is damaged before that.
    """
    file, offset = open_tiff(fd)
    for entries in read_directories(file, offset):
        if _SUB_DIRECTORIES in entries and _size_px(file, entries) == size_px:
            places = file.values(entries[_SUB_DIRECTORIES], most=_MAX_SUB_DIRECTORIES)
            directories = (lambda at=int(place): _entries(file, at)[0] for place in places)
            found = (_readable(file, entries_of, compressions) for entries_of in directories)
            return tuple(level for level in found if level is not None)
    return ()


def readable_levels(fd: int, compressions: Compressions = _JPEGS) -> tuple[StoredTiles, ...]:
    """As `tiled_levels`, without the directories that are in another layout."""
    file, offset = open_tiff(fd)
    directories = (lambda of=entries: of for entries in read_directories(file, offset))
    found = (_readable(file, entries_of, compressions) for entries_of in directories)
    return tuple(level for level in found if level is not None)


def _readable(
    file: TiffFile, entries: Callable[[], Mapping[int, Entry]], compressions: Compressions
) -> StoredTiles | None:
    try:
        return _stored_tiles(file, entries(), compressions)
    except FastPathDoubtError:
        return None


def _size_px(file: TiffFile, entries: Mapping[int, Entry]) -> tuple[int, int]:
    width, height = (_scalar(file, entries[tag]) if tag in entries else 0 for tag in (_WIDTH, _HEIGHT))
    return width, height


def read_directories(file: TiffFile, offset: int) -> Iterator[dict[int, Entry]]:
    """The directories of the chain that begins at `offset`. Raises FastPathDoubtError, TruncatedTiffError."""
    seen: set[int] = set()
    while offset:
        if offset in seen or len(seen) >= _MAX_DIRECTORIES:
            raise FastPathDoubtError("its directories run in a circle")
        seen.add(offset)
        entries, offset = _entries(file, offset)
        yield entries


def open_tiff(fd: int) -> tuple[TiffFile, int]:
    """The file by its header, and the place of its first directory."""
    size = os.fstat(fd).st_size
    magic = os.pread(fd, 4, 0)
    order = {b"II": "<", b"MM": ">"}.get(magic[:2])
    if order is None or len(magic) < 4:
        raise FastPathDoubtError("not a TIFF")
    [version] = struct.unpack(order + "H", magic[2:])
    if version == 42:
        file = TiffFile(fd, size, order, big=False)
        return file, file.unpack("I", 4)[0]
    file = TiffFile(fd, size, order, big=True)
    if version != 43 or file.unpack("HH", 4) != (8, 0):
        raise FastPathDoubtError("not a TIFF")
    return file, file.unpack("Q", 8)[0]


def _entries(file: TiffFile, offset: int) -> tuple[dict[int, Entry], int]:
    """The fields of one directory that can be read here, by tag, and the place of the next directory."""
    head, row, form, room = ("Q", 20, "HHQ", 8) if file.big else ("H", 12, "HHI", 4)
    [count] = file.unpack(head, offset)
    if not 1 <= count <= _MAX_ENTRIES:
        raise FastPathDoubtError("a directory of no sensible length")
    start = offset + struct.calcsize("<" + head)
    table = file.bytes_at(start, count * row)
    entries = {}
    for at in range(0, len(table), row):
        tag, kind, values = struct.unpack_from(file.order + form, table, at)
        code = "u8" if kind == _RATIONAL and tag in _RATIONALS else _CODES.get(kind)
        code = code or _CODES_OF_NDPI.get((tag, kind))
        if code is None:
            continue
        place = start + at + row - room
        if values * int(code[1]) > room:
            place = file.meant(file.unpack("Q" if file.big else "I", place)[0], place)
        entries[tag] = Entry(code, values, place)
    [following] = file.unpack(file.pointer, start + count * row)
    return entries, following


def _stored_tiles(file: TiffFile, entries: Mapping[int, Entry], compressions: Compressions) -> StoredTiles:
    value = {tag: _scalar(file, entries[tag]) for tag in _SCALARS if tag in entries}
    compression = value.get(_COMPRESSION, 1)
    if compression not in compressions:
        raise FastPathDoubtError("its tiles are not JPEG")
    photometric = _PHOTOMETRICS.get(value.get(_PHOTOMETRIC))
    bits = _array(file, entries, _BITS, 3)
    sample_format = _array(file, entries, _SAMPLE_FORMAT, 3) if _SAMPLE_FORMAT in entries else np.ones(3)
    if photometric is None or value.get(_SAMPLES) != 3 or (bits != 8).any() or (sample_format != 1).any():
        raise FastPathDoubtError("its pixels are not 8-bit RGB or YCbCr")
    if value.get(_PLANAR, 1) != 1 or value.get(_FILL_ORDER, 1) != 1:
        raise FastPathDoubtError("its colours are stored apart")
    size = (value.get(_WIDTH, 0), value.get(_HEIGHT, 0))
    tile = (value.get(_TILE_WIDTH, 0), value.get(_TILE_HEIGHT, 0))
    if min(size) < 1 or min(tile) < _TILE_SIDE_PX[0] or max(tile) > _TILE_SIDE_PX[1]:
        raise FastPathDoubtError("a level or tile of no sensible size")
    tiles = -(-size[0] // tile[0]) * -(-size[1] // tile[1])
    if tiles > _MAX_TILES:
        raise FastPathDoubtError("a level or tile of no sensible size")
    offsets, lengths = (_array(file, entries, tag, tiles) for tag in (_TILE_OFFSETS, _TILE_BYTES))
    return StoredTiles(size, tile, photometric, _tables(file, entries), offsets, lengths, compression)


def _scalar(file: TiffFile, entry: Entry) -> int:
    if entry.count != 1:
        raise FastPathDoubtError("a field of no sensible length")
    return int.from_bytes(file.bytes_at(entry.place, int(entry.code[1])), "little" if file.order == "<" else "big")


def _array(file: TiffFile, entries: Mapping[int, Entry], tag: int, count: int) -> NDArray[np.uint64]:
    """(count,) values of a field. A count that differs is refused before any memory is asked for."""
    entry = entries.get(tag)
    if entry is None or entry.count != count:
        raise FastPathDoubtError("a field of no sensible length")
    data = file.bytes_at(entry.place, count * int(entry.code[1]))
    return np.frombuffer(data, file.order + entry.code).astype(np.uint64)


def _tables(file: TiffFile, entries: Mapping[int, Entry]) -> bytes:
    entry = entries.get(_JPEG_TABLES)
    if entry is None:
        return b""
    if entry.code != "u1" or entry.count > _MAX_TABLES_BYTES:
        raise FastPathDoubtError("its JPEG tables are of no sensible length")
    return file.bytes_at(entry.place, entry.count)
