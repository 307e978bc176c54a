"""Olympus VSI slides of known px, written by hand from what is publicly known of the format: the TIFF with its tree of
tags, and the `.ets` beside it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

SHORT, LONG = 3, 4
VERSION = 402


def tags_head(count: int = 0) -> bytes:
    """The head of a set of `count` tags, whose first begins right behind it."""
    return struct.pack("<HHIqII", 24, 0x5349, VERSION, 24, count, 0)


def write_overview(path: Path, picture: np.ndarray, tags: bytes | None = None) -> Path:
    """The TIFF alone: the tags (an empty set unless given) behind its header, then one uncompressed RGB picture."""
    tags = tags_head() if tags is None else tags
    tags += bytes(len(tags) % 2)
    height, width = picture.shape[:2]
    place = 8 + len(tags)
    entries = {
        256: (LONG, width),
        257: (LONG, height),
        258: (SHORT, place + picture.nbytes),
        259: (SHORT, 1),
        262: (SHORT, 2),
        273: (LONG, place),
        277: (SHORT, 3),
        278: (LONG, height),
        279: (LONG, picture.nbytes),
    }
    bits = struct.pack("<4H", 8, 8, 8, 0)
    table = b"".join(
        struct.pack("<HHII", tag, kind, 3 if tag == 258 else 1, value) for tag, (kind, value) in entries.items()
    )
    directory = place + picture.nbytes + len(bits)
    path.write_bytes(
        b"II*\0"
        + struct.pack("<I", directory)
        + tags
        + picture.tobytes()
        + bits
        + struct.pack("<H", len(entries))
        + table
        + bytes(4)
    )
    return path
