"""A network that was made elsewhere and imported as ONNX: how pixels go in and what is taken of its output, in numbers.

Its layers are in a file of the model's folder, not in our code: what is there is `onnx_file`'s to judge, and who runs
it is `classifier.runtimes.onnx`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from classifier.networks.shape import FEATURES, WHOLE_TILE, Fields, whole
from wsi.errors import ModelError

LOGITS, PROBABILITIES = "logits", "probabilities"
GIVES = (FEATURES, LOGITS, PROBABILITIES)
# Of an output (b, d); of tokens (b, t, d); of maps (b, d, h, w) or (b, h, w, d).
PLAIN, CLASS_TOKEN, MEAN, CLASS_AND_MEAN = POOLS = ("none", "cls", "mean", "cls+mean")
MAX_FEATURES = 4096
MAX_PREFIX_TOKENS = 64
MAX_OUTPUT_NAME = 256
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class ImportedNetwork:
    """`mean` and `std` are of pixels scaled to 0 to 1; a network that takes uint8 gets them as they are.

    `output` is the tensor that is taken, `pool` what of it; `prefix_tokens` stand before the tokens of the image. It
    `gives` features, for a head of our own, or a class's logits or probabilities each. Raises ModelError.
    """

    name: ClassVar[str] = "onnx"
    in_a_file: ClassVar[bool] = True

    features: int
    gives: str = FEATURES
    output: str = "features"
    pool: str = PLAIN
    prefix_tokens: int = 1
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD

    def __post_init__(self) -> None:
        _check(1 <= self.features <= MAX_FEATURES, f"{self.features} features are outside 1 to {MAX_FEATURES}")
        _check(self.gives in GIVES, f"a network gives {', '.join(GIVES)}")
        _check(self.pool in POOLS, f"pooling is one of {', '.join(POOLS)}")
        _check(0 <= self.prefix_tokens <= MAX_PREFIX_TOKENS, f"prefix tokens are outside 0 to {MAX_PREFIX_TOKENS}")
        _check(0 < len(self.output) <= MAX_OUTPUT_NAME, "the output's name is empty or too long")
        _check(all(math.isfinite(value) and -1 <= value <= 2 for value in self.mean), "a mean is outside -1 to 2")
        _check(all(math.isfinite(value) and 1e-3 <= value <= 10 for value in self.std), "a std is outside 0.001 to 10")

    @property
    def fields(self) -> Fields:
        return WHOLE_TILE

    @property
    def dropout(self) -> float:
        return 0.0

    @property
    def trunk_features(self) -> int:
        return self.features

    @property
    def trunk_stride(self) -> int:
        """Unknown, and asked by nobody: such a network gives no map of evidence."""
        return 16

    def trunk(self, pixels: Any) -> Any:
        raise ModelError("the model's network was imported as ONNX: it cannot be trained further here")

    def to_dict(self) -> dict[str, Any]:
        return {
            "features": self.features,
            "gives": self.gives,
            "output": self.output,
            "pool": self.pool,
            "prefix_tokens": self.prefix_tokens,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any]) -> Self:
        try:
            return cls(
                whole(parameters["features"]),
                str(parameters["gives"]),
                str(parameters["output"]),
                str(parameters["pool"]),
                whole(parameters["prefix_tokens"]),
                triple(parameters["mean"]),
                triple(parameters["std"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the architecture's parameters cannot be read ({type(error).__name__})") from error


def triple(values: Any) -> Triple:
    """Three numbers, a colour each. Raises ValueError, TypeError."""
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise ModelError(f"the imported network: {what}")
