"""Where the JPEG frames of a DICOM instance lie, if they are the plain grid of a level (TILED_FULL). Decodes no pixel.

Headers are pydicom's, up to the pixels; offsets are held against the file before memory is asked for.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wsi.identity import open_slide_file
from wsi.readers.tiff.directory import FastPathDoubtError, Photometric
from wsi.region import Pair

_JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
_PIXEL_DATA = 0x7FE00010
_PHOTOMETRICS: dict[str, Photometric] = {"RGB": "rgb", "YBR_FULL_422": "ycbcr", "YBR_FULL": "ycbcr"}
_ITEM = b"\xfe\xff\x00\xe0"
_MAX_HEADER_BYTES = 1 << 24
_MAX_FRAMES = 1 << 22
_TILE_SIDE_PX = (16, 4096)
_PLAIN = {
    "SamplesPerPixel": 3,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "PlanarConfiguration": 0,
    "PixelRepresentation": 0,
    "NumberOfOpticalPaths": 1,
    "TotalPixelMatrixFocalPlanes": 1,
}


@dataclass(frozen=True)
class StoredFrames:
    """One level. Frames run in reading order."""

    path: Path
    size_px: Pair
    tile_px: Pair
    photometric: Photometric
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def columns(self) -> int:
        return -(-self.size_px[0] // self.tile_px[0])


def read_frames(path: Path) -> StoredFrames:
    """Raises FastPathDoubtError where the frames are anything else, or the file is damaged; OSError, NotAFileError."""
    from pydicom.filereader import read_partial

    with open_slide_file(path) as raw:
        size = raw.seek(0, 2)
        raw.seek(0)
        file = _Bounded(raw)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                told: Any = read_partial(file, stop_when=lambda tag, _vr, _length: tag == _PIXEL_DATA)  # type: ignore[arg-type]
                size_px, tile_px, photometric = _grid(told)
        except FastPathDoubtError:
            raise
        except Exception as error:  # pydicom raises nearly anything on a damaged file
            raise FastPathDoubtError("its header cannot be read") from error
        across, down = (-(-side // tile) for side, tile in zip(size_px, tile_px, strict=True))
        if across * down > _MAX_FRAMES or int(told.get("NumberOfFrames", 1)) != across * down:
            raise FastPathDoubtError("its frames are no plain grid")
        offsets, lengths = _places(raw, _first_item(raw, told), across * down, size)
    return StoredFrames(path, size_px, tile_px, photometric, offsets, lengths)


class _Bounded:
    """A file of which a header may read so much and no more."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, _MAX_HEADER_BYTES

    def read(self, length: int = -1) -> bytes:
        if length < 0 or length > self._left:
            raise FastPathDoubtError("a header of no sensible length")
        self._left -= length
        return bytes(self._file.read(length))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _grid(told: Any) -> tuple[Pair, Pair, Photometric]:
    if str(told.file_meta.TransferSyntaxUID) != _JPEG_BASELINE:
        raise FastPathDoubtError("its frames are not JPEG")
    photometric = _PHOTOMETRICS.get(str(told.get("PhotometricInterpretation")))
    if photometric is None or any(int(told.get(name, plain)) != plain for name, plain in _PLAIN.items()):
        raise FastPathDoubtError("its pixels are not 8-bit RGB or YCbCr")
    if str(told.get("DimensionOrganizationType", "")) != "TILED_FULL" or "ConcatenationUID" in told:
        raise FastPathDoubtError("its frames are no plain grid")
    size = (int(told.TotalPixelMatrixColumns), int(told.TotalPixelMatrixRows))
    tile = (int(told.Columns), int(told.Rows))
    if min(size) < 1 or min(tile) < _TILE_SIDE_PX[0] or max(tile) > _TILE_SIDE_PX[1]:
        raise FastPathDoubtError("a level or tile of no sensible size")
    return size, tile, photometric


def _first_item(file: BinaryIO, told: Any) -> int:
    """Where the items of the pixel data begin: behind the element's head, of undefined length."""
    at = file.tell()
    head = file.read(12)
    if head[:4] != b"\xe0\x7f\x10\x00" or head[4:6] not in (b"OB", b"OW") or head[8:] != b"\xff" * 4:
        raise FastPathDoubtError("its frames are not where they should be")
    return at + 12


def _places(file: BinaryIO, first: int, count: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets and lengths of the frames, one fragment each, by the basic offset table."""
    file.seek(first)
    head = file.read(8)
    if head[:4] != _ITEM or struct.unpack("<I", head[4:])[0] != 4 * count:
        raise FastPathDoubtError("it has no table of its frames")
    starts = np.frombuffer(file.read(4 * count), "<u4").astype(np.int64)
    base = first + 8 + 4 * count
    if len(starts) != count or starts[0] != 0 or (np.diff(starts) <= 8).any() or base + int(starts[-1]) + 8 > size:
        raise FastPathDoubtError("its table of frames is damaged")
    file.seek(base + int(starts[-1]))
    last = file.read(8)
    [length] = struct.unpack("<I", last[4:])
    lengths = np.append(np.diff(starts) - 8, length)
    offsets = starts + base + 8
    if last[:4] != _ITEM or int(offsets[-1]) + length > size:
        raise FastPathDoubtError("its table of frames is damaged")
    return offsets, lengths
