"""Slides of a real one's size for benchmarks, written in seconds: a few drawn tiles, laid again and again, each entry
with bytes of its own in the file, so that reading and hashing it cost what they cost. Synthetic: they show no tissue.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import simplejpeg

from benchmarks.slides import directory_of
from wsi.synthetic.tissue import GLASS_RGB, paint_tissue

TILE_PX = 256
MPP = 0.25
LEVELS = (1, 4, 16)
_KINDS = ("adenocarcinoma", "squamous_cell_carcinoma", "normal")
_PIECES = 24


@dataclass(frozen=True)
class Woven:
    """A slide's size at 0.25 um/px, and how much of its area is tissue: one round piece in the middle, or all of it."""

    size_px: tuple[int, int]
    tissue_share: float = 1.0
    seed: int = 0


def weave(path: Path, what: Woven) -> Path:
    """Writes a tiled Aperio pyramid (BigTIFF, JPEG 4:2:0)."""
    with path.open("wb") as file:
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
        link = 8
        for downsample in LEVELS:
            link = _level(file, what, downsample, link)
    return path


def _level(file: BinaryIO, what: Woven, downsample: int, link: int) -> int:
    """Writes one level and its directory, which the directory before names at `link`; where this one's link stands."""
    width, height = what.size_px[0] // downsample, what.size_px[1] // downsample
    across, down = -(-width // TILE_PX), -(-height // TILE_PX)
    glass, tissue = _pieces(downsample, what.seed % len(_KINDS))
    offsets, lengths = [], []
    for is_tissue, piece in _pattern(across, down, what):
        tile = tissue[piece] if is_tissue else glass
        offsets.append(file.tell())
        lengths.append(len(tile))
        file.write(tile)
    file.write(bytes(-file.tell() % 8))
    described = what.size_px if downsample == 1 else None
    directory, at = directory_of(file.tell(), (width, height), offsets, lengths, described)
    file.write(directory)
    end = file.tell()
    file.seek(link)
    file.write(struct.pack("<Q", at))
    file.seek(end)
    return end - 8


def _pattern(across: int, down: int, what: Woven) -> Iterator[tuple[bool, int]]:
    """(is tissue, which piece) of each tile in reading order."""
    chance = random.Random(what.seed)
    radius = math.sqrt(what.tissue_share / math.pi)
    for row in range(down):
        for column in range(across):
            aside = math.hypot((column + 0.5) / across - 0.5, (row + 0.5) / down - 0.5)
            yield what.tissue_share >= 1 or aside < radius, chance.randrange(_PIECES)


@lru_cache
def _pieces(downsample: int, turn: int) -> tuple[bytes, list[bytes]]:
    """A tile of glass and some of tissue, as JPEG."""
    glass = np.full((TILE_PX, TILE_PX, 3), GLASS_RGB, np.uint8)
    kinds = [_KINDS[(turn + (n % 4 == 0)) % len(_KINDS)] for n in range(_PIECES)]
    painted = [paint_tissue(kind, (TILE_PX, TILE_PX), MPP * downsample, n) for n, kind in enumerate(kinds)]
    return _jpeg(glass), [_jpeg(tile) for tile in painted]


def _jpeg(tile: np.ndarray) -> bytes:
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(tile), 88, colorsubsampling="420"))
