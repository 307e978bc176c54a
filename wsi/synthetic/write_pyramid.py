"""Writes a tiled JPEG pyramid (BigTIFF) from strips of pixels, in bounded memory. For slides that we draw ourselves.

Reduced levels are area averages of level 0; a level is floor(size / downsample) px, as scanners write them.
Tiles go to the file as they are ready, all levels in turn; the directories that point to them come last.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
_SUBSAMPLING: dict[str, tuple[tuple[int, int], int]] = {
    "4:4:4": ((1, 1), cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    "4:2:2": ((2, 1), cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422),
    "4:2:0": ((2, 2), cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
}

# TIFF 6.0 and BigTIFF: field types with their struct codes, and the tags written here.
_ASCII, _SHORT, _LONG, _RATIONAL, _LONG8 = 2, 3, 4, 5, 16
_STRUCT = {_ASCII: "s", _SHORT: "H", _LONG: "I", _RATIONAL: "II", _LONG8: "Q"}
_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _DESCRIPTION = 254, 256, 257, 258, 259, 262, 270
_SAMPLES, _X_RESOLUTION, _Y_RESOLUTION, _PLANAR, _RESOLUTION_UNIT = 277, 282, 283, 284, 296
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES, _YCC_SUBSAMPLING = 322, 323, 324, 325, 530
_JPEG, _YCBCR, _CENTIMETER = 7, 6, 3

_Tag = tuple[int, int, list[int] | bytes]  # number, field type, values


@dataclass(frozen=True)
class PyramidSpec:
    """`size_px` (width, height) of level 0; `downsamples` are whole numbers, 1 first.

    `pixels_per_cm` is written as the TIFF resolution of level 0, where given.
    """

    size_px: tuple[int, int]
    downsamples: tuple[int, ...]
    tile_px: int = 256
    quality: int = 88
    subsampling: Subsampling = "4:2:0"
    pixels_per_cm: float | None = None

    def level_size_px(self, level: int) -> tuple[int, int]:
        width, height = self.size_px
        factor = self.downsamples[level]
        return (max(1, width // factor), max(1, height // factor))

    @property
    def strip_rows(self) -> int:
        """Height of the strips that the writer wants: whole tiles, and whole pixels of every level."""
        return int(np.lcm.reduce([self.tile_px, *self.downsamples]))


def write_pyramid(path: Path, spec: PyramidSpec, strips: Iterable[NDArray[np.uint8]], description: str) -> None:
    """Writes `strips`, (rows, width, 3) uint8 RGB of `spec.strip_rows` rows each (the last may be shorter)."""
    encoder = _TileEncoder(spec)
    with path.open("wb") as file:
        # BigTIFF header; the last 8 bytes, the place of the first directory, are filled in at the end.
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
        levels = [_LevelWriter(spec, level, encoder, file) for level in range(len(spec.downsamples))]
        for strip in strips:
            for level in levels:
                level.add(strip)
        _write_directories(file, [level.tags(description if level.level == 0 else "") for level in levels])


@dataclass
class _LevelWriter:
    """Collects rows of one level and writes each full row of tiles."""

    spec: PyramidSpec
    level: int
    encoder: _TileEncoder
    file: BinaryIO
    offsets: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    waiting: list[NDArray[np.uint8]] = field(default_factory=list)
    seen: int = 0

    def add(self, strip: NDArray[np.uint8]) -> None:
        """Takes the next `strip` (rows, width, 3) of level 0 and writes the tiles that it completes."""
        factor = self.spec.downsamples[self.level]
        width, height = self.spec.level_size_px(self.level)
        rows = min(max(1, len(strip) // factor), height - self.seen)
        if rows == 0:
            return
        source = strip[: rows * factor, : width * factor]
        if factor > 1:
            source = np.asarray(cv2.resize(source, (width, rows), interpolation=cv2.INTER_AREA), np.uint8)
        self.waiting.append(source)
        self.seen += rows
        if sum(len(part) for part in self.waiting) >= self.spec.tile_px or self.seen == height:
            self._flush(last=self.seen == height)

    def _flush(self, last: bool) -> None:
        tile_px = self.spec.tile_px
        rows = np.concatenate(self.waiting)
        while len(rows) >= tile_px or (last and len(rows)):
            for column in range(0, rows.shape[1], tile_px):
                self._write(self.encoder(rows[:tile_px, column : column + tile_px]))
            rows = rows[tile_px:]
        self.waiting = [rows]

    def _write(self, tile: bytes) -> None:
        self.offsets.append(self.file.tell())
        self.lengths.append(len(tile))
        self.file.write(tile)

    def tags(self, description: str) -> list[_Tag]:
        """The level's directory, tags in ascending order as TIFF demands."""
        spec = self.spec
        width, height = spec.level_size_px(self.level)
        resolution = spec.pixels_per_cm if self.level == 0 else None
        tags: list[_Tag] = [
            (_SUBFILE_TYPE, _LONG, [1 if self.level else 0]),
            (_WIDTH, _LONG, [width]),
            (_HEIGHT, _LONG, [height]),
            (_BITS, _SHORT, [8, 8, 8]),
            (_COMPRESSION, _SHORT, [_JPEG]),
            (_PHOTOMETRIC, _SHORT, [_YCBCR]),
            (_SAMPLES, _SHORT, [3]),
            (_PLANAR, _SHORT, [1]),
            (_TILE_WIDTH, _SHORT, [spec.tile_px]),
            (_TILE_HEIGHT, _SHORT, [spec.tile_px]),
            (_TILE_OFFSETS, _LONG8, self.offsets),
            (_TILE_BYTES, _LONG8, self.lengths),
            (_YCC_SUBSAMPLING, _SHORT, list(_SUBSAMPLING[spec.subsampling][0])),
        ]
        if description:
            tags.append((_DESCRIPTION, _ASCII, description.encode("utf-8") + b"\0"))
        if resolution is not None:
            ratio = [round(resolution * 1000), 1000]
            tags += [(_X_RESOLUTION, _RATIONAL, ratio), (_Y_RESOLUTION, _RATIONAL, ratio)]
            tags.append((_RESOLUTION_UNIT, _SHORT, [_CENTIMETER]))
        return sorted(tags, key=lambda tag: tag[0])


class _TileEncoder:
    """RGB tiles, padded at the right and bottom edge, to JPEG; a tile of one colour (glass) is encoded once."""

    def __init__(self, spec: PyramidSpec) -> None:
        self._tile_px = spec.tile_px
        sampling = _SUBSAMPLING[spec.subsampling][1]
        self._options = [cv2.IMWRITE_JPEG_QUALITY, spec.quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
        self._plain: dict[bytes, tuple[NDArray[np.uint8], bytes]] = {}

    def __call__(self, tile: NDArray[np.uint8]) -> bytes:
        # The first row tells most tissue apart from glass without looking at the rest.
        if not (tile[0] == tile[0, 0]).all():
            return self._encode(tile)
        plain, encoded = self._plain_tile(tile[0, 0])
        return encoded if np.array_equal(tile, plain[: tile.shape[0], : tile.shape[1]]) else self._encode(tile)

    def _plain_tile(self, rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], bytes]:
        if rgb.tobytes() not in self._plain:
            plain = np.empty((self._tile_px, self._tile_px, 3), np.uint8)
            plain[:] = rgb
            self._plain[rgb.tobytes()] = plain, self._encode(plain)
        return self._plain[rgb.tobytes()]

    def _encode(self, tile: NDArray[np.uint8]) -> bytes:
        below, right = self._tile_px - tile.shape[0], self._tile_px - tile.shape[1]
        padded = np.pad(tile, ((0, below), (0, right), (0, 0)), mode="edge") if below or right else tile
        _, data = cv2.imencode(".jpg", cv2.cvtColor(padded, cv2.COLOR_RGB2BGR), self._options)
        return data.tobytes()


def _write_directories(file: BinaryIO, directories: list[list[_Tag]]) -> None:
    """Appends the directories and links each to the one before; a value longer than 8 bytes lies before its table."""
    link = 8
    for tags in directories:
        entries = b""
        for number, kind, values in tags:
            data, count = _packed(kind, values)
            if len(data) > 8:
                file.write(b"\0" * (-file.tell() % 8))
                place = struct.pack("<Q", file.tell())
                file.write(data)
                data = place
            entries += struct.pack("<HHQ", number, kind, count) + data.ljust(8, b"\0")
        file.write(b"\0" * (-file.tell() % 8))
        start = file.tell()
        file.write(struct.pack("<Q", len(tags)) + entries + struct.pack("<Q", 0))
        end = file.tell()
        file.seek(link)
        file.write(struct.pack("<Q", start))
        file.seek(end)
        link = end - 8


def _packed(kind: int, values: list[int] | bytes) -> tuple[bytes, int]:
    """The values as bytes, and their count as TIFF counts them."""
    if isinstance(values, bytes):
        return values, len(values)
    code = _STRUCT[kind]
    count = len(values) // len(code)
    return struct.pack("<" + code * count, *values), count
