"""A large picture piece by piece: bands of its rows, and a sample of its px."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def row_bands(shape: tuple[int, ...], pixels: int) -> Iterator[slice]:
    """The rows of a picture (rows, columns, ...) from top to bottom, in bands of at most `pixels` px or of one row."""
    step = max(1, pixels // max(1, shape[1]))
    for first in range(0, shape[0], step):
        yield slice(first, min(first + step, shape[0]))


def sample(rgb: NDArray[np.uint8], chosen: NDArray[np.bool_], most: int) -> NDArray[np.uint8]:
    """(n, 3) px of a picture (rows, columns, 3), in reading order: every k-th of those `chosen` (rows, columns), with
    the least k that leaves no more than `most`. The others are never copied."""
    places = np.flatnonzero(chosen)
    return rgb.reshape(-1, 3)[places[:: 1 + len(places) // most]]
