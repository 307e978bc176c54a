"""The tile network, rebuilt by our own code from the few bounded numbers of a model card.

A plain residual CNN (He et al. 2016, doi 10.1109/CVPR.2016.90). Nothing here reads a file or knows a class's name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi.errors import ModelError

ARCHITECTURE = "residual-cnn"
STEM_STRIDE = 4
MIN_WIDTH, MAX_WIDTH = 4, 512
MAX_BLOCKS = 16
MAX_PARAMETERS = 20_000_000
MIN_CLASSES, MAX_CLASSES = 2, 100
MAX_TILE_PX = 1024
MIN_FEATURE_MAP_PX = 2
BATCH_NORM_MOMENTUM = 0.95


@dataclass(frozen=True)
class Block:
    """Two 3x3 convolutions of `width` channels with a shortcut; the first one moves by `stride` (1 or 2)."""

    width: int
    stride: int


@dataclass(frozen=True)
class ResidualCnn:
    """Shape of the network: a stride-4 stem of `stem_width` channels, then `blocks`. `dropout` acts in training only.

    Raises ModelError where a number is outside its bounds, so that a hostile card costs no memory.
    """

    stem_width: int = 32
    blocks: tuple[Block, ...] = (Block(32, 1), Block(64, 2), Block(128, 2), Block(128, 1))
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if not 1 <= len(self.blocks) <= MAX_BLOCKS:
            raise ModelError(f"{len(self.blocks)} blocks are outside 1 to {MAX_BLOCKS}")
        for width in (self.stem_width, *(block.width for block in self.blocks)):
            if not MIN_WIDTH <= width <= MAX_WIDTH:
                raise ModelError(f"a layer of {width} channels is outside {MIN_WIDTH} to {MAX_WIDTH}")
        if any(block.stride not in (1, 2) for block in self.blocks):
            raise ModelError("a block's stride is neither 1 nor 2")
        if not 0.0 <= self.dropout < 1.0:
            raise ModelError(f"dropout {self.dropout} is outside 0 to 1")
        if self.convolution_parameters > MAX_PARAMETERS:
            raise ModelError(f"the network would have more than {MAX_PARAMETERS:,} parameters")

    @property
    def features(self) -> int:
        """Length of a tile's feature vector."""
        return self.blocks[-1].width

    @property
    def stride(self) -> int:
        """Tile px per px of the last feature map."""
        return STEM_STRIDE * math.prod(block.stride for block in self.blocks)

    @property
    def convolution_parameters(self) -> int:
        """Kernel weights of all convolutions, without batch normalisation and the classifier."""
        width, total = self.stem_width, 7 * 7 * 3 * self.stem_width
        for block in self.blocks:
            total += 9 * width * block.width + 9 * block.width**2
            total += width * block.width if _reshapes(width, block) else 0
            width = block.width
        return total

    def check_size(self, size_px: int, classes: int) -> None:
        """Raises ModelError where tiles of `size_px` or this many classes do not fit the network."""
        if not MIN_CLASSES <= classes <= MAX_CLASSES:
            raise ModelError(f"{classes} classes are outside {MIN_CLASSES} to {MAX_CLASSES}")
        if not self.stride * MIN_FEATURE_MAP_PX <= size_px <= MAX_TILE_PX:
            raise ModelError(
                f"tiles of {size_px} px are outside {self.stride * MIN_FEATURE_MAP_PX} to {MAX_TILE_PX} px"
            )

    def to_dict(self) -> dict[str, Any]:
        return {
            "stem_width": self.stem_width,
            "blocks": [[block.width, block.stride] for block in self.blocks],
            "dropout": self.dropout,
        }

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any]) -> ResidualCnn:
        """Reads the `parameters` of a card; raises ModelError on anything that is not a small whole number."""
        try:
            pairs = parameters["blocks"]
            if len(pairs) > MAX_BLOCKS:
                raise ModelError(f"{len(pairs)} blocks are outside 1 to {MAX_BLOCKS}")
            blocks = tuple(Block(_whole(width), _whole(stride)) for width, stride in pairs)
            return cls(_whole(parameters["stem_width"]), blocks, float(parameters["dropout"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the architecture's parameters cannot be read ({type(error).__name__})") from error


def build_network(shape: ResidualCnn, classes: int, size_px: int | None) -> Any:
    """A Keras model: uint8 RGB (n, size_px, size_px, 3) in, float32 logits (n, classes) and features (n, d) out.

    `size_px` None builds for any size (training on crops). Raises ModelError where the sizes do not fit.
    """
    import keras

    shape.check_size(size_px or MAX_TILE_PX, classes)
    tiles = keras.Input((size_px, size_px, 3), dtype="uint8", name="tiles")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(tiles)
    x = _convolution(x, shape.stem_width, 7, STEM_STRIDE, "stem")
    x = keras.layers.ReLU(name="stem_relu")(x)
    for index, block in enumerate(shape.blocks):
        x = _residual(x, block, f"block{index}")
    features = keras.layers.GlobalAveragePooling2D(name="features")(x)
    dropped = keras.layers.Dropout(shape.dropout, name="dropout")(features)
    logits = keras.layers.Dense(classes, name="logits")(dropped)
    return keras.Model(tiles, [logits, features], name="residual_cnn")


def network_weights(network: Any) -> dict[str, NDArray[np.float32]]:
    """Weights by variable path, e.g. ``stem_conv/kernel``, batch-norm statistics included."""
    return {variable.path: np.asarray(variable, np.float32) for variable in _weight_variables(network)}


def set_network_weights(network: Any, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Assigns `weights` by path. Raises ModelError unless names and shapes match exactly and all are finite."""
    variables = {variable.path: variable for variable in _weight_variables(network)}
    if set(variables) != set(weights):
        raise ModelError("the weights do not belong to the architecture that the card names")
    for path, variable in variables.items():
        array = weights[path]
        if array.shape != tuple(variable.shape) or array.dtype != np.float32:
            raise ModelError(f"weights {path} are {array.dtype} {array.shape}, the card asks for {variable.shape}")
        if not np.isfinite(array).all():
            raise ModelError(f"weights {path} hold values that are not finite")
        variable.assign(array)


def _weight_variables(network: Any) -> Sequence[Any]:
    return [variable for variable in network.weights if "seed_generator" not in variable.path]


def _residual(x: Any, block: Block, name: str) -> Any:
    import keras

    shortcut = x
    if _reshapes(x.shape[-1], block):
        shortcut = _convolution(x, block.width, 1, block.stride, f"{name}_shortcut")
    x = _convolution(x, block.width, 3, block.stride, f"{name}_a")
    x = keras.layers.ReLU(name=f"{name}_a_relu")(x)
    x = _convolution(x, block.width, 3, 1, f"{name}_b")
    x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _convolution(x: Any, width: int, size: int, stride: int, name: str) -> Any:
    import keras

    x = keras.layers.Conv2D(
        width,
        size,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)


def _reshapes(width: int, block: Block) -> bool:
    return block.stride != 1 or width != block.width


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")
    return value
