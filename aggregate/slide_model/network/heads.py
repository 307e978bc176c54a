"""Heads: what a slide network's outputs mean, and how far they are from a label.

To add one (a grade, a score): a class with a `name`, `outputs`, `loss` over `keras.ops` and `read` over NumPy, put into
HEADS. Labels reach `loss` as class indices (b,), which for an ordered head are ranks. `read` must give (n, c)
probabilities of the classes: calibration, sets and the store know nothing else.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from wsi.errors import ModelError


class Head(Protocol):
    name: ClassVar[str]

    def outputs(self, classes: int) -> int:
        """How many outputs the network has for so many classes."""
        ...

    def loss(self, ops: Any, outputs: Any, labels: Any, classes: int) -> Any:
        """(b,) loss of each slide from outputs (b, o) and labels (b,)."""
        ...

    def read(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Log-probabilities up to a constant, (n, c), of outputs (n, o): softmax of them is the probabilities."""
        ...


class OneOfClasses:
    """A slide is one of several classes: softmax and cross-entropy."""

    name: ClassVar[str] = "classes"

    def outputs(self, classes: int) -> int:
        return classes

    def loss(self, ops: Any, outputs: Any, labels: Any, classes: int) -> Any:
        return -ops.sum(ops.one_hot(labels, classes) * ops.log_softmax(outputs, axis=-1), axis=-1)

    def read(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """The outputs (n, c) themselves."""
        return np.asarray(outputs, np.float64)


class Ordered:
    """Classes in an order (grades): c - 1 outputs, each the log odds that the class is a later one (Frank and Hall
    2001); the classes of the card are listed from the first to the last."""

    name: ClassVar[str] = "ordered"

    def outputs(self, classes: int) -> int:
        return classes - 1

    def loss(self, ops: Any, outputs: Any, labels: Any, classes: int) -> Any:
        later = ops.cast(ops.expand_dims(ops.cast(labels, "int32"), -1) > ops.arange(classes - 1), "float32")
        return ops.sum(ops.softplus(outputs) - later * outputs, axis=-1)

    def read(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, c) from (n, c - 1): each class is what is beyond its lower bound and not beyond its upper one."""
        beyond = 1.0 / (1.0 + np.exp(-np.asarray(outputs, np.float64)))
        beyond = np.minimum.accumulate(beyond, axis=1)  # no class may get less than nothing
        ones, zeros = np.ones((len(beyond), 1)), np.zeros((len(beyond), 1))
        shares = np.concatenate([ones, beyond], axis=1) - np.concatenate([beyond, zeros], axis=1)
        return np.asarray(np.log(np.maximum(shares, 1e-12)), np.float64)


HEADS: tuple[Head, ...] = (OneOfClasses(), Ordered())


def find_head(name: str) -> Head:
    """The head of a name. Raises ModelError where there is none."""
    found = next((head for head in HEADS if head.name == name), None)
    if found is None:
        raise ModelError(f"there is no head {name!r}", hint=f"use one of {', '.join(head.name for head in HEADS)}")
    return found
