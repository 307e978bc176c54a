"""The wire format of protocol buffers, as much as ONNX files use. Knows no ONNX; copies no bytes of a tensor.

https://protobuf.dev/programming-guides/encoding. Stricter than other readers: what they pass over or mend (unknown
fields, a single field that stands twice, groups) is refused, so that they and we see the same file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wsi.errors import ModelError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
INT, FLOAT, DOUBLE, BYTES = "int", "float", "double", "bytes"
_SCALARS = {INT: VARINT, FLOAT: FIXED32, DOUBLE: FIXED64}
_WIDTH = {FIXED64: 8, FIXED32: 4}
MAX_FIELDS = 2_000_000
MAX_DEPTH = 12

Value = int | memoryview
Message = dict[str, list[Any]]


class Unreadable(ModelError):  # noqa: N818 (it is told as what the file is)
    def __init__(self, why: str) -> None:
        super().__init__(f"the ONNX file cannot be read ({why})", hint="it is damaged, cut short or no ONNX file")


@dataclass(frozen=True)
class Entry:
    """A field of a message: its name, its kind (INT, FLOAT, DOUBLE, BYTES or a schema), and whether it may repeat."""

    name: str
    kind: str | Mapping[int, Entry]
    many: bool = False


Schema = Mapping[int, Entry]


@dataclass
class Budget:
    """Fields that may still be read: a file of nothing but tiny fields would cost minutes."""

    fields: int = field(default=MAX_FIELDS)

    def spend(self) -> None:
        self.fields -= 1
        if self.fields < 0:
            raise ModelError(f"the ONNX file has more than {MAX_FIELDS:,} fields")


def raw_fields(message: memoryview) -> Iterator[tuple[int, int, Value]]:
    """(number, wire type, value) of each field in order; bytes of other than a varint's. Raises ModelError."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, wire, value
            continue
        size = _WIDTH.get(wire, -1)
        if wire == LENGTH:
            size, at = _varint(message, at)
        if size < 0:
            raise Unreadable(f"wire type {wire}")
        if size > end - at:
            raise Unreadable("it ends too early")
        yield number, wire, message[at : at + size]
        at += size


def read_message(content: memoryview, schema: Schema, budget: Budget, depth: int = 0) -> Message:
    """The fields of a message by name, each a list; numbers as Python's, floats as their bytes. Raises ModelError."""
    if depth > MAX_DEPTH:
        raise Unreadable("nested too deep")
    found: Message = {}
    for number, wire, value in raw_fields(content):
        budget.spend()
        entry = schema.get(number)
        if entry is None:
            raise Unreadable(f"an unknown field {number}")
        values = found.setdefault(entry.name, [])
        if values and not entry.many:
            raise Unreadable(f"{entry.name} stands twice")
        values += _values(entry, wire, value, budget, depth)
    return found


def count_varints(packed: memoryview) -> int:
    """How many numbers a packed field of varints holds."""
    import numpy as np

    return int((np.frombuffer(packed, np.uint8) < 0x80).sum())


def unpack_varints(packed: memoryview, budget: Budget) -> Iterator[int]:
    """The numbers of a packed field, signed. Raises ModelError."""
    at = 0
    while at < len(packed):
        budget.spend()
        value, at = _varint(packed, at)
        yield signed(value)


def signed(value: int) -> int:
    """A varint as the int64 that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def encode_field(number: int, value: bytes | memoryview) -> list[bytes | memoryview]:
    """A field of bytes, in pieces to be joined."""
    return [_encode_varint(number << 3 | LENGTH), _encode_varint(len(value)), value]


def encode_number(number: int, value: int) -> bytes:
    """A field that is a varint."""
    return _encode_varint(number << 3 | VARINT) + _encode_varint(value)


def encode_raw(number: int, wire: int, value: Value) -> list[bytes | memoryview]:
    """A field that `raw_fields` gave, as it was."""
    if isinstance(value, int):
        return [encode_number(number, value)]
    if wire == LENGTH:
        return encode_field(number, value)
    return [_encode_varint(number << 3 | wire), value]


def _values(entry: Entry, wire: int, value: Value, budget: Budget, depth: int) -> list[Any]:
    if isinstance(entry.kind, str) and entry.kind != BYTES:
        return _scalars(entry, wire, value, budget)
    if wire != LENGTH or isinstance(value, int):
        raise Unreadable(f"{entry.name} is of another type")
    return [value if isinstance(entry.kind, str) else read_message(value, entry.kind, budget, depth + 1)]


def _scalars(entry: Entry, wire: int, value: Value, budget: Budget) -> list[Any]:
    if wire == _SCALARS[str(entry.kind)]:
        return [signed(value) if isinstance(value, int) else value]
    if wire != LENGTH or isinstance(value, int) or not entry.many:
        raise Unreadable(f"{entry.name} is of another type")
    if entry.kind == INT:
        return list(unpack_varints(value, budget))
    return [value]


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise Unreadable("it ends too early")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                raise Unreadable("a number of more than 64 bits")
            return value, at
    raise Unreadable("a number without end")


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
