"""What an imported network's file may not hold: each rule reads the parsed file and raises ModelError, one line each.

The rules bound what can be known from the file alone. How much memory and time the network takes is tried in a limited
process (`classifier.runtimes.onnx_trial`).
"""

from __future__ import annotations

from classifier.networks.onnx_file.messages import ELEMENTS, STRING, Node, OnnxFile, Tensor, shown
from classifier.networks.onnx_file.operators import ALLOWED, MEASURING, SIZING, why_not
from wsi.errors import ModelError

IR_VERSIONS = (3, 14)
OPSETS = (9, 28)
MAX_NODES = MAX_TENSORS = 50_000
MAX_RANK = 8
MAX_ELEMENTS = 1 << 30
# A constant that asks for an output of this many elements; the trial catches what is computed.
MAX_ASKED = 1 << 28
MERGE_HINT = "give --merge-external, which takes a file beside it in; or save it as one file (onnx.save)"
# Kinds of attribute (AttributeProto.type) that may stand on a node: numbers, texts, a tensor, lists of them.
_ATTRIBUTE_KINDS = frozenset({1, 2, 3, 4, 6, 7, 8})
_WORD_OF_KIND = {5: "a graph", 10: "graphs", 11: "a sparse tensor", 12: "sparse tensors"}


def check_versions(file: OnnxFile) -> None:
    """Versions that are known here, and nothing beside the graph."""
    low, high = IR_VERSIONS
    if not low <= file.ir_version <= high:
        raise ModelError(f"the ONNX file is of IR version {file.ir_version}; {low} to {high} are known")
    low, high = OPSETS
    version = file.opsets.get("", 0)
    if not low <= version <= high:
        raise ModelError(f"the ONNX file uses operator set {version}; {low} to {high} are known", hint="export it anew")
    if file.beyond:
        raise ModelError(f"the ONNX file brings {file.beyond[0]}, which is not allowed", hint="export a plain graph")


def check_counts(file: OnnxFile) -> None:
    """Bounded numbers of nodes and tensors."""
    for what, count, most in (("nodes", len(file.nodes), MAX_NODES), ("tensors", len(file.initialisers), MAX_TENSORS)):
        if count > most:
            raise ModelError(f"the ONNX file has {count:,} {what}, more than {most:,}")
    if not file.nodes:
        raise ModelError("the ONNX file holds no network")


def check_tensors(file: OnnxFile) -> None:
    """Every tensor is a plain array of numbers, all of it in this file."""
    for tensor in (*file.initialisers, *(tensor for node in file.nodes for tensor in node.tensors)):
        _check_tensor(tensor)


def check_nodes(file: OnnxFile) -> None:
    """Allowed operators of ONNX's own set, with attributes that are numbers, texts or tensors."""
    for node in file.nodes:
        if node.domain not in ("", "ai.onnx"):
            raise ModelError(
                f"the network uses {shown(node.op)} of {shown(node.domain)}, an operator that is not ONNX's own",
                hint="export it with standard operators only",
            )
        if node.op not in ALLOWED:
            raise ModelError(f"the network uses {shown(node.op)}, which is not allowed: {why_not(node.op)}")
        _check_attributes(node)
        _check_mode(node)


def check_flow(file: OnnxFile, pixels: str) -> None:
    """Each value is made once, before it is used; and no size depends on what is in a tile.

    `pixels` is the name of the network's input. Sizes that hang on the pixels would make memory hang on them too: no
    trial could tell what the next tile costs.
    """
    known = {tensor.name: tensor.values for tensor in file.initialisers}
    if len(known) != len(file.initialisers) or pixels in known:
        raise ModelError("the ONNX file names two tensors alike")
    made, of_pixels = {*known, pixels}, {pixels}
    for node in file.nodes:
        for name in node.inputs:
            if name and name not in made:
                raise ModelError(f"the network uses {shown(name)} before it is made")
        _check_sizes(node, of_pixels, known)
        if node.op == "Constant" and node.tensors:
            known[node.outputs[0]] = node.tensors[0].values
        for name in filter(None, node.outputs):
            if name in made:
                raise ModelError(f"the network makes {shown(name)} twice")
            made.add(name)
            if node.op not in MEASURING and of_pixels.intersection(node.inputs):
                of_pixels.add(name)
    missing = [value.name for value in file.outputs if value.name not in made]
    if missing:
        raise ModelError(f"the network never makes its output {shown(missing[0])}")


def _check_tensor(tensor: Tensor) -> None:
    name = shown(tensor.name)
    if tensor.external:
        raise ModelError(f"the ONNX file keeps tensor {name} in another file", hint=MERGE_HINT)
    if tensor.data_type == STRING:
        raise ModelError(f"the ONNX file holds text in tensor {name}; only numbers are allowed")
    if tensor.data_type not in ELEMENTS:
        raise ModelError(f"tensor {name} is of type {tensor.data_type}, which is not read here")
    if len(tensor.dims) > MAX_RANK or any(not 0 <= side <= MAX_ELEMENTS for side in tensor.dims):
        raise ModelError(f"tensor {name} has an absurd shape")
    if tensor.elements > MAX_ELEMENTS:
        raise ModelError(f"tensor {name} has more than {MAX_ELEMENTS:,} elements")
    if tensor.held != tensor.elements:
        raise ModelError(f"tensor {name} is said to have {tensor.elements:,} elements and has {max(tensor.held, 0):,}")


def _check_attributes(node: Node) -> None:
    for name, attribute in node.attributes.items():
        kind = attribute.get("type", [0])[0]
        if kind in _WORD_OF_KIND or attribute.get("graph") or attribute.get("graphs"):
            raise ModelError(f"the network's {node.op} holds {_WORD_OF_KIND.get(kind, 'a graph')}; that is not allowed")
        if kind not in _ATTRIBUTE_KINDS or attribute.get("ref_attr_name"):
            raise ModelError(f"the network's {node.op} has an odd attribute {shown(name)}")


def _check_mode(node: Node) -> None:
    """Dropout and batch normalisation as they are after training: in it they are chance, or mix a batch's tiles."""
    training = node.attributes.get("training_mode", {}).get("i", [0])[0]
    if training or (node.op == "Dropout" and len(node.inputs) > 2 and node.inputs[2]):
        raise ModelError(f"the network's {node.op} is in training mode", hint="export it for inference (model.eval())")


def _check_sizes(node: Node, of_pixels: set[str], known: dict[str, tuple[int, ...] | None]) -> None:
    for place in SIZING.get(node.op, ()):
        name = node.inputs[place] if place < len(node.inputs) else ""
        if name in of_pixels:
            raise ModelError(f"the size of the network's {node.op} depends on the pixels; that is not allowed")
        if node.op in ("ConstantOfShape", "Expand", "Reshape", "Tile", "Resize", "Pad") and name in known:
            _check_asked(node.op, known[name])


def _check_asked(op: str, asked: tuple[int, ...] | None) -> None:
    total = 1
    for side in asked or ():
        total *= max(1, abs(side))
    if total > MAX_ASKED:
        raise ModelError(f"the network's {op} asks for {total:,} elements, more than {MAX_ASKED:,}")
