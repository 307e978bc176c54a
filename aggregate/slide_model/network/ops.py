"""The few operations that slide networks are written in, on NumPy: the same names and meaning as in `keras.ops`.

A network is written once over such a namespace. Trained it is by Keras, on a slide it runs with NumPy alone: so `run`
loads no TensorFlow for it, and what was trained is what runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def matmul(x: Array, y: Array) -> Array:
    """Over the last two axes."""
    return np.matmul(x, y)


def tanh(x: Array) -> Array:
    """Of any shape."""
    return np.tanh(x)


def sigmoid(x: Array) -> Array:
    """Of any shape; never overflows."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def relu(x: Array) -> Array:
    """Of any shape."""
    return np.maximum(x, 0.0)


def softmax(x: Array, axis: int = -1) -> Array:
    """Sums to 1 along `axis`."""
    shifted = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=axis, keepdims=True))


def where(condition: NDArray[np.bool_], x: Array, y: float) -> Array:
    """`x` where the condition holds, else `y`; shapes are broadcast."""
    return np.where(condition, x, np.asarray(y, x.dtype))


def transpose(x: Array, axes: Sequence[int]) -> Array:
    """Axes in another order."""
    return np.transpose(x, axes)


def reshape(x: Array, newshape: Sequence[int]) -> Array:
    """The same values in another shape."""
    return np.reshape(x, newshape)


def shape(x: Array) -> tuple[int, ...]:
    """Its axes' lengths."""
    return x.shape


def sum(x: Array, axis: int = -1) -> Array:
    """Along `axis`."""
    return np.asarray(np.sum(x, axis=axis))


def mean(x: Array, axis: int = -1, keepdims: bool = False) -> Array:
    """Along `axis`."""
    return np.asarray(np.mean(x, axis=axis, keepdims=keepdims))


def square(x: Array) -> Array:
    """Of any shape."""
    return np.square(x)


def sqrt(x: Array) -> Array:
    """Of any shape."""
    return np.sqrt(x)


def expand_dims(x: Array, axis: int) -> Array:
    """With an axis of length 1 more."""
    return np.expand_dims(x, axis)
