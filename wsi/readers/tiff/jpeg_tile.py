"""One JPEG tile of a TIFF to pixels: tables joined, colour space as the TIFF says, size checked before decoding.

Works on bytes; knows nothing of files or slides.
"""

from __future__ import annotations

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from wsi.readers.tiff.directory import Photometric

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_SOS, _COM = 0xDA, 0xFE
_APP = range(0xE0, 0xF0)
_APP_JFIF, _APP_ADOBE = 0xE0, 0xEE
_SOF_BASELINE, _SOF_EXTENDED, _SOF_PROGRESSIVE = 0xC0, 0xC1, 0xC2
_KNOWN = frozenset((0xC4, 0xDB, 0xDD))  # Huffman tables, quantisation tables, restart interval
# Adobe's APP14 segment. Without one libjpeg guesses the colour space, and takes the RGB of Aperio slides for YCbCr.
_ADOBE = {
    "rgb": b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00",
    "ycbcr": b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x01",
}


class OddJpegError(ValueError):
    """A tile that is damaged, or not such as slides have."""


def shared_head(tables: bytes, photometric: Photometric) -> bytes:
    """What goes before each tile of a level: SOI, the colour space, the shared tables. Raises OddJpegError.

    `tables` is TIFF's JPEGTables, SOI to EOI, or empty.
    """
    segments = b""
    if tables:
        if tables[-2:] != _EOI:
            raise OddJpegError("the shared tables have no end")
        segments, rest = _segments(tables[:-2], None)
        if rest:
            raise OddJpegError("the shared tables hold more than tables")
    return _SOI + _ADOBE[photometric] + segments


def marked_colours(jpeg: bytes) -> Photometric | None:
    """The colour space that a JPEG claims by itself: by Adobe's marker, JFIF's, or components called R, G, B.

    None where it claims none, as Aperio's tiles; a TIFF's tag then speaks alone.
    """
    claimed: Photometric | None = None
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] not in (_SOS, _EOI[1]):
        kind, end = jpeg[at + 1], at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        body = jpeg[at + 4 : end]
        if kind == _APP_ADOBE and body.startswith(b"Adobe") and len(body) >= 12:
            return {0: "rgb", 1: "ycbcr"}.get(body[11])  # type: ignore[return-value]
        if kind == _APP_JFIF and body.startswith(b"JFIF\0"):
            claimed = "ycbcr"
        if kind in (_SOF_BASELINE, _SOF_EXTENDED, _SOF_PROGRESSIVE) and bytes(body[6:15:3]) == b"RGB":
            claimed = claimed or "rgb"
        at = max(end, at + 2)
    return claimed


def decode_tile(head: bytes, tile: bytes, into: NDArray[np.uint8], *, halved: bool = False) -> None:
    """Writes the RGB pixels of one tile into `into` (height, width, 3); `head` is `shared_head`'s.

    Exact: libjpeg's slow integer DCT and smooth chroma upsampling, as OpenSlide decodes. `halved`: `into` gets the tile
    at half its size; libjpeg leaves out the finer half of each block. Raises OddJpegError.
    """
    height, width = into.shape[:2]
    own, scan = _segments(tile, (2 * width, 2 * height) if halved else (width, height))
    if not scan:
        raise OddJpegError("no picture")
    least = {"min_height": height, "min_width": width} if halved else {}
    try:
        simplejpeg.decode_jpeg(head + own + scan, colorspace="RGB", strict=True, buffer=into, **least)
    except ValueError as error:
        raise OddJpegError("damaged") from error


def _segments(data: bytes, tile_px: tuple[int, int] | None) -> tuple[bytes, bytes]:
    """The segments up to the scan that decoding needs, and the scan with all that follows it.

    Application segments and comments are left out: a JFIF or second Adobe segment would override the colour space.
    A frame header must show three 8-bit components of exactly `tile_px`, so no tile can claim a gigapixel.
    """
    if data[:2] != _SOI:
        raise OddJpegError("no JPEG")
    kept: list[bytes] = []
    at = 2
    while at < len(data):
        if at + 4 > len(data) or data[at] != 0xFF:
            raise OddJpegError("no segment where one must be")
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise OddJpegError("a segment longer than the tile")
        if kind == _SOS:
            return b"".join(kept), data[at:]
        if kind in (_SOF_BASELINE, _SOF_EXTENDED, _SOF_PROGRESSIVE):
            _check_frame(data[at + 4 : end], tile_px)
            kept.append(data[at:end])
        elif kind in _KNOWN:
            kept.append(data[at:end])
        elif kind not in _APP and kind != _COM:
            raise OddJpegError("an unknown segment")
        at = end
    return b"".join(kept), b""


def _check_frame(frame: bytes, tile_px: tuple[int, int] | None) -> None:
    if len(frame) < 6 or tile_px is None:
        raise OddJpegError("a frame where none belongs")
    size = (int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big"))
    if frame[0] != 8 or frame[5] != 3 or size != tile_px:
        raise OddJpegError("a picture of another shape than its tile")
