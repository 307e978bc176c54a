"""NDPI files of known px: each level one JPEG, cut into strips by restart markers, as Hamamatsu's scanners store it."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.canaries import Page, write_pages

MCU_PX = {"444": (8, 8), "422": (16, 8), "420": (16, 16)}
FLOAT, SLONG, ASCII, SHORT, LONG, RATIONAL = 11, 9, 2, 3, 4, 5


@dataclass
class NdpiLevel:
    """A level before it is written: `strips` in reading order, each without its marker; `px` are what they decode to,
    each alone. `tags` go into its directory."""

    size_px: tuple[int, int]
    head: bytes
    strips: list[bytes]
    px: np.ndarray
    tags: dict[int, tuple[int, Any]] = field(default_factory=dict)

    @property
    def jpeg(self) -> bytes:
        marked = (strip + bytes((0xFF, 0xD0 + number % 8)) for number, strip in enumerate(self.strips))
        return self.head + b"".join(marked)[:-1] + b"\xd9"

    @property
    def starts(self) -> list[int]:
        """As tag 65426 tells them: from the JPEG's own start."""
        lengths = [len(strip) + 2 for strip in self.strips[:-1]]
        return [len(self.head) + int(at) for at in np.cumsum([0, *lengths])]


def cut_level(
    picture: np.ndarray,
    strip_px: int | None = None,
    subsampling: str = "444",
    *,
    beside: int = 1,
    claimed: tuple[int, int] | None = None,
) -> NdpiLevel:
    """`picture` (height, width, 3), `beside` times side by side, in strips `strip_px` wide, else across the whole.

    `claimed`: the size that the JPEG's head names, where it is another one than the level's.
    """
    height, width = picture.shape[:2]
    mcu = MCU_PX[subsampling]
    strip = strip_px or width
    coded, px = [], np.empty_like(picture)
    for y in range(0, height, mcu[1]):
        for x in range(0, width, strip):
            data = io.BytesIO()
            part = Image.fromarray(np.ascontiguousarray(picture[y : y + mcu[1], x : x + strip]))
            part.save(data, "JPEG", quality=85, subsampling=":".join(subsampling))
            px[y : y + mcu[1], x : x + strip] = np.asarray(Image.open(data))
            coded.append(data.getvalue())
    # Where a level is one strip across, as many stand side by side as are asked for.
    rows = [coded[at : at + width // strip] * beside for at in range(0, len(coded), width // strip)]
    size = (width * beside, height)
    interval = b"\xff\xdd\0\4" + (strip // mcu[0]).to_bytes(2, "big")
    scan = coded[0].index(b"\xff\xda")
    head = bytearray(coded[0][:scan] + interval + coded[0][scan : scan + 14])
    at = head.index(b"\xff\xc0") + 5
    head[at : at + 4] = struct.pack(">HH", *(claimed or size)[::-1])
    strips = [one[one.index(b"\xff\xda") + 14 : -2] for row in rows for one in row]
    return NdpiLevel(size, bytes(head), strips, np.tile(px, (1, beside, 1)))


def whole_level(picture: np.ndarray) -> NdpiLevel:
    """A level without restart markers, as scanners store their smallest."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=85, subsampling="4:4:4")
    coded = data.getvalue()
    at = coded.index(b"\xff\xda") + 14
    level = NdpiLevel(picture.shape[1::-1], coded[:at], [coded[at:-2]], np.asarray(Image.open(data)))
    level.tags[65426] = (LONG, [])  # tells nothing
    return level


def write_ndpi(
    path: Path,
    levels: Sequence[NdpiLevel],
    *,
    mpp: float = 0.5,
    change: Callable[[list[Page]], None] | None = None,
    start_at: int = 0,
) -> Path:
    """The levels with a macro behind them. `change` is given the directories, before they are laid out."""
    pages = [_page(level, 20.0 * level.size_px[0] / levels[0].size_px[0], mpp) for level in levels]
    macro = cut_level(np.full((64, 128, 3), 230, np.uint8))
    pages.append(_page(macro, -1.0, mpp))
    if change:
        change(pages)
    return write_pages(path, pages, ndpi=True, start_at=start_at)


def _page(level: NdpiLevel, lens: float, mpp: float) -> Page:
    (width, height), resolution = level.size_px, [round(10_000 * 1000 / mpp), 1000]
    tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [8, 8, 8]),
        259: (SHORT, [7]),
        262: (SHORT, [6]),
        271: (ASCII, b"Hamamatsu\0"),
        277: (SHORT, [3]),
        278: (LONG, [height]),
        282: (RATIONAL, resolution),
        283: (RATIONAL, resolution),
        296: (SHORT, [3]),
        65420: (SHORT, [1]),
        65421: (FLOAT, [lens]),
        65424: (SLONG, [0]),
    }
    if lens > 0:
        tags[65426] = (LONG, level.starts)
    tags = {tag: value for tag, value in (tags | level.tags).items() if len(value[1])}
    return Page(tags, [level.jpeg])


def entry_of(data: bytes, directory: int, tag: int) -> int:
    """Where the entry of a tag lies in an NDPI: tag, type, count and value, 2, 2, 4 and 4 bytes."""
    [place] = struct.unpack_from("<Q", data, 4)
    for _ in range(directory):
        [count] = struct.unpack_from("<H", data, place)
        [place] = struct.unpack_from("<Q", data, place + 2 + 12 * count)
    [count] = struct.unpack_from("<H", data, place)
    entries = range(place + 2, place + 2 + 12 * count, 12)
    return next(at for at in entries if struct.unpack_from("<H", data, at) == (tag,))
