"""What runs a network: the seam between `model.py` and the two runtimes."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Runtime(Protocol):
    name: str
    """``litert-int8`` or ``tensorflow``."""

    def forward(self, tiles: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Logits (b, c) and features (b, d) of a batch (b, size, size, 3) uint8 RGB, b at least 1."""
        ...
