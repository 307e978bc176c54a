"""What a TIFF holds in all: its pages with what matters for choosing one, and what is wrong with a file cut short.

Directories only, with bounds on everything; no pixel is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wsi.identity import open_slide_file
from wsi.readers.tiff.directory import Entry, TiffFile, open_tiff, read_directories
from wsi.region import Pair

JPEG, RGB, YCBCR = 7, 2, 6
_REDUCED, _MASK = 1, 4
_OLD_REDUCED = 2  # of the tag that NewSubfileType replaced
_MAX_DESCRIPTION_BYTES = 1 << 20
_TAGS = {
    "subfile": 254,
    "old_subfile": 255,
    "width": 256,
    "height": 257,
    "bits": 258,
    "compression": 259,
    "photometric": 262,
    "orientation": 274,
    "samples": 277,
    "resolution_unit": 296,
    "rows_a_strip": 278,
    "tile_width": 322,
    "tile_height": 323,
    "extra": 338,
    "sample_format": 339,
}
_DESCRIPTION, _X_RESOLUTION, _Y_RESOLUTION = 270, 282, 283
_PROFILE = 34675
_INCH = 2
_PLACES = ((324, 325), (273, 279))  # offsets and lengths of tiles, of strips


@dataclass(frozen=True)
class TiffPage:
    """One directory of the main chain; `number` is its place there. Fields are those of TIFF 6.0, 0 where absent."""

    number: int
    size_px: Pair
    reduced: bool
    tiled: bool
    compression: int
    photometric: int
    samples: int
    bits: int
    sample_format: int
    orientation: int
    extra: int
    """Meaning of the first sample beyond the colours: 0 not told, 1 and 2 opacity."""
    description: str
    complete: bool
    """Whether all its tiles or strips lie inside the file."""
    listed: int
    """Tiles or strips that its directory lists."""
    needed: int
    """Tiles or strips that its size asks for, at least; 0 where it does not tell their size."""
    resolution: tuple[float | None, float | None]
    """px per unit, across and down; None where nothing is said."""
    resolution_unit: int

    @property
    def pixels(self) -> int:
        return self.size_px[0] * self.size_px[1]

    @property
    def focal_planes(self) -> int:
        """As OME-XML or ImageJ tell; 1 where nothing is told."""
        told = [int(z) for z in re.findall(r'\bSizeZ="(\d{1,6})"', self.description)]
        if self.description.startswith("ImageJ"):
            told += [int(z) for z in re.findall(r"^slices=(\d{1,6})\s*$", self.description, re.MULTILINE)]
        return max(told, default=1)


def read_pages(path: Path) -> tuple[TiffPage, ...]:
    """The pages of a TIFF in file order; masks are left out. Raises FastPathDoubtError, TruncatedTiffError and what
    `open_slide_file` does."""
    with open_slide_file(path) as opened:
        file, offset = open_tiff(opened.fileno())
        pages = [_page(file, number, entries) for number, entries in enumerate(read_directories(file, offset))]
        return tuple(page for page in pages if page is not None)


def read_profile(path: Path, most_bytes: int) -> bytes:
    """The colour profile of the first page that has one, at most one byte more than `most_bytes` of it; else b"".

    Raises as `read_pages` does.
    """
    with open_slide_file(path) as opened:
        file, offset = open_tiff(opened.fileno())
        for entries in read_directories(file, offset):
            entry = entries.get(_PROFILE)
            if entry is not None and entry.code == "u1":
                return file.bytes_at(entry.place, min(entry.count, most_bytes + 1))
    return b""


def _page(file: TiffFile, number: int, entries: dict[int, Entry]) -> TiffPage | None:
    first = {name: int(file.values(entries[tag], most=1)[0]) for name, tag in _TAGS.items() if tag in entries}
    subfile = first.get("subfile", 0)
    if subfile & _MASK:
        return None
    return TiffPage(
        number=number,
        size_px=(first.get("width", 0), first.get("height", 0)),
        reduced=bool(subfile & _REDUCED) or first.get("old_subfile") == _OLD_REDUCED,
        tiled="tile_width" in first,
        compression=first.get("compression", 1),
        photometric=first.get("photometric", 0),
        samples=first.get("samples", 1),
        bits=first.get("bits", 1),
        sample_format=first.get("sample_format", 1),
        orientation=first.get("orientation", 1),
        extra=first.get("extra", 0),
        description=_text(file, entries),
        complete=_complete(file, entries),
        listed=max((entries[tag].count for tag, _ in _PLACES if tag in entries), default=0),
        needed=_needed(first),
        resolution=(_rational(file, entries, _X_RESOLUTION), _rational(file, entries, _Y_RESOLUTION)),
        resolution_unit=first.get("resolution_unit", _INCH),
    )


def _needed(first: Mapping[str, int]) -> int:
    """Tiles or strips of one plane."""
    width, height = first.get("width", 0), first.get("height", 0)
    if "tile_width" in first:
        across, down = first["tile_width"], first.get("tile_height", 0)
    else:
        across, down = width, first.get("rows_a_strip", 0)
    return -(-width // across) * -(-height // down) if across and down else 0


def _text(file: TiffFile, entries: dict[int, Entry]) -> str:
    entry = entries.get(_DESCRIPTION)
    if entry is None:
        return ""
    return file.bytes_at(entry.place, min(entry.count, _MAX_DESCRIPTION_BYTES)).decode("utf-8", "replace")


def _rational(file: TiffFile, entries: dict[int, Entry], tag: int) -> float | None:
    entry = entries.get(tag)
    if entry is None or (entry.code, entry.count) != ("u8", 1):
        return None
    above, below = file.unpack("II", entry.place)
    return above / below if above and below else None


def _complete(file: TiffFile, entries: dict[int, Entry]) -> bool:
    for offsets, lengths in _PLACES:
        if offsets in entries and lengths in entries and entries[offsets].count == entries[lengths].count:
            start, size = (file.values(entries[tag]) for tag in (offsets, lengths))
            stored = size > 0
            return bool((start[stored] + size[stored] <= file.size).all())
    return True
