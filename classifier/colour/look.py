"""How a laboratory's tiles look whatever they show: glass, stain, density; and what takes its glass to another colour.

Arrays in, arrays out. Stain vectors: Macenko et al. 2009, doi 10.1109/ISBI.2009.5193250.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi.errors import ModelError

# Every fourth px of a tile's rows and columns says as much of its colours as all.
_STEP_PX = 4
# Of a tile the brightest hundredth, of a slide the brightest tenth of the tiles: what glass there is.
_BRIGHT_PX, _BRIGHT_TILES = 0.99, 0.90
# Optical density (natural logarithm, all channels together) from which on a px is stained.
_STAINED = 0.45
# Macenko's robust extremes, and what a stain needs before it has a direction.
_EXTREMES, _LEAST_STAINED_PX = (1.0, 99.0), 500
# Glass further off than this is no laboratory's.
_MOST_GAIN, _DARKEST_GLASS = 1.33, 64.0

Colours = NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """`white` (3,) is the colour of glass, 1 to 255; `densities` (3,) the optical density of stained px against it;
    `stains` (2, 3) the directions of haematoxylin and eosin, of unit length, NaN where too little is stained."""

    white: Colours
    densities: Colours
    stains: Colours


def white_array(look: Look) -> dict[str, NDArray[np.float32]]:
    """``white`` (3,) as a model's familiarity.npz tells it; empty where it cannot be glass."""
    white = look.white.astype(np.float32)
    return {"white": white} if white.min() >= _DARKEST_GLASS else {}


def read_model_white(arrays: Mapping[str, NDArray[Any]]) -> Colours | None:
    """The glass (3,) of the tiles that a model learned from, ``white`` of its familiarity.npz; None where none is told.

    Raises ModelError where it is no colour.
    """
    white = arrays.get("white")
    if white is None:
        return None
    if white.shape != (3,) or white.dtype != np.float32 or not (_DARKEST_GLASS <= white.min() <= white.max() <= 255.0):
        raise ModelError("familiarity.npz: white is no colour of glass")
    return white.astype(np.float64)


def look_of_tiles(tiles: NDArray[np.uint8]) -> Look:
    """The look of one slide or source, by tiles (n, h, w, 3)."""
    pixels = tiles[:, ::_STEP_PX, ::_STEP_PX].reshape(len(tiles), -1, 3).astype(np.float64)
    white = _white(pixels)
    density = -np.log((pixels + 1.0) / (white + 1.0))
    stained = density[density.sum(axis=2) > _STAINED]
    densities = stained.mean(axis=0) if len(stained) else np.full(3, np.nan)
    return Look(white, densities, _stains(stained))


def typical_look(looks: Sequence[Look]) -> Look:
    """The median of several slides' or sources' looks; those without a stain take no part in it."""
    stains = np.stack([look.stains for look in looks])
    known = stains[np.isfinite(stains).all(axis=(1, 2))]
    densities = np.stack([look.densities for look in looks])
    densities = densities[np.isfinite(densities).all(axis=1)]
    return Look(
        np.median([look.white for look in looks], axis=0),
        np.median(densities, axis=0) if len(densities) else np.full(3, np.nan),
        _unit(np.median(known, axis=0)) if len(known) else np.full((2, 3), np.nan),
    )


@dataclass(frozen=True)
class Correction:
    """What takes `glass` to `white`, (3,) each: every channel is multiplied by the quotient."""

    glass: tuple[float, float, float]
    white: tuple[float, float, float]

    def table(self) -> NDArray[np.uint8]:
        """(1, 256, 3) new by old value of each channel, for `cv2.LUT`."""
        new = np.arange(256)[:, None] * (np.array(self.white) / np.array(self.glass))
        return np.clip(np.rint(new), 0, 255).astype(np.uint8)[None]


def correction_of(site: Look, model_white: Colours | None) -> Correction:
    """From a site's glass to the model's, within bounds; where the model tells none, to neutral, as bright as the
    glass's brightest channel. Densities stay: how dense a slide is hangs on its tissue as much as on its stain."""
    white = np.full(3, site.white.max()) if model_white is None else model_white
    gain = np.clip(white / site.white, 1 / _MOST_GAIN, _MOST_GAIN)
    return Correction(_three(site.white), _three(site.white * gain))


def no_correction(site: Look) -> Correction:
    """For a model that sees each slide with its own white set."""
    return Correction(_three(site.white), _three(site.white))


def _three(values: Iterable[float]) -> tuple[float, float, float]:
    first, second, third = (round(float(value), 3) for value in values)
    return first, second, third


def _white(pixels: Colours) -> Colours:
    """(3,) the colour of the brightest px (n, m, 3) of the tiles that have most glass."""
    light = pixels.sum(axis=2)
    bright = np.quantile(light, _BRIGHT_PX, axis=1, keepdims=True)
    tiles = np.stack(
        [one[shine >= least].mean(axis=0) for one, shine, least in zip(pixels, light, bright, strict=True)]
    )
    brightest = tiles.sum(axis=1) >= np.quantile(tiles.sum(axis=1), _BRIGHT_TILES)
    return np.asarray(np.median(tiles[brightest], axis=0), np.float64)


def _stains(density: Colours) -> Colours:
    """(2, 3) directions of the two stains in optical densities (k, 3): the extremes in their plane, the bluer first."""
    if len(density) < _LEAST_STAINED_PX:
        return np.full((2, 3), np.nan)
    _, vectors = np.linalg.eigh(np.cov(density.T))
    plane = vectors[:, :0:-1]  # the two greatest
    plane = plane * np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    along, across = (density @ plane).T
    angles = np.percentile(np.arctan2(across, along), _EXTREMES)
    ends = _unit(np.abs(np.column_stack([np.cos(angles), np.sin(angles)]) @ plane.T))
    return ends[np.argsort(-ends[:, 0])]


def _unit(vectors: Colours) -> Colours:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float64)
