"""Whether an output was told of cases. Reads none of them."""

from __future__ import annotations

import os
from pathlib import Path

SLIDE_CASES = "slide-cases.csv"


def are_told(out: Path) -> bool:
    return os.path.lexists(out / SLIDE_CASES)
