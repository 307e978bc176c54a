"""Olympus VSI: its one brightfield scan, read from the `.ets` beside it tile by tile.

Nothing else here reads these files, so what they say is held against itself: the size that the tags tell against the
grid of tiles, each level against the finer one, the px against the coarse picture that the VSI holds of them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from wsi.errors import CorruptSlideError, SlideTooLargeError, UnreadableFileError
from wsi.identity import SlideFiles, open_slide_fd
from wsi.metadata import Metadata
from wsi.readers.level_scale import ScaledLevels, StoredLevel, scale_levels
from wsi.readers.olympus.coarse import Coarse, agrees, coarse_picture
from wsi.readers.olympus.ets import JPEG, JPEG_2000, RAW, EtsFile, TileLevel, read_ets
from wsi.readers.olympus.marks import is_vsi
from wsi.readers.olympus.scan import Scan, explained, find_scan
from wsi.readers.olympus.tags import DamagedVsiError, OddVsiError, Stack
from wsi.readers.openslide import MAX_PIXELS
from wsi.readers.slide_files import slide_files
from wsi.readers.tiff.coded_tile import OddTileError, decode_coded
from wsi.readers.tiff.jpeg_tile import OddJpegError, decode_tile, marked_colours, shared_head
from wsi.readers.tiled.halved import HalvingSlide
from wsi.region import Pixels
from wsi.spacing import Spacing, resolve_spacing

# As TIFF numbers them.
_TIFF_JPEG_2000, _TIFF_PNG = 34712, 34933
_HEADS = {None: shared_head(b"", "ycbcr"), "ycbcr": shared_head(b"", "ycbcr"), "rgb": shared_head(b"", "rgb")}
_WHITE = (255, 255, 255)


def recognises(path: Path) -> bool:
    """See `is_vsi`."""
    return is_vsi(path)


class VsiReader(HalvingSlide):
    """The scan of an Olympus VSI. Raises CorruptSlideError, UnsupportedSlideError, SlideTooLargeError,
    UnreadableFileError and the errors of `resolve_spacing`."""

    backend = "vsi-ets"

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        self._fd = -1
        try:
            self.files = SlideFiles.of(slide_files(path))
            scan = find_scan(path)
            self._fd = open_slide_fd(scan.ets)
            self._open(path, scan, mpp)
        except OddVsiError as error:
            self.close()
            raise explained(path.name, error) from error
        except OSError as error:
            self.close()
            raise UnreadableFileError(f"{path.name} cannot be read ({error.strerror})") from error
        except BaseException:
            self.close()
            raise

    def _open(self, path: Path, scan: Scan, mpp: float | None) -> None:
        width, height = scan.stack.size_px
        if width * height > MAX_PIXELS:
            raise SlideTooLargeError(f"{path.name} claims a level of {width} x {height} px")
        ets = read_ets(self._fd, scan.stack.size_px)
        spacing = _spacing(path.name, scan.stack, mpp)
        self._ets, self._fill_colour, self._identity = ets, _background(scan.stack, ets), object()
        self._share(path, ets.levels, spacing, {})
        found = self._scaled()
        self._identity = object()  # levels have other numbers now
        self._share(path, [ets.levels[number] for number in found.stored], spacing, _public(ets, found))
        self.levels = found.levels
        self._check_picture(scan)

    def _share(self, path: Path, stored: Sequence[TileLevel], spacing: Spacing, metadata: Metadata) -> None:
        self._stored: tuple[TileLevel, ...] = tuple(stored)
        self._describe_by_levels(path, [level.size_px for level in stored], spacing, metadata)

    def _scaled(self) -> ScaledLevels:
        told = [StoredLevel(level.size_px, float(level.downsample), level.tile_px) for level in self._stored]
        return scale_levels(told, lambda level, at, size: self.read_region(at, level, size), compare_all=True)

    def _check_picture(self, scan: Scan) -> None:
        """Holds the px against what the VSI shows of them. Raises OddVsiError."""
        found = coarse_picture(self.path, scan.stack.page, scan.stack.size_px)
        verdict = self._compared(found) if found else None
        if found and self._ets.codec == RAW and not (verdict and all(verdict)):
            # Readers take uncompressed px of one and the same colour space for RGB or for BGR.
            self._ets, self._identity = replace(self._ets, bgr=not self._ets.bgr), object()
            verdict = self._compared(found)
        if verdict is not None and not verdict[0]:
            raise DamagedVsiError("what it shows of its scan is another picture than the one in its folder")
        if verdict is None and not self._ets.whole_grid:
            raise DamagedVsiError("the tiles in its folder do not reach as far as the picture does")
        if self._ets.codec == RAW and not (verdict and all(verdict)):
            raise OddVsiError("uncompressed px, of which red and blue cannot be told apart")

    def _compared(self, coarse: Coarse) -> tuple[bool, bool] | None:
        level = max(number for number, stored in enumerate(self._stored) if stored.downsample <= min(coarse.ratio))
        return agrees(coarse, self._stored[level].downsample, partial(_read, self, level))

    def _grid(self, level: int) -> TileLevel:
        return self._stored[level]

    def _check_open(self) -> None:
        if self._fd < 0:
            raise ValueError("the slide is closed")

    def _decode(self, level: int, index: int, into: Pixels) -> None:
        tile = self._tile(level, index)
        try:
            if not tile:
                into[:] = self._fill_colour
            elif self._ets.codec == RAW:
                into[:] = _uncompressed(tile, into, bgr=self._ets.bgr)
            elif self._ets.codec == JPEG:
                decode_tile(_HEADS[marked_colours(tile)], tile, into)
            else:
                decode_coded(_TIFF_JPEG_2000 if self._ets.codec == JPEG_2000 else _TIFF_PNG, tile, into)
        except (OddJpegError, OddTileError) as error:
            raise self._damaged_tile() from error

    def _decode_half(self, level: int, index: int, into: Pixels) -> None:
        tile = self._tile(level, index) if self._ets.codec == JPEG else b""
        if not tile:
            raise OddJpegError("no JPEG")
        decode_tile(_HEADS[marked_colours(tile)], tile, into, halved=True)

    def _tile(self, level: int, index: int) -> bytes:
        """As it is stored, b"" where there is none. Raises CorruptSlideError."""
        stored = self._stored[level]
        length = int(stored.lengths[index])
        if length > 64 * 1024 + 8 * stored.tile_px[0] * stored.tile_px[1]:
            raise self._damaged_tile()
        try:
            tile = os.pread(self._fd, length, int(stored.offsets[index]))
        except (OSError, OverflowError) as error:
            raise self._damaged_tile() from error
        if len(tile) != length:
            raise self._damaged_tile()
        return tile

    def _damaged_tile(self) -> CorruptSlideError:
        return CorruptSlideError(f"{self.path.name} is damaged: a tile cannot be decoded", hint="copy or scan it again")

    def reopen(self) -> VsiReader:
        """A handle of its own that shares the decoded tiles."""
        self._check_open()
        self.files.check()
        other = object.__new__(VsiReader)
        other._share(self.path, self._stored, self.spacing, dict(self.metadata))
        other.files, other.levels, other._identity = self.files, self.levels, self._identity
        other._ets, other._fill_colour = self._ets, self._fill_colour
        other._fd = os.dup(self._fd)
        return other

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _read(slide: VsiReader, level: int, corner: tuple[int, int], size: tuple[int, int]) -> Pixels:
    return slide.read_region(corner, level, size)


def _uncompressed(tile: bytes, into: Pixels, *, bgr: bool) -> Pixels:
    if len(tile) != into.size:
        raise OddTileError("another size than a tile's")
    pixels = np.frombuffer(tile, np.uint8).reshape(into.shape)
    return pixels[..., ::-1] if bgr else pixels


def _spacing(name: str, stack: Stack, given: float | None) -> Spacing:
    """The objective's power may contradict the scale; no scale is inferred from it, since Olympus' cameras have px of
    their own (0.17 um at 40)."""
    power = stack.power if stack.um_px is not None else None
    return resolve_spacing(name, given=given, own=stack.um_px, objective_power=power)


def _background(stack: Stack, ets: EtsFile) -> tuple[int, ...]:
    """The colour of what was not scanned: white, unless tags and tiles agree on another."""
    return stack.background if stack.background == tuple(ets.background) else _WHITE


def _public(ets: EtsFile, found: ScaledLevels) -> Metadata:
    told: Metadata = {
        "vendor": "olympus",
        "format": "Olympus VSI",
        "compression": ets.compression,
        "level_count": len(found.levels),
        "level_sizes_px": " ".join(f"{level.size_px[0]}x{level.size_px[1]}" for level in found.levels),
        "reader": VsiReader.backend,
    }
    return told | ({"levels_left_out": found.left_out} if found.left_out else {})
