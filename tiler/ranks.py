"""Median and quantile of numbers in a row, equal to NumPy's to the last bit.

NumPy's own load its masked arrays the first time that they are called, which costs a cold run more than all else that
the tissue is asked; they also take several times as long on the cells of one tile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def median(values: NDArray[np.floating]) -> Any:
    """Of (n,) or (n, ...) finite numbers, n at least 1, along the first axis; of their type."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    ordered = np.partition(values, (low, high), axis=0)
    return (ordered[low] + ordered[high]) / 2


def quantile(values: NDArray[np.floating], share: float) -> Any:
    """What `share` (0 to 1) of (n,) finite numbers, at least one, lie below, between its neighbours linearly; a scalar
    of their type."""
    place = (len(values) - 1) * share
    low = int(place)
    high = min(low + 1, len(values) - 1)
    ordered = np.partition(values, (low, high))
    # From the nearer neighbour, as NumPy does: the roundings differ.
    way, apart = place - low, ordered[high] - ordered[low]
    return ordered[low] + apart * way if way < 0.5 else ordered[high] - apart * (1 - way)
