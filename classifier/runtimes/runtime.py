"""What runs a network: the seam between `model.py` and the two runtimes."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Runtime(Protocol):
    name: str
    """``litert-int8`` or ``tensorflow``."""

    def forward(self, stacked: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Logits (b, c) and features (b, d) of a batch of stacked fields (b, side, side, 3 * fields), b at least 1."""
        ...

    def activation_map(self, stacked: NDArray[np.uint8]) -> Floats:
        """Class activation map (b, rows, columns, c) of such a batch."""
        ...
