"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946; Lite: no squeeze-excitation, ReLU6), or its first stages.

Cut short it keeps what ImageNet taught it of edges, textures and small shapes, and costs a fraction. Made of inverted
residual blocks (Sandler et al. 2018, arXiv:1801.04381).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from classifier.networks.framework import load_keras
from classifier.networks.layers import convolution, depthwise_convolution
from classifier.networks.shape import MAX_FIELDS, Fields, check_shape, whole, whole_numbers
from wsi.errors import ModelError

STEM_WIDTH, STEM_STRIDE = 32, 2


@dataclass(frozen=True)
class Stage:
    """`blocks` inverted residual blocks of `width` channels; the first one moves by `stride`."""

    blocks: int
    kernel_px: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class EfficientNetLite:
    """The first `stages` (1 to 7) of EfficientNet-Lite0, without its head. Raises ModelError outside the bounds."""

    name: ClassVar[str] = "efficientnet-lite0"

    stages: int = 4
    dropout: float = 0.2
    fields: Fields = (2,)

    def __post_init__(self) -> None:
        if not 1 <= self.stages <= len(STAGES):
            raise ModelError(f"{self.stages} stages are outside 1 to {len(STAGES)}")
        check_shape((self.trunk_features,), self.dropout, 0, self.fields)

    @property
    def trunk_features(self) -> int:
        return STAGES[self.stages - 1].width

    @property
    def trunk_stride(self) -> int:
        return STEM_STRIDE * math.prod(stage.stride for stage in STAGES[: self.stages])

    def trunk(self, pixels: Any) -> Any:
        keras = load_keras()

        # The published weights expect this scaling, and not that of other ImageNet networks.
        x = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale")(pixels)
        x = convolution(x, STEM_WIDTH, 3, STEM_STRIDE, "stem")
        x = keras.layers.ReLU(6.0, name="stem_relu")(x)
        for index, (stage, stride) in enumerate(self.blocks()):
            x = _inverted_residual(x, stage, stride, f"block{index}")
        return x

    def blocks(self) -> Iterator[tuple[Stage, int]]:
        """Each block with its own stride, in order."""
        for stage in STAGES[: self.stages]:
            for position in range(stage.blocks):
                yield stage, stage.stride if position == 0 else 1

    def to_dict(self) -> dict[str, Any]:
        return {"stages": self.stages, "dropout": self.dropout, "fields": list(self.fields)}

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any]) -> Self:
        try:
            return cls(
                whole(parameters["stages"]),
                float(parameters["dropout"]),
                whole_numbers(parameters["fields"], MAX_FIELDS),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the architecture's parameters cannot be read ({type(error).__name__})") from error


def _inverted_residual(x: Any, stage: Stage, stride: int, name: str) -> Any:
    keras = load_keras()

    shortcut, width = x, x.shape[-1]
    if stage.expansion > 1:
        x = convolution(x, width * stage.expansion, 1, 1, f"{name}_expand")
        x = keras.layers.ReLU(6.0, name=f"{name}_expand_relu")(x)
    x = depthwise_convolution(x, stage.kernel_px, stride, f"{name}_depthwise")
    x = keras.layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = convolution(x, stage.width, 1, 1, f"{name}_project")
    if stride == 1 and width == stage.width:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x
