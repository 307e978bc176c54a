"""Compressed pictures inside a slide: JPEG and JPEG 2000 streams may carry comments, EXIF, colour profiles and small
pictures beside their pixels. Finds those parts; no pixel is decoded, and no pixel's byte is among them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsi.deidentify.plan import NotUnderstoodError, Span
from wsi.deidentify.source import PIECE_BYTES, Source

Foreign = tuple[str, Span]
"""What a part is, in words, and where its payload lies."""

_SOI, _EOI, _SOS, _JFIF, _ADOBE, _COMMENT = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE, 0xFE
# Frame headers, tables, restart intervals: numbers of the codec, which the decoder needs.
_OF_THE_CODEC = frozenset({*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD}) - {0xC8}
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JFIF_BYTES, _ADOBE_BYTES = 14, 12

_J2K_SOC, _J2K_SOT, _J2K_SOD, _J2K_EOC, _J2K_COMMENT = 0xFF4F, 0xFF90, 0xFF93, 0xFFD9, 0xFF64
_J2K_OF_THE_CODEC = frozenset((0xFF50, 0xFF51, 0xFF52, 0xFF53, 0xFF55, 0xFF57, 0xFF58, 0xFF5C, 0xFF5D, 0xFF5E)) | {
    *(0xFF5F, 0xFF60, 0xFF61, 0xFF63)
}
# What encoders say of themselves in every tile: Kakadu its version and the rates of its layers, OpenJPEG its version.
_ENCODERS = re.compile(
    rb"Kakadu-v?[\d.]{1,12}|Created by OpenJPEG version [\d.]{1,12}|"
    rb"Kdu-Layer-Info: log_2\{Delta-D\((?:MSE|squared-error)\)/\[?[\d*^]{0,6}Delta-L\(bytes\)\]?\}, L\(bytes\)\n"
    rb"[-+\d.e, \n]*"
)


class _Window:
    """A stretch of the file around where it was looked at last."""

    def __init__(self, source: Source, span: Span) -> None:
        self._source, self._end = source, span[1]
        self._start, self._data = span[0], b""
        self.end = span[1]

    def at(self, place: int, count: int) -> bytes:
        """Fewer bytes than asked for only at the end of the stream."""
        upto = min(place + count, self._end)
        if place < self._start or upto > self._start + len(self._data):
            self._start, self._data = place, b""
            if upto > place:
                self._data = self._source.take((place, min(self._end, max(upto, place + PIECE_BYTES))))
        return self._data[place - self._start : upto - self._start]

    def number(self, place: int, count: int = 2) -> int:
        data = self.at(place, count)
        if len(data) != count:
            raise NotUnderstoodError("a picture in it ends early")
        return int.from_bytes(data, "big")

    def next_marker(self, place: int) -> int | None:
        """Where the compressed pixels from `place` on end; None where nothing follows them."""
        while place < self._end:
            data = self.at(place, PIECE_BYTES)
            if match := _MARKER.search(data):
                return place + match.start()
            if len(data) < 2:
                return None
            place += len(data) - 1 if place + len(data) < self._end else len(data)
        return None


def foreign_in_jpeg(source: Source, span: Span) -> Iterator[Foreign]:
    """Segments of a JPEG stream, or of the tables that several share, that are not the codec's; those that are empty
    (nothing but zeros) are passed over. Raises NotUnderstoodError."""
    window = _Window(source, span)
    place = span[0]
    if window.number(place) != 0xFF00 | _SOI:
        raise NotUnderstoodError("a picture in it is no JPEG")
    place += 2
    while place + 2 <= span[1]:
        marker = window.number(place)
        if marker == 0xFFFF:
            place += 1
            continue
        if marker == 0xFF00 | _EOI:
            yield from _unless_empty(source, "bytes after a picture's end", (place + 2, span[1]))
            return
        if marker >> 8 != 0xFF:
            raise NotUnderstoodError("a picture in it is damaged")
        end = place + 2 + window.number(place + 2)
        if end > span[1] or end < place + 4:
            raise NotUnderstoodError("a picture in it is damaged")
        if marker & 0xFF == _SOS:
            following = window.next_marker(end)
            if following is None:
                return
            place = following
            continue
        yield from _segment(source, window, marker & 0xFF, (place + 4, end))
        place = end


def _segment(source: Source, window: _Window, marker: int, payload: Span) -> Iterator[Foreign]:
    if marker in _OF_THE_CODEC:
        return
    start, end = payload
    if marker == _JFIF and window.at(start, 5) == b"JFIF\0":
        start += _JFIF_BYTES
    elif marker == _ADOBE and window.at(start, 5) == b"Adobe":
        start += _ADOBE_BYTES
    elif not (0xE0 <= marker <= 0xEF or marker == _COMMENT):
        raise NotUnderstoodError("a picture in it has parts that no JPEG has")
    what = "comment" if marker == _COMMENT else f"application segment {marker - 0xE0}"
    yield from _unless_empty(source, f"JPEG {what}", (start, end))


def foreign_in_jpeg2000(source: Source, span: Span) -> Iterator[Foreign]:
    """Comments of a JPEG 2000 codestream that no encoder makes, and what lies behind its end. Raises
    NotUnderstoodError."""
    window = _Window(source, span)
    place, tile = span[0], (0, 0)
    if window.number(place) != _J2K_SOC:
        raise NotUnderstoodError("a picture in it is no JPEG 2000 codestream")
    place += 2
    while place + 2 <= span[1]:
        marker = window.number(place)
        if marker == _J2K_EOC:
            yield from _unless_empty(source, "bytes after a picture's end", (place + 2, span[1]))
            return
        if marker == _J2K_SOD:
            place = tile[1]
            continue
        end = place + 2 + window.number(place + 2)
        if end > span[1] or end < place + 4:
            raise NotUnderstoodError("a picture in it is damaged")
        if marker == _J2K_SOT:
            length = window.number(place + 6, 4)
            # 0: up to the end of the codestream.
            tile = (place, place + length if length else _without_end_mark(window, span))
            if not end <= tile[1] <= span[1]:
                raise NotUnderstoodError("a picture in it is damaged")
        elif marker == _J2K_COMMENT:
            text = window.at(place + 6, end - place - 6)
            if not _ENCODERS.fullmatch(text.rstrip(b"\0")):
                yield from _unless_empty(source, "JPEG 2000 comment", (place + 6, end))
        elif marker not in _J2K_OF_THE_CODEC:
            raise NotUnderstoodError("a picture in it has parts that no JPEG 2000 codestream has")
        place = end


def _without_end_mark(window: _Window, span: Span) -> int:
    return span[1] - 2 if window.number(span[1] - 2) == _J2K_EOC else span[1]


def _unless_empty(source: Source, what: str, span: Span) -> Iterator[Foreign]:
    if span[1] > span[0] and not source.is_empty(span):
        yield what, span
