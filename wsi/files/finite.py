"""Numbers as tables, pages and JSON hold them: JSON knows neither NaN nor infinity."""

from __future__ import annotations

import math


def finite(value: float | None) -> float | None:
    """`value`, also one of NumPy's, as a float of Python's; None for what is missing, NaN or infinite."""
    return None if value is None or not math.isfinite(value) else float(value)
