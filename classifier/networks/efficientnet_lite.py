"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946; Lite: no squeeze-excitation, ReLU6), or its first stages.

Cut short it keeps what ImageNet taught it of edges, textures and small shapes, and costs a fraction. Made of inverted
residual blocks (Sandler et al. 2018, arXiv:1801.04381).

It may be *tapped*: instead of the narrow output of its last stage, the wide depthwise maps at the end of several
stages are put side by side and brought down to an embedding by one linear 1x1 convolution. A linear step and a mean
commute, so what a linear classifier can read off the wide means it can read off the embedding's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from classifier.networks.framework import load_keras
from classifier.networks.layers import convolution, depthwise_convolution
from classifier.networks.shape import FEATURES, MAX_FIELDS, Fields, check_shape, whole, whole_numbers
from wsi.errors import ModelError

STEM_WIDTH, STEM_STRIDE = 32, 2
EMBEDDING = "embedding"


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
    """The first `stages` (1 to 7) of EfficientNet-Lite0, without its head. Raises ModelError outside the bounds.

    `taps` are the stages tapped, the last one among them and all of one stride, `embedding` the width that they are
    brought down to; both or neither.
    """

    name: ClassVar[str] = "efficientnet-lite0"
    in_a_file: ClassVar[bool] = False
    gives: ClassVar[str] = FEATURES

    stages: int = 4
    dropout: float = 0.2
    fields: Fields = (2,)
    taps: tuple[int, ...] = ()
    embedding: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.stages <= len(STAGES):
            raise ModelError(f"{self.stages} stages are outside 1 to {len(STAGES)}")
        if bool(self.taps) != bool(self.embedding):
            raise ModelError("taps need an embedding, and an embedding taps")
        if self.taps and (
            list(self.taps) != sorted(set(self.taps)) or self.taps[-1] != self.stages or self.taps[0] < 2
        ):
            raise ModelError("taps go upwards from stage 2, each once, and end with the last stage")
        if len({_stride(tap) for tap in self.taps}) > 1:
            raise ModelError("the taps are not of one stride")
        check_shape((self.trunk_features,), self.dropout, 0, self.fields)

    @property
    def trunk_features(self) -> int:
        return self.embedding or STAGES[self.stages - 1].width

    @property
    def tapped_features(self) -> int:
        """Channels of all tapped maps together, before the embedding; 0 without taps."""
        return sum(STAGES[tap - 1].width * STAGES[tap - 1].expansion for tap in self.taps)

    @property
    def trunk_stride(self) -> int:
        return _stride(self.stages)

    @property
    def sensitive_layers(self) -> tuple[str, ...]:
        """How the names of those layers begin that lose most in int8: of a tapped network the first, whose maps range
        widest, some narrow ones amid it, and the last, whose weights a linear classifier set as it liked."""
        narrow = tuple(f"block{number}_project" for number in range(3, 8))
        return ("centre", "stem", "block0_", *narrow, EMBEDDING, "mean", "features", "logits") if self.taps else ()

    def trunk(self, pixels: Any) -> Any:
        keras = load_keras()

        # The published weights expect this scaling, not that of other ImageNet networks. To take away before dividing
        # gives the same floats, and in int8, whose steps are then a pixel's, it loses no level.
        x = keras.layers.Rescaling(1.0, offset=-127.0, name="centre")(pixels)
        x = keras.layers.Rescaling(1 / 128, name="rescale")(x)
        x = convolution(x, STEM_WIDTH, 3, STEM_STRIDE, "stem")
        x = keras.layers.ReLU(6.0, name="stem_relu")(x)
        tapped = []
        for index, (stage, stride) in enumerate(self.blocks()):
            x, wide = _inverted_residual(x, stage, stride, f"block{index}")
            if index in self._tapped_blocks():
                tapped.append(wide)
        if not tapped:
            return x
        wide = keras.layers.Concatenate(name="taps")(tapped) if len(tapped) > 1 else tapped[0]
        return keras.layers.Conv2D(self.embedding, 1, name=EMBEDDING)(wide)

    def _tapped_blocks(self) -> set[int]:
        """The numbers of the blocks whose wide maps are tapped: the last of each tapped stage."""
        return {sum(stage.blocks for stage in STAGES[:tap]) - 1 for tap in self.taps}

    def blocks(self) -> Iterator[tuple[Stage, int]]:
        """Each block with its own stride, in order."""
        for stage in STAGES[: self.stages]:
            for position in range(stage.blocks):
                yield stage, stage.stride if position == 0 else 1

    def to_dict(self) -> dict[str, Any]:
        told = {"stages": self.stages, "dropout": self.dropout, "fields": list(self.fields)}
        return told | ({"taps": list(self.taps), "embedding": self.embedding} if self.taps else {})

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any]) -> Self:
        try:
            return cls(
                whole(parameters["stages"]),
                float(parameters["dropout"]),
                whole_numbers(parameters["fields"], MAX_FIELDS),
                whole_numbers(parameters.get("taps", ()), len(STAGES)),
                whole(parameters.get("embedding", 0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the architecture's parameters cannot be read ({type(error).__name__})") from error


def _stride(stages: int) -> int:
    return STEM_STRIDE * math.prod(stage.stride for stage in STAGES[:stages])


def _inverted_residual(x: Any, stage: Stage, stride: int, name: str) -> tuple[Any, Any]:
    """The block's output, and its depthwise maps."""
    keras = load_keras()

    shortcut, width = x, x.shape[-1]
    if stage.expansion > 1:
        x = convolution(x, width * stage.expansion, 1, 1, f"{name}_expand")
        x = keras.layers.ReLU(6.0, name=f"{name}_expand_relu")(x)
    x = depthwise_convolution(x, stage.kernel_px, stride, f"{name}_depthwise")
    wide = keras.layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = convolution(wide, stage.width, 1, 1, f"{name}_project")
    if stride == 1 and width == stage.width:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x, wide
