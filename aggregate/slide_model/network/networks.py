"""The networks that turn a bag into a slide's logits, each as shapes of weights and two functions over an `ops`.

To add a network: a frozen dataclass with a `name`, the parameters as fields, and `shapes`, `embed` and `pool` as below;
put it into NETWORKS. To add a head (another answer than one of several classes): see `heads.py`.

Axes throughout: b bags, n instances (padded; `there` says which exist), d features, w `width`, k `branches`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from wsi.errors import ModelError

Shapes = dict[str, tuple[int, ...]]
Weights = Mapping[str, Any]
Dropping = Callable[[Any], Any]
MAX_WIDTH = 2048


def keep(x: Any) -> Any:
    """Drops nothing: how a network runs once it is trained."""
    return x


class SlideNetwork(Protocol):
    """`attends`: whether it says how much each instance counted."""

    name: ClassVar[str]
    attends: ClassVar[bool]

    def shapes(self, dimension: int, outputs: int) -> Shapes:
        """Names and shapes of the weights. Those that end in ``bias`` and ``scale`` begin at 0 and 1."""
        ...

    def embed(self, ops: Any, weights: Weights, features: Any) -> Any:
        """(b, n, d) features, standardised, to (b, n, w); each instance by itself."""
        ...

    def pool(self, ops: Any, weights: Weights, embedded: Any, there: Any, drop: Dropping = keep) -> tuple[Any, Any]:
        """Logits (b, outputs), and attention (b, n, k) that sums to 1 over n and is 0 where nothing is."""
        ...


@dataclass(frozen=True)
class _Gated:
    """Instances by one dense layer of `width`, and attention of tanh and sigmoid gates over them."""

    attends: ClassVar[bool] = True
    width: int = 128
    gate: int = 64

    def embed(self, ops: Any, weights: Weights, features: Any) -> Any:
        return _dense_relu(ops, weights, features)

    def _shapes(self, dimension: int, outputs: int, *, branches: int, classify: tuple[int, int]) -> Shapes:
        return {
            "embed": (dimension, self.width),
            "embed_bias": (self.width,),
            **_gates(self.width, self.gate, branches),
            "classify": classify,
            "classify_bias": (outputs,),
        }


@dataclass(frozen=True)
class GatedAttention(_Gated):
    """One attention for all classes (Ilse et al. 2018, arXiv:1802.04712)."""

    name: ClassVar[str] = "gated-attention"

    def shapes(self, dimension: int, outputs: int) -> Shapes:
        return self._shapes(dimension, outputs, branches=1, classify=(self.width, outputs))

    def pool(self, ops: Any, weights: Weights, embedded: Any, there: Any, drop: Dropping = keep) -> tuple[Any, Any]:
        attention = _attention(ops, weights, embedded, there)
        slide = ops.matmul(ops.transpose(attention, (0, 2, 1)), embedded)[:, 0]
        return ops.matmul(drop(slide), weights["classify"]) + weights["classify_bias"], attention


@dataclass(frozen=True)
class ClassBranches(_Gated):
    """An attention of its own for each class, as CLAM's multi-branch model has (Lu et al. 2021, arXiv:2004.09666).

    CLAM's second loss, which clusters instances by pseudo-labels of the attention, is left out.
    """

    name: ClassVar[str] = "class-branches"

    def shapes(self, dimension: int, outputs: int) -> Shapes:
        return self._shapes(dimension, outputs, branches=outputs, classify=(outputs, self.width))

    def pool(self, ops: Any, weights: Weights, embedded: Any, there: Any, drop: Dropping = keep) -> tuple[Any, Any]:
        attention = _attention(ops, weights, embedded, there)
        slides = ops.matmul(ops.transpose(attention, (0, 2, 1)), embedded)  # (b, outputs, w)
        return ops.sum(drop(slides) * weights["classify"], axis=-1) + weights["classify_bias"], attention


@dataclass(frozen=True)
class InducedTransformer:
    """One block of attention between instances by way of `points` learned ones, whose cost is n and not n squared (the
    induced block of Lee et al. 2019, arXiv:1810.00825), then gated attention over what each instance has become."""

    name: ClassVar[str] = "transformer"
    attends: ClassVar[bool] = True
    width: int = 128
    gate: int = 64
    points: int = 16
    heads: int = 4

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ModelError(f"a width of {self.width} cannot be shared by {self.heads} heads")

    def shapes(self, dimension: int, outputs: int) -> Shapes:
        return {
            "points": (self.points, self.width),
            **_block_shapes("down", self.width),
            **_block_shapes("up", self.width),
            **GatedAttention(self.width, self.gate).shapes(dimension, outputs),
        }

    def embed(self, ops: Any, weights: Weights, features: Any) -> Any:
        return _dense_relu(ops, weights, features)

    def pool(self, ops: Any, weights: Weights, embedded: Any, there: Any, drop: Dropping = keep) -> tuple[Any, Any]:
        points = ops.expand_dims(weights["points"], 0)
        summary = self._block(ops, weights, "down", points, embedded, there)
        mixed = self._block(ops, weights, "up", embedded, summary, None)
        return GatedAttention(self.width, self.gate).pool(ops, weights, mixed, there, drop)

    def _block(self, ops: Any, weights: Weights, name: str, asking: Any, asked: Any, there: Any) -> Any:
        """What `asking` (b or 1, m, w) takes from `asked` (b, n, w), added to it: (b, m, w)."""
        query, key, value = (
            self._heads(ops, ops.matmul(one, weights[f"{name}_{part}"]))
            for one, part in ((asking, "query"), (asked, "key"), (asked, "value"))
        )
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / math.sqrt(self.width // self.heads)
        if there is not None:
            scores = ops.where(ops.expand_dims(ops.expand_dims(there, 1), 1), scores, -1e9)
        taken = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), value), (0, 2, 1, 3))
        taken = ops.reshape(taken, (*ops.shape(taken)[:2], self.width))
        x = _normalised(ops, weights, f"{name}_first", asking + ops.matmul(taken, weights[f"{name}_out"]))
        more = ops.relu(ops.matmul(x, weights[f"{name}_feed"]) + weights[f"{name}_feed_bias"])
        return _normalised(ops, weights, f"{name}_second", x + more)

    def _heads(self, ops: Any, x: Any) -> Any:
        """(b, m, w) to (b, heads, m, w / heads)."""
        split = ops.reshape(x, (*ops.shape(x)[:2], self.heads, self.width // self.heads))
        return ops.transpose(split, (0, 2, 1, 3))


@dataclass(frozen=True)
class RuleFigures:
    """No network over tiles: a linear model of the pooled rule's own figures (`slide_figures`), one "instance" a slide.

    What calibrates the rule where there are too few slides to train attention, and what attention has to beat.
    """

    name: ClassVar[str] = "rule-figures"
    attends: ClassVar[bool] = False

    def shapes(self, dimension: int, outputs: int) -> Shapes:
        return {"classify": (dimension, outputs), "classify_bias": (outputs,)}

    def embed(self, ops: Any, weights: Weights, features: Any) -> Any:
        return features

    def pool(self, ops: Any, weights: Weights, embedded: Any, there: Any, drop: Dropping = keep) -> tuple[Any, Any]:
        logits = ops.matmul(embedded[:, 0], weights["classify"]) + weights["classify_bias"]
        return logits, embedded[:, :, :1] * 0.0 + 1.0


NETWORKS: tuple[type[Any], ...] = (GatedAttention, ClassBranches, InducedTransformer, RuleFigures)


def network_names() -> tuple[str, ...]:
    return tuple(one.name for one in NETWORKS)


def make_network(name: str, parameters: Mapping[str, Any] | None = None) -> SlideNetwork:
    """The network of a name. Raises ModelError where there is none, or a parameter is not one of its own."""
    found = next((one for one in NETWORKS if one.name == name), None)
    if found is None:
        raise ModelError(f"there is no slide network {name!r}", hint=f"use one of {', '.join(network_names())}")
    given = dict(parameters or {})
    if not set(given) <= set(found.__dataclass_fields__) or not all(
        type(value) is int and 0 < value <= MAX_WIDTH for value in given.values()
    ):
        raise ModelError(f"the parameters of the slide network {name} are not its own")
    network: SlideNetwork = found(**given)
    return network


def parameters_of(network: Any) -> dict[str, int]:
    return asdict(network)


def first_weights(shapes: Shapes, seed: int) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Random weights to begin with (Glorot and Bengio 2010, uniform); biases 0, scales 1."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in shapes.items():
        if name.endswith(("bias", "scale")):
            made[name] = np.full(shape, float(name.endswith("scale")), np.float32)
        else:
            limit = math.sqrt(6.0 / sum(shape))
            made[name] = rng.uniform(-limit, limit, shape).astype(np.float32)
    return made


def _gates(width: int, gate: int, branches: int) -> Shapes:
    return {
        "tanh": (width, gate),
        "tanh_bias": (gate,),
        "sigmoid": (width, gate),
        "sigmoid_bias": (gate,),
        "attend": (gate, branches),
    }


def _block_shapes(name: str, width: int) -> Shapes:
    square = dict.fromkeys((f"{name}_{part}" for part in ("query", "key", "value", "out", "feed")), (width, width))
    vectors = ("first_scale", "first_bias", "second_scale", "second_bias", "feed_bias")
    return {**square, **dict.fromkeys((f"{name}_{part}" for part in vectors), (width,))}


def _dense_relu(ops: Any, weights: Weights, features: Any) -> Any:
    return ops.relu(ops.matmul(features, weights["embed"]) + weights["embed_bias"])


def _attention(ops: Any, weights: Weights, embedded: Any, there: Any) -> Any:
    """(b, n, k), which sums to 1 over the n instances that exist."""
    tanh = ops.tanh(ops.matmul(embedded, weights["tanh"]) + weights["tanh_bias"])
    sigmoid = ops.sigmoid(ops.matmul(embedded, weights["sigmoid"]) + weights["sigmoid_bias"])
    scores = ops.matmul(tanh * sigmoid, weights["attend"])
    return ops.softmax(ops.where(ops.expand_dims(there, -1), scores, -1e9), axis=1)


def _normalised(ops: Any, weights: Weights, name: str, x: Any) -> Any:
    """Layer normalisation (Ba et al. 2016, arXiv:1607.06450)."""
    centred = x - ops.mean(x, axis=-1, keepdims=True)
    spread = ops.sqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + 1e-5)
    return centred / spread * weights[f"{name}_scale"] + weights[f"{name}_bias"]
