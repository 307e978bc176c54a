"""Where an NDPI keeps its levels: each is one JPEG, and restart markers cut it into strips that can be decoded alone.

Layout only, with bounds on everything; all else is a FastPathDoubtError. Decodes no pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi.identity import open_slide_file
from wsi.readers.tiff.directory import JPEG, Entry, FastPathDoubtError, TiffFile, open_tiff, read_directories
from wsi.readers.tiff.pages import read_pages
from wsi.region import Pair

_WIDTH, _HEIGHT, _COMPRESSION, _START, _ROWS, _BYTES = 256, 257, 259, 273, 278, 279
_LENS, _FOCAL_PLANE, _STRIPS = 65421, 65424, 65426
# A square decimetre at 0.25 um per px has ten million in strips of 2,048 x 8 px; a large section has a million.
MAX_STRIPS = 1 << 22
# An empty strip of one block takes a byte, and its marker two.
_LEAST_STRIP_BYTES = 3


@dataclass(frozen=True)
class NdpiLevel:
    """One JPEG of the slide's own plane: `start` and `end` in the file; `strips` lists where its strips begin."""

    size_px: Pair
    start: int
    end: int
    strips: Entry | None


def read_levels(fd: int) -> tuple[NdpiLevel, ...]:
    """The levels of focal plane 0 of the NDPI open at `fd`, in file order; macro and map are passed over.

    Raises FastPathDoubtError.
    """
    file = _open(fd)
    [first] = file.unpack("Q", 4)
    levels = (_level(file, entries) for entries in read_directories(file, first))
    return tuple(level for level in levels if level is not None)


def level_sizes(path: Path) -> frozenset[Pair]:
    """Sizes of the pictures that an NDPI stores, its levels among them. Raises FastPathDoubtError and what
    `open_slide_file` does."""
    with open_slide_file(path) as opened, suppress(FastPathDoubtError):
        return frozenset(level.size_px for level in read_levels(opened.fileno()))
    return frozenset(page.size_px for page in read_pages(path))


def strip_places(fd: int, level: NdpiLevel, count: int, head_bytes: int) -> NDArray[np.int64]:
    """(count + 1,) where the strips begin in the file, and where the last one ends.

    `head_bytes` is how long the JPEG's head is. Raises FastPathDoubtError unless they follow each other within it.
    """
    entry = level.strips
    if entry is None or entry.code not in ("u4", "u8"):
        raise FastPathDoubtError("it does not tell where its strips begin")
    if not 0 < count <= MAX_STRIPS or entry.count != count:
        raise FastPathDoubtError("its list of strips is of another length")
    told = _open(fd).values(entry, most=count)
    if int(told.max()) >= level.end - level.start or int(told[0]) != head_bytes:
        raise FastPathDoubtError("its strips lie outside their picture")
    places = np.append(told.astype(np.int64) + level.start, level.end)
    if (np.diff(places) < _LEAST_STRIP_BYTES).any():
        raise FastPathDoubtError("its strips do not follow each other")
    return places


def _open(fd: int) -> TiffFile:
    file, _ = open_tiff(fd)
    if file.big:
        raise FastPathDoubtError("not an NDPI")
    return replace(file, ndpi=True)


def _level(file: TiffFile, entries: Mapping[int, Entry]) -> NdpiLevel | None:
    [lens] = file.unpack("f", _one(entries, _LENS, "f4").place)
    if not lens > 0 or file.unpack("i", _one(entries, _FOCAL_PLANE, "i4").place) != (0,):
        return None
    width, height, compression, rows, length = (
        int(file.values(_one(entries, tag))[0]) for tag in (_WIDTH, _HEIGHT, _COMPRESSION, _ROWS, _BYTES)
    )
    told = _one(entries, _START)
    start = file.meant(int(file.values(told)[0]), told.place)
    if compression != JPEG or rows != height or min(width, height) < 1:
        raise FastPathDoubtError("a level that is no JPEG of its own")
    if start + length > file.size:
        raise FastPathDoubtError("a level lies beyond the file")
    return NdpiLevel((width, height), start, start + length, entries.get(_STRIPS))


def _one(entries: Mapping[int, Entry], tag: int, code: str = "") -> Entry:
    entry = entries.get(tag)
    if entry is None or entry.count != 1 or entry.code != (code or entry.code):
        raise FastPathDoubtError("a field of no sensible length")
    return entry
