"""A network of ours as an ONNX file, to try the door for networks from elsewhere with a known answer:

    python -m benchmarks.own_as_onnx lung-v1 lung-v1.onnx

The file takes tiles as uint8 (b, size, size, 3) and gives `logits` and `features`, as TensorFlow would. Needs `onnx`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.model_folder.arrays import unpack_arrays
from classifier.model_folder.card import WEIGHTS_FILE, ModelCard
from classifier.model_folder.files import read_folder
from classifier.model_folder.find import find_model
from classifier.networks.efficientnet_lite import EfficientNetLite
from classifier.networks.residual_cnn import STEM_STRIDE, ResidualCnn

EPSILON = 1e-3  # Keras's, of batch normalisation


def own_as_onnx(model: str | Path) -> bytes:
    """The ONNX file of a model of one field."""
    folder = read_folder(find_model(model))
    return _Writer(folder.card, unpack_arrays(folder.contents[WEIGHTS_FILE], WEIGHTS_FILE)).whole()


class _Writer:
    """Nodes and weights, each layer under the name that Keras has for it."""

    def __init__(self, card: ModelCard, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._card, self._weights = card, weights
        self._nodes: list[Any] = []
        self._initialisers: dict[str, Any] = {}

    def whole(self) -> bytes:
        from onnx import TensorProto, helper

        network, size_px = self._card.network, self._card.tile.size_px
        features, classes = self._weights["logits/kernel"].shape
        x = self._pixels(*network.fields)
        x = self._efficientnet(x, network) if isinstance(network, EfficientNetLite) else self._residual_cnn(x, network)
        pooled = self._node("GlobalAveragePool", x, name="pooled")
        self._node("Flatten", pooled, name="features")
        self._node("Gemm", "features", self._weight("logits/kernel"), self._weight("logits/bias"), name="logits")
        graph = helper.make_graph(
            self._nodes,
            self._card.name,
            [helper.make_tensor_value_info("tiles", TensorProto.UINT8, ("batch", size_px, size_px, 3))],
            [
                helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("batch", classes)),
                helper.make_tensor_value_info("features", TensorProto.FLOAT, ("batch", features)),
            ],
            initializer=list(self._initialisers.values()),
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()

    def _pixels(self, field: int) -> str:
        """The tile averaged `field` x `field`, in whole numbers as it is stored, and scaled as the network has it."""
        x = self._node("Cast", "tiles", name="as_floats", to=1)
        x = self._node("Transpose", x, name="channels_first", perm=[0, 3, 1, 2])
        if field > 1:
            x = self._node("AveragePool", x, name="field", kernel_shape=[field] * 2, strides=[field] * 2)
            x = self._node("Floor", self._node("Add", x, self._constant("half", 0.5), name="up"), name="rounded")
        middle, scale = (127.0, 128.0) if isinstance(self._card.network, EfficientNetLite) else (127.5, 127.5)
        x = self._node("Sub", x, self._constant("middle", middle), name="centred")
        return self._node("Div", x, self._constant("scale", scale), name="scaled")

    def _efficientnet(self, x: str, network: EfficientNetLite) -> str:
        x = self._relu6(self._convolution(x, "stem", 2), "stem_relu")
        for index, (stage, stride) in enumerate(network.blocks()):
            name, shortcut = f"block{index}", x
            if stage.expansion > 1:
                x = self._relu6(self._convolution(x, f"{name}_expand", 1), f"{name}_expand_relu")
            x = self._relu6(self._convolution(x, f"{name}_depthwise", stride), f"{name}_depthwise_relu")
            x = self._convolution(x, f"{name}_project", 1)
            if self._width(shortcut) == self._width(x) and stride == 1:
                x = self._node("Add", shortcut, x, name=f"{name}_add")
        return x

    def _residual_cnn(self, x: str, network: Any) -> str:
        assert isinstance(network, ResidualCnn)
        x = self._node("Relu", self._convolution(x, "stem", STEM_STRIDE), name="stem_relu")
        for index, block in enumerate(network.blocks):
            name, shortcut = f"block{index}", x
            if f"{name}_shortcut_conv/kernel" in self._weights:
                shortcut = self._convolution(x, f"{name}_shortcut", block.stride)
            x = self._node("Relu", self._convolution(x, f"{name}_a", block.stride), name=f"{name}_a_relu")
            x = self._convolution(x, f"{name}_b", 1)
            x = self._node("Relu", self._node("Add", x, shortcut, name=f"{name}_add"), name=f"{name}_relu")
        return x

    def _convolution(self, x: str, name: str, stride: int) -> str:
        depthwise = name.endswith("_depthwise")
        kernel = self._weights[f"{name}_conv/kernel"]
        # Keras: (height, width, in, out); of a depthwise one (height, width, in, 1).
        turned = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
        weight = self._array(f"{name}_kernel", turned)
        groups = {"group": kernel.shape[2]} if depthwise else {}
        x = self._node("Conv", x, weight, name=f"{name}_conv", auto_pad="SAME_UPPER", strides=[stride] * 2, **groups)
        statistics = [self._weight(f"{name}_bn/{part}") for part in ("gamma", "beta", "moving_mean", "moving_variance")]
        return self._node("BatchNormalization", x, *statistics, name=f"{name}_bn", epsilon=EPSILON)

    def _width(self, x: str) -> int:
        """Channels of what a convolution, or the sum of two, gave."""
        name = x.removesuffix("_bn").removesuffix("_relu")
        if name.endswith("_add"):
            name = f"{name.removesuffix('_add')}_project"
        return len(self._weights[f"{name}_bn/gamma"])

    def _relu6(self, x: str, name: str) -> str:
        return self._node("Clip", x, self._constant("zero", 0.0), self._constant("six", 6.0), name=name)

    def _node(self, op: str, *inputs: str, name: str, **attributes: Any) -> str:
        from onnx import helper

        self._nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def _weight(self, name: str) -> str:
        return self._array(name, self._weights[name])

    def _constant(self, name: str, value: float) -> str:
        return self._array(name, np.array(value, np.float32))

    def _array(self, name: str, values: NDArray[np.float32]) -> str:
        from onnx import numpy_helper

        self._initialisers[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_as_onnx", description=__doc__)
    parser.add_argument("model", help="a packaged model, or a folder")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.write_bytes(own_as_onnx(arguments.model))


if __name__ == "__main__":
    main()
