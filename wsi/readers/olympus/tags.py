"""The tree of tags of an Olympus VSI: which stacks of px there are, how large, and what a px measures.

Sets of fields lie one in another; each field says where the next one is. Hostile until checked: a place only ever
grows, fields are counted, and nothing is read but the few tags that are asked for. No name, date or text is told.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from wsi.readers.olympus.marks import SET_HEAD, SET_HEAD_BYTES, SET_MAGIC, TAGS_AT
from wsi.region import Pair

# Of the public descriptions of the format; each was met in files of scanners.
_COLLECTION, _STACK, _FRAME = 2000, 2001, 2002
_DIMENSIONS, _BACKGROUND, _PROPERTIES = 2003, 2034, 2005
_OUTSIDE, _COARSE_PAGE = 2018, 2019
_BOUNDARY, _IS_OUTSIDE, _TILE_ORIGIN = 2053, 20005, 2410
_SCALE, _UNIT, _KIND = 2019, 2020, 2074
_MICROSCOPE, _OPTICS, _POWER = 2043, 120114, 120060

_FIELD = struct.Struct("<IiII")
_SECOND, _NESTED, _INLINE = 0x8000000, 0x10000000, 0x40000000
_TYPE = 0xFFFFFF
_PAGE_TYPE = 10
_MAX_FIELDS, _MAX_STACKS, _MAX_VALUE_BYTES = 1 << 17, 1 << 10, 256
_METRES = re.compile(r"10\^(-?\d)m\^1")


class OddVsiError(ValueError):
    """What is not read here, in a few words of ours."""


class DamagedVsiError(OddVsiError):
    """What is damaged, missing, or another slide's."""


@dataclass(frozen=True)
class Stack:
    """Px that lie outside of the VSI, in the folder `stackN` of its `number`."""

    number: int
    kind: int
    """0: a scan, 1: an overview, 64: several focal planes; others are maps and masks."""
    size_px: Pair
    dimensions: tuple[int, ...]
    """How many times, channels and so on there are, beside x and y; () where one of each."""
    moved: bool
    """Whether its px or tiles do not begin at their corner."""
    um_px: tuple[float, float] | None
    background: tuple[int, ...]
    """Of what was not scanned, () where that is not three samples of 8 bits."""
    page: int | None
    """The page of the TIFF that shows it coarsely."""
    frames: int = 1
    power: float | None = None
    """Of the objective, where one is told."""


def read_stacks(fd: int) -> tuple[Stack, ...]:
    """The stacks of px that the VSI open at `fd` tells of, and that lie outside of it. Raises DamagedVsiError."""
    tree = _Tree(fd)
    found = []
    for collection in tree.of(TAGS_AT, _COLLECTION):
        for field in tree.of(collection.inside, _STACK):
            stack = _stack(tree, field)
            if stack is not None:
                found.append(stack)
            if len(found) > _MAX_STACKS:
                raise DamagedVsiError("more stacks of px than any slide has")
    return tuple(found)


@dataclass(frozen=True)
class _Field:
    tag: int
    type: int
    second: int | None
    place: int
    """Where its value or the set in it begins."""
    size: int
    """Bytes of its value; the value itself where it is inline."""

    @property
    def inside(self) -> int:
        if not self.type & _NESTED:
            raise DamagedVsiError("a tag without the set that it must hold")
        return self.place


class _Tree:
    def __init__(self, fd: int) -> None:
        self._fd, self._size, self._seen = fd, os.fstat(fd).st_size, 0

    def of(self, at: int, tag: int) -> Iterator[_Field]:
        """The fields of that tag in the set at `at`."""
        return (field for field in self.fields(at) if field.tag == tag)

    def one(self, at: int, tag: int) -> _Field | None:
        return next(self.of(at, tag), None)

    def fields(self, at: int) -> Iterator[_Field]:
        size, magic, _, first, count, _ = SET_HEAD.unpack(self._bytes(at, SET_HEAD.size))
        if (size, magic) != (SET_HEAD_BYTES, SET_MAGIC):
            raise DamagedVsiError("a set of tags that is none")
        place = first
        for _ in range(count & 0xFFFFFFF):
            self._seen += 1
            if self._seen > _MAX_FIELDS or place < SET_HEAD_BYTES:
                raise DamagedVsiError("tags without an end")
            kind, tag, following, length = _FIELD.unpack(self._bytes(at + place, _FIELD.size))
            start, second = at + place + _FIELD.size, None
            if kind & _SECOND:
                [second] = struct.unpack("<i", self._bytes(start, 4))
                start += 4
            yield _Field(tag, kind, second, start, length)
            if not following:
                return
            if following <= place:
                raise DamagedVsiError("tags that run in a circle")
            place = following

    def integers(self, field: _Field | None) -> tuple[int, ...]:
        """The whole numbers of a field, of 32 bits; () where it is absent."""
        if field is None:
            return ()
        return (field.size,) if field.type & _INLINE else self._unpacked(field, "i")

    def doubles(self, field: _Field | None) -> tuple[float, ...]:
        return () if field is None else self._unpacked(field, "d")

    def samples(self, field: _Field | None) -> tuple[int, ...]:
        """The bytes of a field whose samples have 8 bits."""
        return () if field is None or field.type & _TYPE != 2 else self._unpacked(field, "B")

    def text(self, field: _Field | None) -> str:
        return "" if field is None else self._value(field).decode("utf-16-le", "replace").rstrip("\0")

    def _unpacked(self, field: _Field, code: str) -> tuple[int, ...]:
        value, width = self._value(field), struct.calcsize("<" + code)
        return struct.unpack(f"<{len(value) // width}{code}", value[: len(value) // width * width])

    def _value(self, field: _Field) -> bytes:
        if field.type & (_INLINE | _NESTED) or field.size > _MAX_VALUE_BYTES:
            raise DamagedVsiError("a tag of no sensible value")
        return self._bytes(field.place, field.size)

    def _bytes(self, at: int, length: int) -> bytes:
        data = os.pread(self._fd, length, at) if 0 <= at <= self._size else b""
        if len(data) != length:
            raise DamagedVsiError("a tag beyond its end")
        return data


def _stack(tree: _Tree, field: _Field) -> Stack | None:
    """None where its px lie in the VSI, or it has none."""
    inside = field.inside
    frames = [found for frame in tree.of(inside, _FRAME) if (found := _frame(tree, frame)) is not None]
    if not frames or field.second is None or field.second < 0:
        return None
    (x, y, width, height), moved, page = frames[0]
    if min(width, height) < 1:
        raise DamagedVsiError("a stack of px of no sensible size")
    properties = tree.one(inside, _PROPERTIES)
    said = properties.inside if properties is not None else None
    return Stack(
        number=field.second,
        kind=next(iter(tree.integers(None if said is None else tree.one(said, _KIND))), 0),
        size_px=(width, height),
        dimensions=tree.integers(tree.one(inside, _DIMENSIONS)),
        moved=moved or (x, y) != (0, 0),
        um_px=None if said is None else _um_px(tree, said),
        background=_background(tree.samples(tree.one(inside, _BACKGROUND))),
        page=page,
        frames=len(frames),
        power=None if said is None else _power(tree, said),
    )


def _frame(tree: _Tree, field: _Field) -> tuple[tuple[int, ...], bool, int | None] | None:
    """(x, y, width, height), whether tiles begin elsewhere, the page that shows it; None where its px lie inside."""
    inside = field.inside
    outside = tree.one(inside, _OUTSIDE)
    if outside is None or not any(tree.integers(tree.one(outside.inside, _IS_OUTSIDE))):
        return None
    boundary = tree.integers(tree.one(outside.inside, _BOUNDARY))
    if len(boundary) != 4:
        raise DamagedVsiError("a stack of px of no sensible size")
    coarse = tree.one(inside, _COARSE_PAGE)
    page = coarse.second if coarse is not None and coarse.type & _TYPE == _PAGE_TYPE else None
    return boundary, any(tree.integers(tree.one(outside.inside, _TILE_ORIGIN))), page


def _um_px(tree: _Tree, at: int) -> tuple[float, float] | None:
    """None where no scale is told, or in what unit is not known."""
    scale, unit = tree.doubles(tree.one(at, _SCALE)), _METRES.fullmatch(tree.text(tree.one(at, _UNIT)))
    if len(scale) != 2 or unit is None:
        return None
    um = 10.0 ** (int(unit[1]) + 6)
    return scale[0] * um, scale[1] * um


def _power(tree: _Tree, at: int) -> float | None:
    """Of the first of the microscope's devices that tells one."""
    microscope = tree.one(at, _MICROSCOPE)
    for device in tree.fields(microscope.inside) if microscope is not None else ():
        optics = tree.one(device.place, _OPTICS) if device.type & _NESTED else None
        told = tree.doubles(tree.one(optics.inside, _POWER)) if optics is not None else ()
        if told:
            return told[0]
    return None


def _background(samples: tuple[int, ...]) -> tuple[int, ...]:
    return samples if len(samples) == 3 else ()
