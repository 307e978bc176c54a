"""One tile of a TIFF that is no baseline JPEG, to pixels: JPEG 2000, WebP and PNG, and with the extra `formats` JPEG XL
and LERC.

Works on bytes; knows nothing of files or slides. What a tile claims to be is checked in its head before a decoder asks
for memory, or the decoder is given the memory that it may fill.
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import cv2
import numpy as np

from wsi.region import Pair, Pixels

EXTRA = "formats"
APERIO_RGB = 33005
"""Aperio's JPEG 2000 of red, green and blue; of the other kind, 33003, its tiles hold YCbCr with fewer px of colour."""
JPEG_2000 = frozenset((33003, 33004, APERIO_RGB, 34712))
_WEBP, _PNG = frozenset((34927, 50001)), frozenset((34933,))
# JPEG XR is left out: of a tile that was cut short its decoder makes a picture without a word.
_JPEG_XL, _LERC = frozenset((50002, 52546)), frozenset((34887,))
_BY_EXTRA = _JPEG_XL | _LERC
CODED = JPEG_2000 | _WEBP | _PNG | _BY_EXTRA
"""The TIFF compressions that are decoded here."""

_SIZ, _COD, _START_OF_TILE = 0xFF51, 0xFF52, 0xFF90
_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


class OddTileError(ValueError):
    """A tile that is damaged, or not such as slides have: a few words of ours."""


def lacks_extra(compression: int) -> bool:
    """Whether tiles of that compression need the extra, and it is not installed."""
    return compression in _BY_EXTRA and importlib.util.find_spec("imagecodecs") is None


def decode_coded(compression: int, tile: bytes, into: Pixels, *, ycbcr: bool = False) -> None:
    """Writes the pixels of one tile into `into` (height, width, 3). `ycbcr`: so says the TIFF's tag.

    Raises OddTileError.
    """
    for compressions, decode in _DECODERS:
        if compression in compressions:
            decode(tile, into, ycbcr)
            return
    raise OddTileError("a compression that is not read here")


def _jpeg_2000(tile: bytes, into: Pixels, ycbcr: bool) -> None:
    mixed = _check_codestream(tile, _size(into))
    if ycbcr and not mixed:
        raise OddTileError("JPEG 2000 of colours that are told apart by the TIFF alone")
    _by_opencv(tile, into)


def _webp(tile: bytes, into: Pixels, _ycbcr: bool) -> None:
    if _webp_size(tile) != _size(into):
        raise OddTileError("a picture of another shape than its tile")
    _by_opencv(tile, into)


def _png(tile: bytes, into: Pixels, _ycbcr: bool) -> None:
    if tile[:8] != b"\x89PNG\r\n\x1a\n" or tile[12:16] != b"IHDR" or len(tile) < 33:
        raise OddTileError("no PNG")
    width, height, depth, kind = struct.unpack(">IIBB", tile[16:26])
    if (width, height) != _size(into) or (depth, kind) != (8, 2):
        raise OddTileError("a picture of another shape than its tile")
    _by_opencv(tile, into)


def _by_opencv(tile: bytes, into: Pixels) -> None:
    _quiet()
    try:
        pixels = cv2.imdecode(np.frombuffer(tile, np.uint8), _AS_STORED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape != into.shape or pixels.dtype != np.uint8:
        raise OddTileError("damaged")
    cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=into)


@cache
def _quiet() -> None:
    """OpenCV tells standard error of each codestream that it names no colour space, which none in a TIFF does."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _by_imagecodecs(name: str) -> Callable[[bytes, Pixels, bool], None]:
    def decode(tile: bytes, into: Pixels, _ycbcr: bool) -> None:
        codec = getattr(_imagecodecs(), f"{name}_decode")
        try:
            codec(tile, out=into)  # it refuses a picture that does not fill this memory
        except Exception as error:  # each codec has errors of its own
            raise OddTileError("damaged, or of another shape than its tile") from error

    return decode


def _imagecodecs() -> Any:
    try:
        import imagecodecs
    except ImportError as error:
        raise OddTileError(f"the extra `{EXTRA}` is not installed") from error
    return imagecodecs


_DECODERS: tuple[tuple[frozenset[int], Callable[[bytes, Pixels, bool], None]], ...] = (
    (JPEG_2000, _jpeg_2000),
    (_WEBP, _webp),
    (_PNG, _png),
    (_JPEG_XL, _by_imagecodecs("jpegxl")),
    (_LERC, _by_imagecodecs("lerc")),
)


def _size(into: Pixels) -> Pair:
    return into.shape[1], into.shape[0]


def _check_codestream(data: bytes, size_px: Pair) -> bool:
    """Whether its colours are mixed by JPEG 2000's own transform. Three 8-bit components of `size_px`, none with fewer
    px, else OddTileError (ISO/IEC 15444-1, annex A)."""
    if data[:4] != b"\xff\x4f\xff\x51" or len(data) < 60:
        raise OddTileError("no JPEG 2000 codestream")
    width, height, left, top, part_width, part_height = struct.unpack(">6I", data[8:32])
    [components] = struct.unpack(">H", data[40:42])
    if (width, height, left, top) != (*size_px, 0, 0) or components != 3 or data[42:51] != b"\x07\x01\x01" * 3:
        raise OddTileError("a picture of another shape than its tile")
    if part_width < width or part_height < height:  # a part that is missing would be painted black
        raise OddTileError("a picture in parts")
    at = 2
    while at + 4 <= len(data):
        marker, length = struct.unpack(">HH", data[at : at + 4])
        if marker == _COD and length >= 12 and at + 9 <= len(data):
            return data[at + 8] == 1
        if marker == _START_OF_TILE or marker < 0xFF00 or length < 2:
            break
        at += 2 + length
    raise OddTileError("no coding style")


def _webp_size(data: bytes) -> Pair | None:
    """(width, height) of one still picture, None for anything else (RFC 9649)."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and data[20] == 0x2F:
        [bits] = struct.unpack("<I", data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X" and not data[20] & 0x02:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None
