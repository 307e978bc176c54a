"""What the pooled rule found on a slide, as a few figures from which a slide's probability can be calibrated.

The rule's own figure is the largest of many neighbourhood means: it grows with the number of tiles, and is no
probability. So the count of tiles and the refused share stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.result import TileTable

TOP_TILES = 10
_LEAST = 1e-4


def figure_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """What `slide_figures` gives, in its order."""
    return ("hotspot", f"top {TOP_TILES}", "refused share", "log tiles", *(f"share of {name}" for name in classes))


def slide_figures(told: Mapping[str, Any], tiles: TileTable) -> NDArray[np.float32] | None:
    """(4 + c,) figures: log odds of the hotspot and of the mean of the TOP_TILES most tumour-like voting tiles, the
    share of the tissue that was not recognised, the log of the number of tiles, and log odds of the pooled
    probabilities of the c classes. None where no tile voted. `told` are a result's attributes."""
    classes, background = list(told["classes"]), told["background"]
    hotspot = told["qc"].get("hotspot")
    if hotspot is None or not math.isfinite(hotspot) or not tiles.votes.any():
        return None
    of_tiles = tiles.probabilities[tiles.votes].astype(np.float64)
    # Tissues without tumour count as background, as they do for the slide.
    others = [i for i, name in enumerate(classes) if name != background]
    tumour = np.sort(of_tiles[:, others].sum(axis=1))[::-1][:TOP_TILES]
    refused = told["qc"].get("share_unfamiliar")
    shares = [told["probabilities"][name] or 0.0 for name in classes]
    figures = [
        _log_odds(hotspot),
        _log_odds(float(tumour.mean())),
        refused if refused is not None and math.isfinite(refused) else 0.0,
        math.log(len(tiles.votes)),
        *map(_log_odds, shares),
    ]
    return np.array(figures, np.float32)


def _log_odds(p: float) -> float:
    bounded = min(max(p, _LEAST), 1.0 - _LEAST)
    return math.log(bounded / (1.0 - bounded))
