"""Bytes of an open file, by place, with bounds; and whether a stretch of it is empty. Memory is bounded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wsi.deidentify.plan import NotUnderstoodError, Span
from wsi.identity import open_slide_fd

PIECE_BYTES = 4 << 20
_SOMETHING = re.compile(rb"[^\0]")
_WORDS = re.compile(rb"[\x20-\x7e\x80-\xff]{5,400}")
_MAX_WORDS_BYTES, _MAX_WORDS = 1 << 20, 2000
_SLICE_BYTES = 24


@dataclass(frozen=True)
class Source:
    """`size` is that of the whole file, in bytes."""

    fd: int
    size: int

    @classmethod
    def of(cls, fd: int) -> Source:
        return cls(fd, os.fstat(fd).st_size)

    def take(self, span: Span) -> bytes:
        """The bytes of a span. Raises NotUnderstoodError where they are not all in the file."""
        start, end = span
        if not 0 <= start <= end <= self.size:
            raise NotUnderstoodError("it points beyond its end")
        data = os.pread(self.fd, end - start, start)
        if len(data) != end - start:
            raise NotUnderstoodError("it ends early")
        return data

    def pieces(self, span: Span, overlap: int = 0) -> Iterator[tuple[int, bytes]]:
        """(place, bytes) of a span, each piece with the last `overlap` bytes before it; holes, which are
        zeros, are passed over."""
        start, end = span
        while start < end:
            start = max(start, self._data_from(start, end) - overlap)
            upto = min(end, start + PIECE_BYTES)
            if upto > start:
                yield start, self.take((start, upto))
            if upto == end:
                return
            start = upto - overlap

    def is_empty(self, span: Span) -> bool:
        """Whether nothing but zeros lies there. Holes of a sparse file are passed over unread."""
        start, end = span
        while (start := self._data_from(start, end)) < end:
            upto = min(end, start + PIECE_BYTES)
            if _SOMETHING.search(self.take((start, upto))):
                return False
            start = upto
        return True

    def _data_from(self, start: int, end: int) -> int:
        """Where the first byte after a hole lies, if there is one before `end`."""
        try:
            return min(end, os.lseek(self.fd, start, os.SEEK_DATA))
        except OSError:  # ENXIO: a hole up to the end of the file
            return end


@contextmanager
def opened_source(path: Path) -> Iterator[Source]:
    """Raises OSError, NotAFileError."""
    fd = open_slide_fd(path)
    try:
        yield Source.of(fd)
    finally:
        os.close(fd)


def words_in(data: bytes) -> tuple[str | bytes, ...]:
    """The readable stretches of a field whose form is not known, up to a picture in it: those share tables."""
    found, picture = [], data.find(b"\xff\xd8\xff")
    data = data if picture < 0 else data[:picture]
    for match in _WORDS.finditer(data[:_MAX_WORDS_BYTES]):
        found.append(match[0])
        if len(found) >= _MAX_WORDS:
            break
    return tuple(found)


def slices_of(source: Source, spans: list[Span]) -> tuple[bytes, ...]:
    """A few stretches from within pictures that stay behind, by which they would be known again.

    Plain glass is left out: it looks the same, compressed, in many pictures.
    """
    found = []
    for start, end in spans[:: max(1, len(spans) // 8)]:
        # Near the end: streams begin with tables that many pictures share, and end with a mark.
        piece = source.take((max(start, end - 2 - _SLICE_BYTES), max(start, end - 2)))
        if len(set(piece)) > _SLICE_BYTES // 2:
            found.append(piece)
    return tuple(found)
