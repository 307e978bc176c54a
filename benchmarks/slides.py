"""Slides to measure on. All are synthetic: drawn tissue, or one drawn tile that a whole pyramid points to."""

from __future__ import annotations

import struct
from pathlib import Path

import simplejpeg

from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide
from wsi.synthetic.tissue import paint_tissue

_TILE_PX = 256
_LEVELS = (1, 4, 16)
_MPP = 0.25


def drawn_slide(path: Path, size_px: tuple[int, int]) -> Path:
    """Tissue all over, 0.25 um per px, levels 1, 4, 16, JPEG 4:2:0, Aperio layout."""
    everywhere = SyntheticRegion(Rectangle((0.0, 0.0), (1e6, 1e6)), "normal")
    write_synthetic_slide(path, regions=(everywhere,), mpp=_MPP, size_px=size_px, levels=_LEVELS, tile_px=_TILE_PX)
    return path


def repeated_slide(path: Path, size_px: tuple[int, int]) -> Path:
    """Of any size in a few MB: each level has one tile of drawn tissue, and all its entries point to it."""
    data = bytearray(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
    link = 8
    for downsample in _LEVELS:
        tile = simplejpeg.encode_jpeg(paint_tissue("normal", (_TILE_PX, _TILE_PX), _MPP * downsample, 0), 88)
        start = len(data)
        data += tile + bytes(-len(tile) % 8)
        size = (size_px[0] // downsample, size_px[1] // downsample)
        count = -(-size[0] // _TILE_PX) * -(-size[1] // _TILE_PX)
        described = size_px if downsample == 1 else None
        directory, at = directory_of(len(data), size, [start] * count, [len(tile)] * count, described)
        data += directory
        struct.pack_into("<Q", data, link, at)
        link = len(data) - 8
    path.write_bytes(data)
    return path


def directory_of(
    base: int, size_px: tuple[int, int], offsets: list[int], lengths: list[int], described: tuple[int, int] | None
) -> tuple[bytes, int]:
    """One BigTIFF directory to lie at `base`, its long values before it, and where its table begins."""
    values: dict[int, tuple[str, list[int] | bytes]] = {
        256: ("I", [size_px[0]]),
        257: ("I", [size_px[1]]),
        258: ("H", [8, 8, 8]),
        259: ("H", [7]),
        262: ("H", [6]),
        277: ("H", [3]),
        284: ("H", [1]),
        322: ("H", [_TILE_PX]),
        323: ("H", [_TILE_PX]),
        324: ("Q", offsets),
        325: ("Q", lengths),
        530: ("H", [1, 1]),
    }
    if described:
        pixels = f"{described[0]}x{described[1]} ({_TILE_PX}x{_TILE_PX}) JPEG/YCC Q=88"
        text = f"Aperio layout, SYNTHETIC pulmoscope\r\n{pixels}|AppMag = 40|MPP = {_MPP}"
        values[270] = ("s", text.encode() + b"\0")
    body, table = b"", b""
    for tag in sorted(values):
        code, content = values[tag]
        packed = content if isinstance(content, bytes) else struct.pack(f"<{len(content)}{code}", *content)
        if len(packed) > 8:
            place = struct.pack("<Q", base + len(body))
            body += packed + bytes(-len(packed) % 8)
            packed = place
        kind = {"s": 2, "H": 3, "I": 4, "Q": 16}[code]
        table += struct.pack("<HHQ", tag, kind, len(content)) + packed.ljust(8, b"\0")
    return body + struct.pack("<Q", len(values)) + table + bytes(8), base + len(body)
