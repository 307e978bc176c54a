"""An ONNX file from a stranger: what an image network holds passes, each kind of hostile file ends in one line."""

import contextlib
import io
import pickle
import re
import zipfile

import numpy as np
import pytest

from classifier.networks.onnx_file import wire
from classifier.networks.onnx_file.check import check_onnx
from classifier.networks.onnx_file.operators import ALLOWED
from classifier.networks.onnx_file.rewrite import with_output, with_weights
from tests.classifier.onnx_files import (
    FEATURES,
    SIZE_PX,
    TensorProto,
    classifier,
    encoder,
    helper,
    ints,
    model,
    node,
    onnx,
    spoiled,
    with_nodes,
)
from wsi.errors import ModelError


def refused(content):
    with pytest.raises(ModelError) as caught:
        check_onnx(content)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    return str(caught.value)


def test_an_image_network_passes_and_is_known():
    found = check_onnx(encoder())
    assert (found.input, found.element, found.layout, found.size_px, found.batch) == (
        *("pixels", "float32", "nchw"),
        *(SIZE_PX, None),
    )
    assert found.outputs == ("features",) and {"c0", "features"} <= found.made
    assert found.parameters == 16 * 3 * 25 + FEATURES * 16 * 9


@pytest.mark.parametrize(
    ("pixels", "element", "layout", "size_px", "batch"),
    [
        (("b", SIZE_PX, SIZE_PX, 3), TensorProto.UINT8, "nhwc", SIZE_PX, None),
        ((1, 3, "h", "w"), TensorProto.FLOAT16, "nchw", None, 1),
    ],
)
def test_other_layouts_types_and_open_sizes_are_known(pixels, element, layout, size_px, batch):
    found = check_onnx(nothing(pixels=pixels, element=element))
    assert (found.layout, found.size_px, found.batch) == (layout, size_px, batch)


def nothing(**more):
    """A network that does nothing."""
    return model([node("Identity", ["pixels"], ["features"])], **more).SerializeToString()


def external(made):
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def in_a_constant(made):
    tensor = helper.make_tensor("hidden", TensorProto.FLOAT, [1], [1.0])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    made.graph.node.insert(0, helper.make_node("Constant", [], ["unused"], value=tensor))


def branch(output):
    return helper.make_graph(
        [node("Constant", [], [output], value_float=1.0)],
        "branch",
        [],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [])],
    )


def loop():
    body = helper.make_graph(
        [node("Identity", ["again"], ["go"]), node("Identity", ["state"], ["features"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, None),
        ],
    )
    forever = [ints("turns", 2**62), onnx.numpy_helper.from_array(np.array(True), "yes")]
    return with_nodes(node("Loop", ["turns", "yes", "core"], ["features"], body=body), initialisers=forever)


def function(made):
    made.functions.append(
        helper.make_function("ours", "F", ["x"], ["y"], [node("Relu", ["x"], ["y"])], [helper.make_opsetid("", 17)])
    )


def initialiser(**fields):
    def change(made):
        for name, value in fields.items():
            target = made.graph.initializer[0]
            if name == "dims":
                del target.dims[:]
                target.dims.extend(value)
            else:
                setattr(target, name, value)

    return change


HOSTILE = {
    "external data": (spoiled(external), "keeps tensor 'w0' in another file.*--merge-external"),
    "external data in a constant": (spoiled(in_a_constant), "keeps tensor 'hidden' in another file"),
    "an operator of another domain": (
        with_nodes(
            node("FusedGelu", ["core"], ["features"], domain="com.microsoft"),
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ),
        "'FusedGelu' of 'com.microsoft', an operator that is not ONNX's own",
    ),
    "an operator that does not exist": (
        with_nodes(node("RunShell", ["core"], ["features"])),
        "'RunShell'.*not allowed",
    ),
    "an infinite loop": (loop(), "'Loop'.*a graph of its own"),
    "branches that differ": (
        with_nodes(
            node("If", ["yes"], ["features"], then_branch=branch("a"), else_branch=branch("b")),
            initialisers=[onnx.numpy_helper.from_array(np.array(True), "yes")],
        ),
        "'If'.*a graph of its own",
    ),
    "a graph hidden in an allowed operator": (
        with_nodes(node("Relu", ["core"], ["features"], extra=branch("a"))),
        "Relu holds a graph",
    ),
    "local functions": (spoiled(function), "brings functions"),
    "training instructions": (spoiled(lambda made: made.training_info.add()), "brings training_info"),
    "chance": (
        with_nodes(node("RandomNormalLike", ["core"], ["noise"]), node("Add", ["core", "noise"], ["features"])),
        "'RandomNormalLike'.*chance",
    ),
    "dropout in training": (
        with_nodes(
            node("Dropout", ["core", "", "yes"], ["features"]),
            initialisers=[onnx.numpy_helper.from_array(np.array(True), "yes")],
        ),
        "training mode",
    ),
    "a size that depends on the pixels": (
        with_nodes(
            node("ReduceMax", ["core"], ["largest"], keepdims=0),
            node("Cast", ["largest"], ["count"], to=TensorProto.INT64),
            node("Reshape", ["count", "one"], ["shape"]),
            node("Expand", ["core", "shape"], ["features"]),
            initialisers=[ints("one", 1)],
        ),
        "size of the network's Expand depends on the pixels",
    ),
    "NonZero": (with_nodes(node("NonZero", ["core"], ["features"])), "'NonZero'.*depends on the pixels"),
    "a huge constant": (
        with_nodes(
            node("ConstantOfShape", ["shape"], ["huge"]),
            node("Add", ["core", "huge"], ["features"]),
            initialisers=[ints("shape", 1 << 20, 1 << 20)],
        ),
        "ConstantOfShape asks for 1,099,511,627,776 elements",
    ),
    "an expand bomb": (
        with_nodes(node("Expand", ["core", "shape"], ["features"]), initialisers=[ints("shape", 1 << 40, FEATURES)]),
        "Expand asks for",
    ),
    "a tile bomb with a constant node": (
        with_nodes(
            node("Constant", [], ["times"], value=ints("value", 1 << 31, 1)),
            node("Tile", ["core", "times"], ["features"]),
        ),
        "Tile asks for",
    ),
    "absurd dimensions": (spoiled(initialiser(dims=[1 << 40, 1 << 40])), "absurd shape"),
    "negative dimensions": (spoiled(initialiser(dims=[-1, 3])), "absurd shape"),
    "twenty axes": (spoiled(initialiser(dims=[1] * 20)), "absurd shape"),
    "too many elements": (spoiled(initialiser(dims=[1 << 16, 1 << 16])), "more than 1,073,741,824 elements"),
    "fewer weights than said": (
        spoiled(initialiser(dims=[16, 3, 5, 50])),
        "is said to have 12,000 elements and has 1,200",
    ),
    "weights that are text": (
        with_nodes(
            node("Identity", ["core"], ["features"]),
            initialisers=[helper.make_tensor("words", TensorProto.STRING, [1], [b"rm -rf"])],
        ),
        "text in tensor 'words'",
    ),
    "a type of the future": (spoiled(initialiser(data_type=99)), "of type 99"),
    "two inputs": (spoiled(lambda made: made.graph.input.add(name="other")), "2 inputs"),
    "no input": (spoiled(lambda made: made.graph.input.pop()), "0 inputs"),
    "text as input": (
        nothing(element=TensorProto.STRING),
        "not float32, float16 or uint8",
    ),
    "no image as input": (
        nothing(pixels=("b", 512)),
        "no batch of RGB images",
    ),
    "an input without a shape": (
        nothing(pixels=None),
        "no batch of RGB images",
    ),
    "an absurd image": (
        nothing(pixels=("b", 3, 1 << 30, 1 << 30)),
        "absurd size",
    ),
    "tiles seven at a time": (
        nothing(pixels=(7, 3, 64, 64)),
        "7 tiles at a time",
    ),
    "no output": (spoiled(lambda made: made.graph.output.pop()), "no output"),
    "an output from nowhere": (spoiled(lambda made: setattr(made.graph.output[0], "name", "ghost")), "never makes"),
    "a value before it is made": (spoiled(lambda made: made.graph.node.reverse()), "before it is made"),
    "a value that is made twice": (with_nodes(*[node("Relu", ["core"], ["features"])] * 2), "makes 'features' twice"),
    "no nodes": (spoiled(lambda made: made.graph.ClearField("node")), "holds no network"),
    "no graph": (spoiled(lambda made: made.ClearField("graph")), "no graph"),
    "an operator set of the future": (spoiled(lambda made: setattr(made.opset_import[0], "version", 4000)), "set 4000"),
    "an IR of the future": (spoiled(lambda made: setattr(made, "ir_version", 4000)), "IR version 4000"),
    "empty": (b"", "is empty"),
    "cut short": (encoder()[:-100], "ends too early"),
    "a tail of something else": (encoder() + b"\xff" * 40, "cannot be read"),
    "an unknown field": (encoder() + b"\xfa\x3f\x00", "unknown field"),
    "a second graph": (encoder() + b"\x3a\x00", "graph stands twice"),
    "a group": (b"\x0b" * 50, "wire type 3"),
    "a number without end": (b"\x08" + b"\xff" * 50, "number without end"),
    "a name of megabytes": (
        spoiled(lambda made: setattr(made.graph.node[0], "op_type", "C" * 5000)),
        "name is too long",
    ),
    "a name that is no text": (spoiled(lambda made: None).replace(b"Relu", b"R\xff\xfeu"), "no UTF-8"),
    "a pickle": (pickle.dumps({"weights": [1.0]}), "pickle, which can carry code"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "HDF5"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "ONNX Runtime's own format": (b"\x20\0\0\0ORTM" + b"\0" * 100, "ONNX Runtime's own format"),
    "a web page": (b"<!doctype html>", "web page"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(kind):
    content, why = HOSTILE[kind]
    assert re.search(why, refused(content))


def test_a_zip_that_calls_itself_onnx_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x04")
    assert "zip archive" in refused(buffer.getvalue())


def test_more_fields_than_bearable_are_refused_before_all_are_read(monkeypatch):
    monkeypatch.setattr(wire, "MAX_FIELDS", 50)
    monkeypatch.setattr(wire.Budget.__init__, "__defaults__", (50,))
    assert "more than 50 fields" in refused(encoder())


def test_every_cut_and_every_flipped_byte_is_refused_or_read_and_nothing_else():
    """No other error than ours, wherever the damage lies."""
    whole = encoder()
    rng = np.random.default_rng(0)
    for at in [*range(0, len(whole), 97), *rng.integers(0, 200, 60), *rng.integers(len(whole) - 600, len(whole), 200)]:
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]):
            with contextlib.suppress(ModelError):
                check_onnx(damaged)


def test_what_is_allowed_is_an_operator_of_onnx():
    known = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
    assert known >= ALLOWED
    held = {
        schema.name
        for schema in onnx.defs.get_all_schemas()
        if any(attribute.type.name.startswith("GRAPH") for attribute in schema.attributes.values())
    }
    assert not ALLOWED & held


def test_sizes_made_of_shapes_are_no_sizes_of_pixels():
    content = with_nodes(
        node("Shape", ["core"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"]),
        node("Concat", ["batch", "rest"], ["whole"], axis=0),
        node("Reshape", ["core", "whole"], ["features"]),
        initialisers=[ints("zero", 0), ints("rest", FEATURES)],
    )
    assert check_onnx(content).outputs == ("features",)


def kept_apart():
    """The encoder with its weights in another file, and that file."""
    made, rest = onnx.load_from_string(encoder()), b""
    for tensor in made.graph.initializer:
        tensor.external_data.add(key="location", value="weights.bin")
        tensor.external_data.add(key="offset", value=str(len(rest)))
        tensor.external_data.add(key="length", value=str(len(tensor.raw_data)))
        rest += tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
    return made.SerializeToString(), rest


def test_weights_kept_elsewhere_are_taken_in():
    content, rest = kept_apart()
    merged = with_weights(content, lambda name, offset, length: rest[offset : offset + length], 1 << 20)
    assert onnx.load_from_string(merged).graph == onnx.load_from_string(encoder()).graph
    check_onnx(merged)


def test_weights_of_more_than_is_bearable_are_not_taken_in():
    content, rest = kept_apart()
    with pytest.raises(ModelError, match="more than 0 MiB"):
        with_weights(content, lambda name, offset, length: rest[offset : offset + length], len(content) + 100)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "a/b", "", "..", "a\\b", "w\0"])
def test_weights_are_taken_from_beside_the_file_only(location):
    made = onnx.load_from_string(kept_apart()[0])
    made.graph.initializer[0].external_data[0].value = location
    with pytest.raises(ModelError, match="not a file beside it"):
        with_weights(made.SerializeToString(), lambda *_: pytest.fail("something was read"), 1 << 20)


@pytest.mark.parametrize(("key", "value"), [("offset", "-5"), ("length", "-1"), ("length", "many"), ("offset", "1e9")])
def test_places_that_are_none_are_refused(key, value):
    made = onnx.load_from_string(kept_apart()[0])
    [pair] = [pair for pair in made.graph.initializer[0].external_data if pair.key == key]
    pair.value = value
    with pytest.raises(ModelError, match="where its weights are"):
        with_weights(made.SerializeToString(), lambda *_: pytest.fail("something was read"), 1 << 20)


def test_an_inner_tensor_can_be_made_the_output():
    cut = with_output(classifier(), "features")
    assert check_onnx(cut).outputs == ("features",)
    assert onnx.load_from_string(cut).graph.node == onnx.load_from_string(classifier()).graph.node
