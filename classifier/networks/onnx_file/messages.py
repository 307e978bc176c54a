"""What an ONNX file may hold, field by field (onnx.proto3, IR version 14), and what of it we look at. Judges nothing.

Fields that would bring in something that is not in the graph itself (functions, training, other devices) have no entry
here: a file that has them is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from classifier.networks.onnx_file.wire import (
    BYTES,
    FLOAT,
    INT,
    Budget,
    Entry,
    Message,
    Schema,
    Unreadable,
    count_varints,
    read_message,
    signed,
    unpack_varints,
)
from wsi.text import plain

FLOAT32, UINT8, INT32, INT64, STRING, FLOAT16 = 1, 2, 6, 7, 8, 10
# Bytes of an element, and the typed field that may hold it instead of raw_data.
ELEMENTS = {
    1: (4, "float_data"),
    2: (1, "int32_data"),
    3: (1, "int32_data"),
    4: (2, "int32_data"),
    5: (2, "int32_data"),
    6: (4, "int32_data"),
    7: (8, "int64_data"),
    9: (1, "int32_data"),
    10: (2, "int32_data"),
    11: (8, "double_data"),
    12: (4, "uint64_data"),
    13: (8, "uint64_data"),
    16: (2, "int32_data"),
}
MAX_NAME_BYTES = 1024
_PACKED_INTS = ("int32_data", "int64_data", "uint64_data")
_TYPED = (*_PACKED_INTS, "float_data", "double_data")
_SMALL = 16

_PAIR: Schema = {1: Entry("key", BYTES), 2: Entry("value", BYTES)}
_PAIRS = Entry("metadata_props", _PAIR, many=True)
_DOC = Entry("doc_string", BYTES)
_OPSET: Schema = {1: Entry("domain", BYTES), 2: Entry("version", INT)}
_DIM: Schema = {1: Entry("dim_value", INT), 2: Entry("dim_param", BYTES), 3: Entry("denotation", BYTES)}
_SHAPE: Schema = {1: Entry("dim", _DIM, many=True)}
_TENSOR_TYPE: Schema = {1: Entry("elem_type", INT), 2: Entry("shape", _SHAPE)}
_TYPE: Schema = {1: Entry("tensor_type", _TENSOR_TYPE), 6: Entry("denotation", BYTES)}
_VALUE: Schema = {1: Entry("name", BYTES), 2: Entry("type", _TYPE), 3: _DOC, 4: _PAIRS}
# The typed numbers stay packed: some hold millions.
TENSOR: Schema = {
    1: Entry("dims", INT, many=True),
    2: Entry("data_type", INT),
    4: Entry("float_data", BYTES),
    5: Entry("int32_data", BYTES),
    6: Entry("string_data", BYTES, many=True),
    7: Entry("int64_data", BYTES),
    8: Entry("name", BYTES),
    9: Entry("raw_data", BYTES),
    10: Entry("double_data", BYTES),
    11: Entry("uint64_data", BYTES),
    12: _DOC,
    13: Entry("external_data", _PAIR, many=True),
    14: Entry("data_location", INT),
    16: _PAIRS,
}
# Read as far as it takes to say that they are not allowed.
_ATTRIBUTE: Schema = {
    1: Entry("name", BYTES),
    2: Entry("f", FLOAT),
    3: Entry("i", INT),
    4: Entry("s", BYTES),
    5: Entry("t", TENSOR),
    6: Entry("graph", BYTES),
    7: Entry("floats", FLOAT, many=True),
    8: Entry("ints", INT, many=True),
    9: Entry("strings", BYTES, many=True),
    10: Entry("tensors", TENSOR, many=True),
    11: Entry("graphs", BYTES, many=True),
    13: _DOC,
    20: Entry("type", INT),
    21: Entry("ref_attr_name", BYTES),
}
_NODE: Schema = {
    1: Entry("input", BYTES, many=True),
    2: Entry("output", BYTES, many=True),
    3: Entry("name", BYTES),
    4: Entry("op_type", BYTES),
    5: Entry("attribute", _ATTRIBUTE, many=True),
    6: _DOC,
    7: Entry("domain", BYTES),
    8: Entry("overload", BYTES),
    9: _PAIRS,
}
NODE, INITIALIZER, OUTPUT, GRAPH = 1, 5, 12, 7
GRAPH_FIELDS: Schema = {
    NODE: Entry("node", _NODE, many=True),
    2: Entry("name", BYTES),
    INITIALIZER: Entry("initializer", TENSOR, many=True),
    10: _DOC,
    11: Entry("input", _VALUE, many=True),
    OUTPUT: Entry("output", _VALUE, many=True),
    13: Entry("value_info", _VALUE, many=True),
    14: Entry("quantization_annotation", BYTES, many=True),
    15: Entry("sparse_initializer", BYTES, many=True),
    16: _PAIRS,
}
_MODEL: Schema = {
    1: Entry("ir_version", INT),
    2: Entry("producer_name", BYTES),
    3: Entry("producer_version", BYTES),
    4: Entry("domain", BYTES),
    5: Entry("model_version", INT),
    6: _DOC,
    GRAPH: Entry("graph", GRAPH_FIELDS),
    8: Entry("opset_import", _OPSET, many=True),
    14: _PAIRS,
    20: Entry("training_info", BYTES, many=True),
    25: Entry("functions", BYTES, many=True),
    26: Entry("configuration", BYTES, many=True),
}


@dataclass(frozen=True)
class Tensor:
    """An initialiser or a constant. `held` is how many elements its bytes are; `values` are known of a few integers."""

    name: str
    dims: tuple[int, ...]
    data_type: int
    external: bool
    held: int
    values: tuple[int, ...] | None

    @property
    def elements(self) -> int:
        return math.prod(self.dims)


@dataclass(frozen=True)
class Node:
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Message]
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True)
class ValueType:
    """A graph's input or output. `dims` None where no shape is told; a dimension None where it is open."""

    name: str
    element: int | None
    dims: tuple[int | None, ...] | None


@dataclass(frozen=True)
class OnnxFile:
    """`opsets` maps a domain ("" is ONNX's own) to its version; `beyond` names what it brings beside its graph."""

    ir_version: int
    opsets: Mapping[str, int]
    nodes: tuple[Node, ...]
    initialisers: tuple[Tensor, ...]
    inputs: tuple[ValueType, ...]
    outputs: tuple[ValueType, ...]
    values: tuple[ValueType, ...]
    beyond: tuple[str, ...]


def read_onnx(content: bytes | memoryview) -> OnnxFile:
    """What an ONNX file holds. Raises ModelError, in bounded time and memory, on anything that is none."""
    budget = Budget()
    model = read_message(memoryview(content), _MODEL, budget)
    graphs = model.get("graph", [])
    if not graphs:
        raise Unreadable("it has no graph")
    graph = graphs[0]
    beyond = [name for name in ("functions", "training_info", "configuration") if model.get(name)]
    return OnnxFile(
        ir_version=_number(model, "ir_version"),
        opsets=_opsets(model),
        nodes=tuple(_node(node, budget) for node in graph.get("node", [])),
        initialisers=tuple(read_tensor(tensor, budget) for tensor in graph.get("initializer", [])),
        inputs=tuple(map(_value, graph.get("input", []))),
        outputs=tuple(map(_value, graph.get("output", []))),
        values=tuple(map(_value, graph.get("value_info", []))),
        beyond=(*beyond, *(["sparse_initializer"] if graph.get("sparse_initializer") else [])),
    )


def read_tensor(message: Message, budget: Budget) -> Tensor:
    """A tensor of the fields of TENSOR. Raises ModelError."""
    data_type = _number(message, "data_type")
    held, values = _held(message, data_type, budget)
    return Tensor(
        name=text(message, "name"),
        dims=tuple(message.get("dims", [])),
        data_type=data_type,
        external=bool(message.get("external_data")) or _number(message, "data_location") != 0,
        held=held,
        values=values,
    )


def text(message: Message, name: str) -> str:
    """A text field, "" where it is missing. Raises ModelError where it is long or no UTF-8."""
    return _decoded(message.get(name, [b""])[0])


def shown(name: str) -> str:
    """A name of the file as it may stand in a message."""
    return repr(plain(name, 60))


def _held(message: Message, data_type: int, budget: Budget) -> tuple[int, tuple[int, ...] | None]:
    present = [name for name in ("raw_data", *_TYPED) if len(message.get(name, [b""])[0])]
    width, typed = ELEMENTS.get(data_type, (1, ""))
    if not present or message.get("string_data"):
        return 0, () if not present else None
    if len(present) > 1 or present[0] not in ("raw_data", typed):
        raise Unreadable(f"tensor {shown(text(message, 'name'))} holds data of another type")
    data = message[present[0]][0]
    if present[0] in _PACKED_INTS:
        held = count_varints(data)
        return held, tuple(unpack_varints(data, budget)) if held <= _SMALL else None
    size = {"float_data": 4, "double_data": 8}.get(present[0], width)
    held = len(data) // size if len(data) % size == 0 else -1
    small = data_type in (INT32, INT64) and 0 <= held <= _SMALL
    kind = np.int32 if data_type == INT32 else np.int64
    return held, tuple(np.frombuffer(data, kind).tolist()) if small else None


def _node(message: Message, budget: Budget) -> Node:
    attributes = {text(one, "name"): one for one in message.get("attribute", [])}
    if len(attributes) != len(message.get("attribute", [])):
        raise Unreadable("an attribute stands twice")
    tensors = [tensor for one in attributes.values() for key in ("t", "tensors") for tensor in one.get(key, [])]
    return Node(
        op=text(message, "op_type"),
        domain=text(message, "domain"),
        inputs=tuple(map(_decoded, message.get("input", []))),
        outputs=tuple(map(_decoded, message.get("output", []))),
        attributes=attributes,
        tensors=tuple(read_tensor(tensor, budget) for tensor in tensors),
    )


def _value(message: Message) -> ValueType:
    kinds = message.get("type", [{}])[0].get("tensor_type", [])
    if not kinds:
        return ValueType(text(message, "name"), None, None)
    shape = kinds[0].get("shape", [])
    dims = (
        tuple(dim["dim_value"][0] if "dim_value" in dim else None for dim in shape[0].get("dim", [])) if shape else None
    )
    return ValueType(text(message, "name"), _number(kinds[0], "elem_type"), dims)


def _opsets(model: Message) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in model.get("opset_import", []):
        domain = text(one, "domain")
        domain = "" if domain == "ai.onnx" else domain
        if domain in found:
            raise Unreadable("an operator set stands twice")
        found[domain] = _number(one, "version")
    return found


def _number(message: Message, name: str) -> int:
    return signed(message.get(name, [0])[0])


def _decoded(name: bytes | memoryview) -> str:
    if len(name) > MAX_NAME_BYTES:
        raise Unreadable("a name is too long")
    try:
        return bytes(name).decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable("a name is no UTF-8") from None
