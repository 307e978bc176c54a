"""Tiled TIFFs that OpenSlide does not read for their compression: OME-TIFF and others in JPEG 2000, WebP, PNG, and with
the extra `formats` JPEG XL and LERC. A tile is decoded when it is asked for; of a level no more than that is in memory.

Nothing else reads these files, so what a file says of itself is checked against itself: each level by its size and its
px beside a finer one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wsi.errors import CorruptSlideError, SlideTooLargeError, UnsupportedSlideError
from wsi.identity import SlideFiles, open_slide_fd
from wsi.metadata import Metadata, is_synthetic
from wsi.readers import features
from wsi.readers.beginnings import looks_like_tiff
from wsi.readers.level_scale import ScaledLevels, StoredLevel, scale_levels
from wsi.readers.openslide import MAX_PIXELS, vendor_of
from wsi.readers.tiff.coded_tile import CODED, OddTileError, decode_coded
from wsi.readers.tiff.description import imagej_mpp, ome_mpp, qpi_mpp, tags_mpp
from wsi.readers.tiff.directory import FastPathDoubtError, StoredTiles, readable_levels, sub_levels, tiled_levels
from wsi.readers.tiff.pages import TiffPage, read_pages
from wsi.readers.tiled.slide import TiledSlide
from wsi.region import Pair, Pixels
from wsi.spacing import Spacing, resolve_spacing

# OpenSlide's names for what it has no reader of its own for.
_FORMATS = (None, "generic-tiff")


def recognises(path: Path) -> bool:
    """Whether the largest page of a TIFF is tiled in a compression that is decoded here and OpenSlide does not know."""
    try:
        return vendor_of(path) in _FORMATS and looks_like_tiff(path) and is_coded(read_pages(path))
    except (FastPathDoubtError, OSError):
        return False


def is_coded(pages: Sequence[TiffPage]) -> bool:
    """Whether the largest of the pages is of these."""
    main = max(pages, key=lambda page: page.pixels, default=None)
    return main is not None and main.tiled and main.compression in CODED


class CodedTiffReader(TiledSlide):
    """A slide of coded tiles. Raises CorruptSlideError, UnsupportedSlideError, SlideTooLargeError and the errors of
    `resolve_spacing`."""

    backend = "tiff-coded"

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        self.files = SlideFiles.of((path,))
        pages = read_pages(path)
        main = max(pages, key=lambda page: page.pixels)
        self.path, self._fd, self._identity = path, open_slide_fd(path), object()
        try:
            stored = self._stored_levels(path, main)
            self._check_codec(stored[0])
            spacing = _spacing(path.name, pages[0].description, main, mpp)
            self._share(path, stored, spacing, {})
            found = self._scaled(stored)
        except BaseException:
            self.close()
            raise
        self._identity = object()  # levels have other numbers now
        self._share(path, [stored[number] for number in found.stored], spacing, _public(main, found, self.backend))
        self.levels = found.levels

    def _share(self, path: Path, stored: Sequence[StoredTiles], spacing: Spacing, metadata: Metadata) -> None:
        self._stored: tuple[StoredTiles, ...] = tuple(stored)
        self._describe_by_levels(path, [level.size_px for level in stored], spacing, metadata)

    def _stored_levels(self, path: Path, main: TiffPage) -> list[StoredTiles]:
        """The largest picture and what may be its levels, largest first."""
        if main.pixels > MAX_PIXELS:
            raise SlideTooLargeError(f"{path.name} claims a level of {main.size_px[0]} x {main.size_px[1]} px")
        pages = readable_levels(self._fd, CODED)
        finest = next((tiles for tiles in pages if tiles.size_px == main.size_px), None)
        if finest is None:
            raise features.unsupported(path.name, self._why_not())
        below = [*pages, *sub_levels(self._fd, main.size_px, CODED)]
        smaller = [tiles for tiles in below if all(a < b for a, b in zip(tiles.size_px, finest.size_px, strict=True))]
        return [finest, *sorted(smaller, key=lambda tiles: tiles.size_px, reverse=True)]

    def _why_not(self) -> str:
        try:
            tiled_levels(self._fd, CODED)
        except FastPathDoubtError as doubt:
            return str(doubt)
        return "a layout of tiles that is not read here"

    def _check_codec(self, finest: StoredTiles) -> None:
        """Decodes the fullest tile: what its codec does not take is told at opening."""
        index = int(np.argmax(finest.lengths))
        into = np.empty((finest.tile_px[1], finest.tile_px[0], 3), np.uint8)
        try:
            self._decode_stored(finest, index, into)
        except OddTileError as error:
            what = f"{features.compression(finest.compression)} tiles ({error})"
            raise UnsupportedSlideError(
                f"{self.path.name} has what is not read here, or is damaged: {what}", hint=features.CONVERT_TIFF
            ) from error

    def _scaled(self, stored: Sequence[StoredTiles]) -> ScaledLevels:
        told = [StoredLevel(tiles.size_px, _quotient(self.size_px, tiles.size_px), tiles.tile_px) for tiles in stored]
        return scale_levels(told, lambda level, at, size: self.read_region(at, level, size), compare_all=True)

    def _grid(self, level: int) -> StoredTiles:
        return self._stored[level]

    def _check_open(self) -> None:
        if self._fd < 0:
            raise ValueError("the slide is closed")

    def _decode(self, level: int, index: int, into: Pixels) -> None:
        try:
            self._decode_stored(self._stored[level], index, into)
        except (OddTileError, OSError, OverflowError) as error:
            raise CorruptSlideError(
                f"{self.path.name} is damaged: a tile cannot be decoded", hint="copy or scan it again"
            ) from error

    def _decode_stored(self, tiles: StoredTiles, index: int, into: Pixels) -> None:
        """Writes a stored tile; one that was never written is white. Raises OddTileError, OSError, OverflowError."""
        length = int(tiles.lengths[index])
        if not length:
            into[:] = 255
            return
        if length > 64 * 1024 + 8 * into.shape[0] * into.shape[1]:
            raise OddTileError("longer than any tile of its size")
        tile = os.pread(self._fd, length, int(tiles.offsets[index]))
        decode_coded(tiles.compression, tile, into, ycbcr=tiles.photometric == "ycbcr")

    def reopen(self) -> CodedTiffReader:
        """A handle of its own that shares the decoded tiles."""
        self._check_open()
        self.files.check()
        other = object.__new__(CodedTiffReader)
        other._share(self.path, self._stored, self.spacing, dict(self.metadata))
        other.files, other.levels, other._identity = self.files, self.levels, self._identity
        other._fd = os.dup(self._fd)
        return other

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _quotient(finest: Pair, size_px: Pair) -> float:
    return sum(whole / side for whole, side in zip(finest, size_px, strict=True)) / 2


def _spacing(name: str, description: str, main: TiffPage, given: float | None) -> Spacing:
    return resolve_spacing(
        name,
        given=given,
        own=qpi_mpp(description),
        ome=ome_mpp(description, main.size_px),
        imagej=imagej_mpp(description, main.resolution),
        tiff_resolution=tags_mpp(main.resolution, main.resolution_unit),
    )


def _public(main: TiffPage, found: ScaledLevels, backend: str) -> Metadata:
    """What may be told: figures, and words of ours."""
    told: Metadata = {
        "format": "TIFF",
        "compression": features.compression(main.compression),
        "level_count": len(found.levels),
        "level_sizes_px": " ".join(f"{level.size_px[0]}x{level.size_px[1]}" for level in found.levels),
        "reader": backend,
    }
    if found.left_out:
        told["levels_left_out"] = found.left_out
    if is_synthetic(main.description):
        told["synthetic"] = True
    return told
