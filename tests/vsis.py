"""Olympus VSI slides of known px, written by hand from what is publicly known of the format: the TIFF with its tree of
tags, and the `.ets` beside it."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from tests.coded import reduced

SHORT, LONG = 3, 4
VERSION = 402
RGB, BGR = 3, 4
MICRO = "10^-6m^1"
PATIENT = "Doe Jane 1951"
INLINE, NESTED, SECOND = 0x40000000, 0x90000000, 0x8000000


@dataclass
class Tag:
    """A field: its type with its flags, its value, or the set of fields in it."""

    tag: int
    type: int
    value: bytes | int = b""
    inside: Sequence[Tag] | None = None
    second: int | None = None

    def packed(self) -> tuple[int, bytes]:
        """(what stands where the size does, all that follows)."""
        body = pack_tags(self.inside) if self.inside is not None else self.value
        return (body, b"") if isinstance(body, int) else (len(body), body)


def pack_tags(tags: Sequence[Tag]) -> bytes:
    """A set: its head, its fields, each with the place of the next one from the head on, 0 in the last."""
    out, place = [tags_head(len(tags))], 24
    for number, one in enumerate(tags):
        size, body = one.packed()
        second = b"" if one.second is None else struct.pack("<i", one.second)
        place += 16 + len(second) + len(body)
        if one.inside is not None:
            size = place - 20 if one.type == 0 else 0  # as scanners write it
        flags = one.type | (SECOND if one.second is not None else 0) | (NESTED if one.inside is not None else 0)
        out.append(struct.pack("<IiII", flags, one.tag, 0 if number == len(tags) - 1 else place, size) + second + body)
    return b"".join(out)


def tags_head(count: int = 0) -> bytes:
    """The head of a set of `count` tags, whose first begins right behind it."""
    return struct.pack("<HHIqII", 24, 0x5349, VERSION, 24, count, 0)


def number(tag: int, value: int, type_: int = 5) -> Tag:
    return Tag(tag, type_ | INLINE, value)


def integers(tag: int, values: Sequence[int], type_: int = 8195) -> Tag:
    return Tag(tag, type_, struct.pack(f"<{len(values)}i", *values))


def text(tag: int, words: str, type_: int = 8192) -> Tag:
    return Tag(tag, type_, words.encode("utf-16-le"))


@dataclass
class Stack:
    """What the tags tell of one stack; `page` is the page that shows it, None where none does."""

    size_px: tuple[int, int]
    number: int = 10001
    kind: int | None = 0
    page: int | None = None
    um_px: tuple[float, float] | None = (0.5, 0.5)
    unit: str = MICRO
    dimensions: Sequence[int] = ()
    corner: tuple[int, int] = (0, 0)
    origin: Sequence[int] = (0, 0, 0)
    outside: bool = True
    frames: int = 1
    background: bytes = b"\xff\xff\xff"
    power: float | None = None
    drawings: int = 0
    """Frames that hold no px."""

    def tag(self) -> Tag:
        width, height = self.size_px
        outside = [
            integers(2053, (*self.corner, width, height), 259),
            integers(2410, self.origin, 8199),
            number(20005, int(self.outside), 12),
        ]
        frame = [Tag(2018, 1, inside=outside)]
        if self.page is not None:
            frame.append(Tag(2019, 0x1000000A, b"", second=self.page))
        told = [text(2030, PATIENT)]
        if self.um_px:
            told += [Tag(2019, 260, struct.pack("<2d", *self.um_px)), text(2020, self.unit, 13)]
        if self.kind is not None:
            told.append(number(2074, self.kind))
        if self.power is not None:
            camera = Tag(1, 1, inside=[Tag(120114, 1, inside=[number(100049, 8, 6)]), text(120116, PATIENT)])
            turret = Tag(2, 1, inside=[Tag(120114, 1, inside=[Tag(120060, 10, struct.pack("<d", self.power))])])
            told.append(Tag(2043, 2, inside=[integers(268435457, (2,)), camera, turret]))
        inside = [
            integers(2003, self.dimensions),
            Tag(2034, 2 | 0x20000000, self.background),
            *(Tag(2002, 0, inside=frame, second=at) for at in range(self.frames)),
            *(Tag(2002, 0, inside=[Tag(2006, 1, inside=[])], second=self.frames + at) for at in range(self.drawings)),
            Tag(2005, 1, inside=told),
        ]
        return Tag(2001, 0, inside=inside, second=self.number)


def vsi_tags(stacks: Sequence[Stack]) -> list[Tag]:
    """All of a file: the document's own, the collection of stacks."""
    document = Tag(2, 1, inside=[text(11, "Image_01.vsi"), text(12, rf"D:\{PATIENT}\Image_01.vsi"), text(15, PATIENT)])
    points = Tag(2001, 0, inside=[number(2030, 0), Tag(2005, 1, inside=[number(2074, 1024)])], second=10003)
    collection = [number(2035, 196615, 14), *(stack.tag() for stack in stacks), points]
    return [document, Tag(2000, 0, inside=collection, second=0)]


def write_overview(path: Path, *pictures: np.ndarray, tags: bytes | None = None) -> Path:
    """The TIFF: the tags (an empty set unless given) behind its header, then uncompressed RGB pages."""
    data = bytearray(b"II*\0" + bytes(4) + (tags_head() if tags is None else tags))
    link = 4
    for picture in pictures:
        height, width = picture.shape[:2]
        data += bytes(len(data) % 2)
        place = len(data)
        data += picture.tobytes() + bytes(picture.nbytes % 2)
        bits = len(data)
        data += struct.pack("<3H", 8, 8, 8)
        struct.pack_into("<I", data, link, len(data))
        entries = {
            256: (LONG, 1, width),
            257: (LONG, 1, height),
            258: (SHORT, 3, bits),
            259: (SHORT, 1, 1),
            262: (SHORT, 1, 2),
            273: (LONG, 1, place),
            277: (SHORT, 1, 3),
            278: (LONG, 1, height),
            279: (LONG, 1, picture.nbytes),
        }
        data += struct.pack("<H", len(entries))
        data += b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in entries.items())
        link = len(data)
        data += bytes(4)
    path.write_bytes(data)
    return path


def by_pillow(kind: str, **how: object) -> Callable[[np.ndarray], bytes]:
    def encode(part: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(part).save(file, kind, **how)
        return file.getvalue()

    return encode


CODECS: Mapping[str, tuple[int, Callable[[np.ndarray], bytes]]] = {
    "raw": (0, lambda part: part[..., ::-1].tobytes()),
    "jpeg": (2, lambda part: simplejpeg.encode_jpeg(part, 90, "RGB", "422")),
    "jpeg2000": (3, by_pillow("JPEG2000", no_jp2=True, mct=1)),
    "png": (8, by_pillow("PNG")),
}
"""How a tile is coded; uncompressed px begin with blue, as the colour space says."""


@dataclass
class Ets:
    """What an `.ets` says; `tiles` are (coordinates, bytes)."""

    tiles: list[tuple[tuple[int, ...], bytes]]
    codec: int
    tile_px: tuple[int, int] = (256, 256)
    space: int = BGR
    kind: int = 2
    samples: int = 3
    depth: int = 1
    background: bytes = b"\xff\xff\xff"
    pyramid: int = 1
    head: dict[str, int] = field(default_factory=dict)
    """Fields of the head that are to lie: `dimensions`, `tiles`, `table`, `more`, `size`."""

    def packed(self) -> bytes:
        dimensions = self.head.get("dimensions", len(self.tiles[0][0]))
        data, table = bytearray(64 + 228), []
        for at, tile in self.tiles:
            table.append(struct.pack(f"<I{len(at)}IQII", len(at), *at, len(data), len(tile), 0))
            data += tile
        struct.pack_into(
            "<4sIIIQIIQIIQII",
            data,
            0,
            b"SIS\0",
            self.head.get("size", 64),
            2,
            dimensions,
            self.head.get("more", 64),
            228,
            0,
            self.head.get("table", len(data)),
            self.head.get("tiles", len(self.tiles)),
            0,
            0,
            0,
            0,
        )
        told = (0x30003, self.kind, self.samples, self.space, self.codec, 90, *self.tile_px, self.depth)
        struct.pack_into("<4s9I", data, 64, b"ETS\0", *told)
        data[172 : 172 + len(self.background)] = self.background
        struct.pack_into("<2I", data, 212, 0xFFFFFFFF, self.pyramid)
        return bytes(data) + b"".join(table)


def make_ets(pixels: np.ndarray, codec: str = "jpeg", *, levels: int = 3, tile_px=(256, 256), without=()) -> Ets:
    """A pyramid of `pixels` reduced by 2 a level; tiles (level, x, y) in `without` were never scanned."""
    number, encode = CODECS[codec]
    width, height = tile_px
    tiles = []
    for level in range(levels):
        picture = reduced(pixels, 1 << level)
        full = np.pad(picture, ((0, -picture.shape[0] % height), (0, -picture.shape[1] % width), (0, 0)))
        for y in range(full.shape[0] // height):
            for x in range(full.shape[1] // width):
                if (level, x, y) not in without:
                    part = full[y * height : (y + 1) * height, x * width : (x + 1) * width]
                    tiles.append(((x, y, 0, level), encode(np.ascontiguousarray(part))))
    return Ets(tiles, number, tile_px)


def write_vsi(
    path: Path,
    pixels: np.ndarray,
    codec: str = "jpeg",
    *,
    levels: int = 3,
    tile_px=(256, 256),
    without=(),
    coarse: np.ndarray | None = None,
    stacks: Callable[[list[Stack]], None] | None = None,
    ets: Callable[[Ets], None] | None = None,
    um_px: float = 0.5,
) -> Path:
    """A VSI of a scan, an overview and a mask, with its folder. `stacks` and `ets` may spoil what is told."""
    shown = reduced(pixels, 4) if coarse is None else coarse
    label = np.full((40, 60, 3), 200, np.uint8)
    overview = Stack((pixels.shape[1] // 8, pixels.shape[0] // 8), number=1, kind=1, um_px=(4.0, 4.0))
    mask = Stack((30, 20), number=10000, kind=2, outside=False)
    told = [overview, mask, Stack(pixels.shape[1::-1], page=1, um_px=(um_px, um_px))]
    if stacks:
        stacks(told)
    write_overview(path, label, shown, tags=pack_tags(vsi_tags(told)))
    scan = make_ets(pixels, codec, levels=levels, tile_px=tile_px, without=without)
    if ets:
        ets(scan)
    for name, data in (("stack1", make_ets(reduced(pixels, 8), levels=1).packed()), ("stack10001", scan.packed())):
        folder = path.with_name(f"_{path.stem}_") / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "frame_t.ets").write_bytes(data)
    return path
