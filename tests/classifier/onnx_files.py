"""Small networks in ONNX, good and hostile. Made with the `onnx` package; who imports this is skipped without it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.classifier.tiles import SIZE_PX

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

FEATURES = 24
PIXELS = ("batch", 3, SIZE_PX, SIZE_PX)


def weights(name, *shape, seed=0):
    scale = 1 / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 1)
    values = np.random.default_rng([seed, *shape]).normal(0, scale, shape).astype(np.float32)
    return numpy_helper.from_array(values, name)


def ints(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, **attributes)


def model(nodes, initialisers=(), *, pixels=PIXELS, element=TensorProto.FLOAT, outputs=("features",), opset=17, **more):
    """A model with the input `pixels`; `more` goes to make_graph and make_model."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("pixels", element, pixels)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        initializer=list(initialisers),
    )
    imports = more.pop("opset_imports", [helper.make_opsetid("", opset)])
    return helper.make_model(graph, opset_imports=imports, ir_version=8, **more)


def convolutions():
    """Pixels to the mean of a map: (b, FEATURES) called `features`."""
    nodes = [
        node("Conv", ["pixels", "w0"], ["c0"], strides=[2, 2], kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        node("Relu", ["c0"], ["r0"]),
        node("Conv", ["r0", "w1"], ["c1"], strides=[2, 2], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], ["r1"]),
        node("GlobalAveragePool", ["r1"], ["g"]),
        node("Flatten", ["g"], ["features"]),
    ]
    return nodes, [weights("w0", 16, 3, 5, 5), weights("w1", FEATURES, 16, 3, 3)]


@cache
def encoder() -> bytes:
    return model(*convolutions()).SerializeToString()


@cache
def classifier(gives="logits", classes=3) -> bytes:
    nodes, initialisers = convolutions()
    name = "logits" if gives == "probabilities" else "scores"
    nodes.append(node("Gemm", ["features", "w2"], [name]))
    if gives == "probabilities":
        nodes.append(node("Softmax", ["logits"], ["scores"], axis=1))
    initialisers.append(weights("w2", FEATURES, classes))
    return model(nodes, initialisers, outputs=("scores",)).SerializeToString()


def spoiled(change) -> bytes:
    """The encoder, once `change(ModelProto)` had its way."""
    made = onnx.load_from_string(encoder())
    change(made)
    return made.SerializeToString()


def with_nodes(*further, initialisers=(), before=(), **more) -> bytes:
    """`before`, the encoder's own nodes up to `core`, then `further`, which must make `features`."""
    nodes, own = convolutions()
    nodes[-1] = node("Flatten", ["g"], ["core"])
    return model([*before, *nodes, *further], [*own, *initialisers], **more).SerializeToString()


def import_folder(content, out, **options):
    """The folder that `import-model` makes of a file; returns its card."""
    from classifier.training.encoder.import_model import import_model
    from classifier.training.encoder.request import ImportRequest

    path = out.parent / f"{out.name}.onnx"
    path.write_bytes(content)
    request = ImportRequest.from_options(str(path), out, **{"mpp": 1.0, "licence": "MIT", **options})
    return import_model(request, lambda note: None)
