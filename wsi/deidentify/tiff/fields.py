"""Every field of every directory of a TIFF, BigTIFF or NDPI file, of whatever type, with its place. Decodes no pixel.

`wsi.readers.tiff.directory` reads what a picture needs; here nothing may be passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wsi.deidentify.plan import NotUnderstoodError, Span
from wsi.deidentify.source import Source
from wsi.readers.tiff.directory import FastPathDoubtError, TiffFile, open_tiff

_MAX_DIRECTORIES, _MAX_FIELDS, _MAX_VALUES = 1024, 1024, 1 << 24
# TIFF 6.0 and BigTIFF: bytes and struct code a value.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
NDPI_FORMAT = 65420
_4_GB = 1 << 32


@dataclass(frozen=True)
class Field:
    """`span` is where the values lie, inside the directory where they are short; `entry` its bytes there. `high` is the
    upper half of its one value, or of its place, where a large NDPI has one."""

    tag: int
    kind: int
    count: int
    span: Span
    entry: bytes
    high: int = 0

    @property
    def text_like(self) -> bool:
        return self.kind in (1, 2, 6, 7)


@dataclass(frozen=True)
class Directory:
    """`span` holds its number of fields, their entries, and the pointer to the next one at `link`."""

    span: Span
    link: int
    fields: Mapping[int, Field]


@dataclass(frozen=True)
class Tiff:
    """An open file. `ndpi`: a classic TIFF whose offsets have 64 bits, most of which Hamamatsu leaves out."""

    source: Source
    order: str
    big: bool
    ndpi: bool
    first: int
    link: int
    """Where the pointer to the first directory lies."""

    @property
    def pointer(self) -> str:
        """struct code of a pointer to a directory."""
        return "Q" if self.big or self.ndpi else "I"

    def unpack(self, form: str, place: int) -> tuple[int, ...]:
        form = self.order + form
        return struct.unpack(form, self.source.take((place, place + struct.calcsize(form))))

    def values(self, field: Field, most: int = _MAX_VALUES) -> tuple[float, ...]:
        """Numbers of a field; of rationals the numerators and denominators in turn. Raises NotUnderstoodError."""
        code, count = _CODES.get(field.kind), field.count
        if field.kind in (5, 10):
            code, count = "I" if field.kind == 5 else "i", 2 * count
        if code is None or not 0 < count <= most:
            raise NotUnderstoodError("a field of no sensible type or length")
        return struct.unpack(f"{self.order}{count}{code}", self.source.take(field.span))

    def number(self, directory: Directory, tag: int, otherwise: float = 0) -> float:
        """The first value of a field; `otherwise` where the directory lacks it."""
        field = directory.fields.get(tag)
        return otherwise if field is None else self.values(field)[0]

    def text(self, directory: Directory, tag: int, most: int = 64 << 20) -> bytes:
        """A field as bytes without the zeros at its end; b"" where it is absent or no text."""
        field = directory.fields.get(tag)
        if field is None or not field.text_like:
            return b""
        return self.source.take((field.span[0], min(field.span[1], field.span[0] + most))).rstrip(b"\0")

    def fixed(self, place: int, directory: int) -> int:
        """A pointer of 32 bits as it is meant: in NDPI, the last such place before its directory."""
        if not self.ndpi:
            return place
        high = directory & ~(_4_GB - 1)
        found = high | (place & (_4_GB - 1))
        return found if found < directory else max(found - _4_GB, 0)


def read_tiff(source: Source) -> Tiff:
    """Raises NotUnderstoodError."""
    try:
        file, first = open_tiff(source.fd)
    except FastPathDoubtError as error:
        raise NotUnderstoodError(str(error)) from None
    if not file.big and (wide := _ndpi_start(source, file)):
        return Tiff(source, file.order, False, True, wide, 4)
    return Tiff(source, file.order, file.big, False, first, 8 if file.big else 4)


def _ndpi_start(source: Source, file: TiffFile) -> int:
    """The place of the first directory where eight bytes tell it and NDPI's mark is in it; else 0."""
    try:
        [place] = file.unpack("Q", 4)
        tiff = Tiff(source, file.order, False, True, place, 4)
        return place if NDPI_FORMAT in read_directory(tiff, place)[0].fields else 0
    except (FastPathDoubtError, NotUnderstoodError):
        return 0


def chain(tiff: Tiff) -> Iterator[Directory]:
    """The directories of the main chain, in order. Raises NotUnderstoodError."""
    place, seen = tiff.first, set[int]()
    while place:
        if place in seen or len(seen) >= _MAX_DIRECTORIES:
            raise NotUnderstoodError("its directories run in a circle")
        seen.add(place)
        directory, place = read_directory(tiff, place)
        yield directory
    if not seen:
        raise NotUnderstoodError("it has no directory")


def read_directory(tiff: Tiff, place: int) -> tuple[Directory, int]:
    """The directory at `place`, and the place of the next one. Raises NotUnderstoodError."""
    head, row = ("Q", 20) if tiff.big else ("H", 12)
    [count] = tiff.unpack(head, place)
    if not 1 <= count <= _MAX_FIELDS:
        raise NotUnderstoodError("a directory of no sensible length")
    start = place + struct.calcsize("<" + head)
    link = start + count * row
    table = tiff.source.take((start, link))
    fields: dict[int, Field] = {}
    high = _high_halves(tiff, link + 8, count)
    for number, at in enumerate(range(0, len(table), row)):
        field = _field(tiff, place, start + at, table[at : at + row], high[number])
        if field.tag in fields:
            raise NotUnderstoodError("a directory tells something twice")
        fields[field.tag] = field
    [following] = tiff.unpack(tiff.pointer, link)
    return Directory((place, link + struct.calcsize("<" + tiff.pointer)), link, fields), following


def _high_halves(tiff: Tiff, place: int, count: int) -> tuple[int, ...]:
    """What lies behind a directory of a large NDPI: the upper half of each of its values or places."""
    if not tiff.ndpi or tiff.source.size <= _4_GB:
        return (0,) * count
    return tiff.unpack(f"{count}I", place)


def _field(tiff: Tiff, directory: int, place: int, entry: bytes, high: int) -> Field:
    tag, kind, count = struct.unpack_from(tiff.order + ("HHQ" if tiff.big else "HHI"), entry)
    room = 8 if tiff.big else 4
    size, start = SIZES.get(kind, 0) * count, place + len(entry) - room
    if size > room:
        [told] = struct.unpack(tiff.order + ("Q" if tiff.big else "I"), entry[-room:])
        start = told + (high << 32) if high else tiff.fixed(told, directory)
    if size > tiff.source.size or start + size > tiff.source.size:
        raise NotUnderstoodError("a field points beyond its end")
    return Field(tag, kind, count, (start, start + size), entry, high)
