"""An ONNX file changed in one thing, byte by byte, and otherwise as it was: weights taken in, or another output.

What comes out is as hostile as what went in: it is for `check_onnx` to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from classifier.networks.onnx_file.messages import (
    GRAPH,
    INITIALIZER,
    OUTPUT,
    TENSOR,
    read_tensor,
    shown,
)
from classifier.networks.onnx_file.wire import (
    Budget,
    Message,
    Unreadable,
    Value,
    encode_field,
    encode_raw,
    raw_fields,
    read_message,
)
from wsi.errors import ModelError

_RAW_DATA, _EXTERNAL, _LOCATION, _NAME = 9, 13, 14, 1

Pieces = list[bytes | memoryview]
ReadPart = Callable[[str, int, int | None], bytes]
"""Bytes of a file beside the ONNX file: its name, where they begin, and how many (None: to its end)."""


def with_weights(content: bytes, read: ReadPart, most_bytes: int) -> bytes:
    """The file with the weights that it keeps in others. Raises ModelError where they are more than `most_bytes`."""
    left = most_bytes - len(content)

    def field(number: int, wire: int, value: Value) -> Pieces:
        nonlocal left
        if number != INITIALIZER or isinstance(value, int):
            return encode_raw(number, wire, value)
        taken = _taken_in(value, read)
        left -= max(0, sum(map(len, taken)) - len(value))
        if left < 0:
            raise ModelError(f"the network and its weights are more than {most_bytes >> 20:,} MiB")
        return encode_field(number, b"".join(taken))

    return _with_graph(content, field)


def with_output(content: bytes, name: str) -> bytes:
    """The file with the tensor `name` as its only output; what it then does not need, the runtime leaves out."""

    def field(number: int, wire: int, value: Value) -> Pieces:
        return [] if number == OUTPUT else encode_raw(number, wire, value)

    return _with_graph(content, field, b"".join(encode_field(OUTPUT, b"".join(encode_field(_NAME, name.encode())))))


def _with_graph(content: bytes, field: Callable[[int, int, Value], Pieces], further: bytes = b"") -> bytes:
    pieces: Pieces = []
    for number, wire, value in _bounded(memoryview(content)):
        if number != GRAPH or isinstance(value, int):
            pieces += encode_raw(number, wire, value)
            continue
        graph = [piece for inner in _bounded(value) for piece in field(*inner)]
        pieces += encode_field(GRAPH, b"".join([*graph, further]))
    return b"".join(pieces)


def _bounded(message: memoryview) -> Iterator[tuple[int, int, Value]]:
    budget = Budget()
    for found in raw_fields(message):
        budget.spend()
        yield found


def _taken_in(tensor: memoryview, read: ReadPart) -> Pieces:
    """A tensor's fields, with the bytes that it keeps elsewhere in place of the note that says where."""
    budget = Budget()
    message = read_message(tensor, TENSOR, budget)
    if not read_tensor(message, budget).external:
        return [tensor]
    place = _place(message)
    kept = [one for one in raw_fields(tensor) if one[0] not in (_RAW_DATA, _EXTERNAL, _LOCATION)]
    pieces = [piece for one in kept for piece in encode_raw(*one)]
    return pieces + encode_field(_RAW_DATA, read(*place))


def _place(message: Message) -> tuple[str, int, int | None]:
    """File, offset and length of a tensor's bytes."""
    told = {
        bytes(pair["key"][0]): bytes(pair["value"][0]) for pair in message.get("external_data", []) if len(pair) == 2
    }
    try:
        location = told[b"location"].decode("utf-8")
        offset = int(told.get(b"offset", b"0"))
        length = int(told[b"length"]) if b"length" in told else None
    except (KeyError, ValueError):
        raise Unreadable("it says badly where its weights are") from None
    if location in ("", ".", "..") or any(mark in location for mark in "/\\\0"):
        raise ModelError(f"the ONNX file keeps weights in {shown(location)}, which is not a file beside it")
    if offset < 0 or (length is not None and length < 0):
        raise Unreadable("it says badly where its weights are")
    return location, offset, length
