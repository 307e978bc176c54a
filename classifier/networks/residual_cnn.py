"""A plain residual CNN (He et al. 2016, doi 10.1109/CVPR.2016.90), small enough to train from nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from classifier.networks.framework import load_keras
from classifier.networks.layers import convolution
from classifier.networks.shape import FEATURES, MAX_FIELDS, WHOLE_TILE, Fields, check_shape, whole, whole_numbers
from wsi.errors import ModelError

STEM_STRIDE = 4
MAX_BLOCKS = 16


@dataclass(frozen=True)
class Block:
    """Two 3x3 convolutions of `width` channels with a shortcut; the first one moves by `stride` (1 or 2)."""

    width: int
    stride: int


@dataclass(frozen=True)
class ResidualCnn:
    """A stride-4 stem of `stem_width` channels, then `blocks`. Raises ModelError where a number is out of bounds."""

    name: ClassVar[str] = "residual-cnn"
    in_a_file: ClassVar[bool] = False
    gives: ClassVar[str] = FEATURES

    stem_width: int = 32
    blocks: tuple[Block, ...] = (Block(32, 1), Block(64, 2), Block(128, 2), Block(128, 1))
    dropout: float = 0.2
    fields: Fields = WHOLE_TILE

    def __post_init__(self) -> None:
        if not 1 <= len(self.blocks) <= MAX_BLOCKS:
            raise ModelError(f"{len(self.blocks)} blocks are outside 1 to {MAX_BLOCKS}")
        if any(block.stride not in (1, 2) for block in self.blocks):
            raise ModelError("a block's stride is neither 1 nor 2")
        widths = (self.stem_width, *(block.width for block in self.blocks))
        check_shape(widths, self.dropout, self.convolution_parameters, self.fields)

    @property
    def trunk_features(self) -> int:
        return self.blocks[-1].width

    @property
    def trunk_stride(self) -> int:
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

    def trunk(self, pixels: Any) -> Any:
        keras = load_keras()

        x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(pixels)
        x = convolution(x, self.stem_width, 7, STEM_STRIDE, "stem")
        x = keras.layers.ReLU(name="stem_relu")(x)
        for index, block in enumerate(self.blocks):
            x = _residual(x, block, f"block{index}")
        return x

    def to_dict(self) -> dict[str, Any]:
        return {
            "stem_width": self.stem_width,
            "blocks": [[block.width, block.stride] for block in self.blocks],
            "dropout": self.dropout,
            "fields": list(self.fields),
        }

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any]) -> Self:
        try:
            pairs = parameters["blocks"]
            if len(pairs) > MAX_BLOCKS:
                raise ModelError(f"{len(pairs)} blocks are outside 1 to {MAX_BLOCKS}")
            return cls(
                whole(parameters["stem_width"]),
                tuple(Block(whole(width), whole(stride)) for width, stride in pairs),
                float(parameters["dropout"]),
                whole_numbers(parameters.get("fields", WHOLE_TILE), MAX_FIELDS),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the architecture's parameters cannot be read ({type(error).__name__})") from error


def _residual(x: Any, block: Block, name: str) -> Any:
    keras = load_keras()

    shortcut = x
    if _reshapes(x.shape[-1], block):
        shortcut = convolution(x, block.width, 1, block.stride, f"{name}_shortcut")
    x = convolution(x, block.width, 3, block.stride, f"{name}_a")
    x = keras.layers.ReLU(name=f"{name}_a_relu")(x)
    x = convolution(x, block.width, 3, 1, f"{name}_b")
    x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _reshapes(width: int, block: Block) -> bool:
    return block.stride != 1 or width != block.width
