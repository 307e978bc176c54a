"""What the colours of a thumbnail say, px by px: how stained, ink or not, dark or not. Where tissue is, is
`tiler.tissue`'s. Works in bands of rows on bytes: as floats, a thumbnail would take more memory than the program."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tiler.bands import row_bands

Plane = NDArray[np.uint8]

_BAND_PIXELS = 1 << 18
# Below this value (of HSV) no H&E tissue was seen at 8 um per px (lowest of 1,600 lung tiles: 0.41): black border,
# marker, fold, pigment.
_DARK_VALUE = 0.30
_COLOURLESS_SATURATION = 0.45
_INK_VALUE = 0.15
# Colours that H&E does not have: [from, to) in degrees of hue, and the saturation above which it is ink. None of 1,600
# lung tiles has 1% of such px. Haematoxylin reaches down to hue 225 and eosin up to 350, so blue and red ink are told
# by their saturation.
_INKS = (
    (0, 14, 0.78),  # red
    (36, 72, 0.40),  # yellow
    (72, 195, 0.20),  # green
    (195, 222, 0.42),  # turquoise
    (222, 252, 0.78),  # blue
    (350, 360, 0.78),  # red
)
# Only near-colourless bright px can be glass; a slide full of pale tissue has none and stays as it is.
_GLASS_BRIGHTNESS = 215
_GLASS_TINT = 20
_LEAST_GLASS = 0.02


@dataclass(frozen=True)
class StainPlanes:
    """Planes (rows, columns) uint8: `saturation` of HSV in 1/255, the others 0 or 1."""

    saturation: Plane
    ink: Plane
    dark: Plane
    colourless_dark: Plane


def stain_planes(rgb: NDArray[np.uint8]) -> StainPlanes:
    """The planes of a thumbnail (rows, columns, 3), after glass that is grey or tinted has been made white."""
    whitened = _white_glass_table(rgb)
    saturation, ink, dark, colourless = (np.empty(rgb.shape[:2], np.uint8) for _ in range(4))
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        part = rgb[rows] if whitened is None else cv2.LUT(rgb[rows], whitened)
        hue, band_saturation, value = cv2.split(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2HSV))
        saturation[rows] = band_saturation
        ink[rows] = (band_saturation > cv2.LUT(hue, _LEAST_INK)) & (value > _byte(_INK_VALUE))
        dark[rows] = value <= _byte(_DARK_VALUE)
        colourless[rows] = dark[rows] & (band_saturation <= _byte(_COLOURLESS_SATURATION))
    return StainPlanes(saturation, ink, dark, colourless)


def _white_glass_table(rgb: NDArray[np.uint8]) -> Plane | None:
    """(1, 256, 3) new by old value of each channel, so that the glass's tint does not count as stain; None without
    glass."""
    counts = np.zeros((3, 256), np.int64)
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        channels = cv2.split(np.ascontiguousarray(rgb[rows]))
        brightest, darkest = (extreme(extreme(*channels[:2]), channels[2]) for extreme in (cv2.max, cv2.min))
        tint = cv2.subtract(brightest, darkest)
        glass = ((brightest > _GLASS_BRIGHTNESS) & (tint < _GLASS_TINT)).view(np.uint8)
        for channel, count in zip(channels, counts, strict=True):
            count += cv2.calcHist([channel], [0], glass, [256], [0, 256]).ravel().astype(np.int64)
    if counts[0].sum() < _LEAST_GLASS * rgb.shape[0] * rgb.shape[1]:
        return None
    colour = np.array([_median(count) for count in counts])
    return np.clip(np.arange(256)[:, None] * (255.0 / colour), 0, 255).astype(np.uint8)[None]


def _median(counts: NDArray[np.int64]) -> float:
    """Of whole numbers, by how often each occurs."""
    below = np.cumsum(counts)
    middle = [np.searchsorted(below, rank, side="right") for rank in ((below[-1] - 1) // 2, below[-1] // 2)]
    return float(np.mean(middle))


def _byte(share: float) -> int:
    """The largest byte that is no more than `share` of 255."""
    return int(255 * share + 1e-6)


def _least_ink() -> Plane:
    """(256,) the saturation that is not yet ink, by OpenCV's hue of two degrees."""
    table = np.full(256, 255, np.uint8)
    for first, end, saturation in _INKS:
        table[(first + 1) // 2 : (end + 1) // 2] = _byte(saturation)
    return table


_LEAST_INK = _least_ink()
