"""A JPEG that restart markers cut into strips, one of them to pixels. Works on bytes; knows nothing of files or slides.

A strip is decoded as a JPEG of its own size, whatever the head says of it; what that says else is checked before a
decoder sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from wsi.readers.tiff.jpeg_tile import OddJpegError
from wsi.region import Pair

MAX_HEAD_BYTES, MARKER_BYTES = 1 << 16, 2
MAX_SIDE_PX = 65_500
"""libjpeg's. A head may claim a larger size, or none; then the directory is right."""
_SOI, _EOI, _MARKER = b"\xff\xd8", b"\xff\xd9", 0xFF
_BASELINE, _EXTENDED, _HUFFMAN, _QUANTISATION, _INTERVAL, _SCAN = 0xC0, 0xC1, 0xC4, 0xDB, 0xDD, 0xDA
_JFIF, _ADOBE = 0xE0, 0xEE  # by these libjpeg knows the colour space
_PASSED_OVER = frozenset((*range(0xE0, 0xF0), 0xFE)) - {_JFIF, _ADOBE}
_KEPT = frozenset((_HUFFMAN, _QUANTISATION, _JFIF, _ADOBE))
_RESTARTS = range(0xD0, 0xD8)
# Of the first of three components, the others 1 x 1: colours whole (4:4:4), or halved across (4:2:2). Halved downwards
# (4:2:0), OpenSlide reads no NDPI to compare with.
_SAMPLINGS = ((1, 1), (2, 1))
_BLOCK_PX = 8


@dataclass(frozen=True)
class StripHead:
    """What stands before the strips; `size_px` is what it claims."""

    size_px: Pair
    length: int
    strip_px: Pair
    of_one: bytes
    """The head of one strip as a JPEG of its own, which then needs no restart markers: libjpeg is quicker without."""


def read_head(data: bytes) -> StripHead | None:
    """The head of a JPEG that begins with `data`, None where it has no restart markers. Raises OddJpegError."""
    kept, frame, scan, interval, length = b"", b"", b"", 0, 0
    for kind, segment, end in _segments(data):
        if kind in (_BASELINE, _EXTENDED) and not frame:
            frame = segment
        elif kind == _INTERVAL and len(segment) == 6:
            interval = int.from_bytes(segment[4:6], "big")
        elif kind == _SCAN:
            scan, length = segment, end
        elif kind in _KEPT:
            kept += segment
        elif kind not in _PASSED_OVER:
            raise OddJpegError("an unknown segment")
    across = _sampling(frame, scan)
    if not interval:
        return None
    strip_px = (_BLOCK_PX * across * interval, _BLOCK_PX)
    size = (int.from_bytes(frame[7:9], "big"), int.from_bytes(frame[5:7], "big"))
    own_size = strip_px[1].to_bytes(2, "big") + min(strip_px[0], MAX_SIDE_PX).to_bytes(2, "big")
    return StripHead(size, length, strip_px, _SOI + kept + frame[:5] + own_size + frame[9:] + scan)


def between_markers(data: bytes, *, first: bool, last: bool) -> bytes:
    """The strip that `data` holds with the restart markers before and behind it, as there must be, numbered in whatever
    way: the `first` one of a picture has the head before it, the `last` one may have the picture's end behind.

    Raises OddJpegError.
    """
    before, behind = data[:MARKER_BYTES], data[-MARKER_BYTES:]
    if (
        len(data) <= 2 * MARKER_BYTES
        or not (first or _restarts(before))
        or not (_restarts(behind) or (last and behind == _EOI))
    ):
        raise OddJpegError("a strip without its markers")
    return data[MARKER_BYTES:-MARKER_BYTES]


def decode_strip(head: StripHead, strip: bytes, into: NDArray[np.uint8], *, halved: bool = False) -> None:
    """Writes a strip, as it stands between markers, into `into` (height, width, 3). Exact as `jpeg_tile.decode_tile`.

    `halved`: `into` gets it at half its size. Raises OddJpegError.
    """
    least = {"min_height": into.shape[0], "min_width": into.shape[1]} if halved else {}
    try:
        simplejpeg.decode_jpeg(
            b"".join((head.of_one, strip, _EOI)), colorspace="RGB", strict=True, buffer=into, **least
        )
    except ValueError as error:
        raise OddJpegError("damaged") from error


def _restarts(two: bytes) -> bool:
    return two[0] == _MARKER and two[1] in _RESTARTS


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """(kind, the segment with its marker, where it ends) up to the scan."""
    if data[:2] != _SOI:
        raise OddJpegError("no JPEG")
    kind, at = 0, 2
    while kind != _SCAN:
        if at + 4 > len(data) or data[at] != 0xFF:
            raise OddJpegError("no segment where one must be")
        kind, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(data):
            raise OddJpegError("a segment longer than the head")
        yield kind, data[at:end], end
        at = end


def _sampling(frame: bytes, scan: bytes) -> int:
    """How many blocks of 8 px lie across a unit of the scan. One scan of three 8-bit components, else OddJpegError."""
    if len(frame) != 19 or frame[4] != 8 or frame[9] != 3:
        raise OddJpegError("a picture that is not of three colours in 8 bits")
    across, down = frame[11] >> 4, frame[11] & 15
    if (across, down) not in _SAMPLINGS or frame[14] != 0x11 or frame[17] != 0x11:
        raise OddJpegError("colours of another layout")
    if len(scan) != 14 or scan[4] != 3 or scan[5:11:2] != frame[10:19:3] or scan[11:] != b"\0\x3f\0":
        raise OddJpegError("a scan of another layout")
    return across
