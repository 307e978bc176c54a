"""TIFF pyramids of chosen JPEG tiles, written by hand: any subsampling, colour space, missing or damaged tile."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

SHORT, LONG, ASCII, RATIONAL, UNDEFINED = 3, 4, 2, 5, 7
Tags = dict[int, tuple[int, list[int] | bytes]]


def noise(width, height, seed=0):
    """Smooth coloured noise (height, width, 3) uint8: every tile differs from every other."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 4 + 2, width // 4 + 2, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(4, axis=0).repeat(4, axis=1)[:height, :width])


def jpeg_tiles(pixels, tile_px, subsampling="420", photometric="ycbcr"):
    """Encoded tiles in reading order, edge tiles padded. RGB is stored as three planes that no decoder may convert;
    `mistaken` likewise, and the tiles say that they are YCbCr."""
    height, width = pixels.shape[:2]
    tiles = []
    for y in range(0, height, tile_px):
        for x in range(0, width, tile_px):
            part = pixels[y : y + tile_px, x : x + tile_px]
            part = np.pad(part, ((0, tile_px - part.shape[0]), (0, tile_px - part.shape[1]), (0, 0)), mode="edge")
            if photometric == "mistaken":
                tiles.append(rgb_named_ycbcr(part))
            elif photometric == "rgb":
                tiles.append(_stored_as_rgb(part, subsampling))
            else:
                tiles.append(simplejpeg.encode_jpeg(np.ascontiguousarray(part), 85, "RGB", subsampling))
    return tiles


def _stored_as_rgb(part, subsampling):
    """A JPEG without any marker of its colour space, as Aperio writes them: by the TIFF's tag it is RGB."""
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(part), 85, "RGB", subsampling)
    assert data[2:4] == b"\xff\xe0"
    return data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]


def rgb_named_ycbcr(pixels, quality=90):
    """A JPEG, chroma subsampled, whose components are red, green and blue, and which claims to hold YCbCr."""
    file = io.BytesIO()
    size = pixels.shape[1::-1]
    Image.frombytes("YCbCr", size, pixels.tobytes()).save(file, "JPEG", quality=quality, subsampling=2)
    return file.getvalue()


def level_tags(
    size_px, tile_px, tiles: Sequence[bytes], photometric="ycbcr", subsampling="420", description=""
) -> Tags:
    """The directory of one level; the tile offsets are filled in by `write_tiff`."""
    horizontal, vertical = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}[subsampling]
    tags: Tags = {
        256: (LONG, [size_px[0]]),
        257: (LONG, [size_px[1]]),
        258: (SHORT, [8, 8, 8]),
        259: (SHORT, [7]),
        262: (SHORT, [6 if photometric == "ycbcr" else 2]),
        277: (SHORT, [3]),
        284: (SHORT, [1]),
        322: (SHORT, [tile_px]),
        323: (SHORT, [tile_px]),
        324: (LONG, [0] * len(tiles)),
        325: (LONG, [len(tile) for tile in tiles]),
    }
    if description:
        tags[270] = (ASCII, description.encode() + b"\0")
    if photometric == "ycbcr":
        tags[530] = (SHORT, [horizontal, vertical])
    return tags


def write_tiff(
    path: Path,
    levels: Sequence[tuple[Tags, Sequence[bytes]]],
    *,
    order: str = "<",
    loop: bool = False,
    change: Callable[[list[Tags]], None] | None = None,
) -> Path:
    """Writes a classic TIFF; `change` may spoil the finished directories, `loop` links the last to the first."""
    data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    for tags, tiles in levels:
        offsets = []
        for tile in tiles:
            offsets.append(len(data))
            data += tile
        tags[324] = (tags[324][0], offsets)
    if change:
        change([tags for tags, _ in levels])
    link, first = 4, 0
    for tags, _ in levels:
        entries = b""
        for tag in sorted(tags):
            kind, values = tags[tag]
            code = {SHORT: "H", LONG: "I"}.get(kind)
            packed = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{code}", *values)
            if len(packed) > 4:
                place = len(data)
                data += packed
                packed = struct.pack(order + "I", place)
            count = len(values) // 8 if kind == RATIONAL else len(values)
            entries += struct.pack(order + "HHI", tag, kind, count) + packed.ljust(4, b"\0")
        start = len(data)
        first = first or start
        data += struct.pack(order + "H", len(tags)) + entries + bytes(4)
        struct.pack_into(order + "I", data, link, start)
        link = len(data) - 4
    if loop:
        struct.pack_into(order + "I", data, link, first)
    path.write_bytes(data)
    return path


APERIO = "Aperio Image Library\r\n{}x{} ({}x{}) JPEG/RGB Q=85|AppMag = 40|MPP = 0.25"


def write_slide(
    path: Path,
    size_px=(500, 333),
    tile_px=128,
    *,
    subsampling="420",
    photometric="ycbcr",
    downsamples=(1, 4),
    aperio=True,
    missing=(),
    order="<",
    seed=0,
    change=None,
    loop=False,
) -> Path:
    """A small slide of noise; `missing` are (level, index) of tiles never written."""
    pixels = noise(*size_px, seed)
    levels = []
    for level, downsample in enumerate(downsamples):
        part = pixels[::downsample, ::downsample][: size_px[1] // downsample, : size_px[0] // downsample]
        tiles = jpeg_tiles(part, tile_px, subsampling, photometric)
        for at, index in missing:
            if at == level:
                tiles[index % len(tiles)] = b""
        size = (part.shape[1], part.shape[0])
        text = APERIO.format(*size, tile_px, tile_px) if aperio and level == 0 else ""
        tags = level_tags(size, tile_px, tiles, photometric, subsampling, text)
        if not aperio and level:
            tags[254] = (LONG, [1])
        levels.append((tags, tiles))
    return write_tiff(path, levels, order=order, change=change, loop=loop)
