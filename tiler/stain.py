"""How a slide's glass and stain look on its thumbnail, in six numbers: what another scanner, lamp or stain bath changes
first. For watching a laboratory over time; no call depends on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiler.glass import Glass
from tiler.planes.bands import sample

_LARGEST_SAMPLE = 1 << 16
_LEAST_TISSUE_PX = 50
_LEAST_LIGHT = 1.0  # grey levels: black lets no logarithm through


@dataclass(frozen=True)
class StainLook:
    """`glass` is its colour, grey levels of red, green and blue; `density` the mean optical density of the tissue in
    each (natural logarithm of glass over tissue)."""

    glass: tuple[float, float, float]
    density: tuple[float, float, float]


def stain_look(rgb: NDArray[np.uint8], tissue: NDArray[np.bool_], glass: Glass | None) -> StainLook | None:
    """Of a thumbnail (rows, columns, 3) and its tissue (rows, columns); None where there is hardly tissue, or no glass
    to measure it against."""
    if glass is None or glass.mistake or glass.dark or np.count_nonzero(tissue) < _LEAST_TISSUE_PX:
        return None
    stained = sample(rgb, tissue, _LARGEST_SAMPLE).astype(np.float64)
    light = np.maximum(np.asarray(glass.colour, np.float64), _LEAST_LIGHT)
    density = np.log(light / np.maximum(stained, _LEAST_LIGHT)).mean(axis=0)
    return StainLook(_three(light), _three(density))


def _three(values: NDArray[np.floating]) -> tuple[float, float, float]:
    red, green, blue = values.round(4).tolist()
    return red, green, blue
