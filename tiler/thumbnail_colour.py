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
# Glass of another colour (a lamp, a filter, wrong colours) is plain, which tissue is not, and outweighs clear glass.
# Range of 3 x 3 px in grey levels; of 800 tiles of 29 tissues at most 13 px in one piece are so plain.
_PLAIN_RANGE = 4
_TINTED_BRIGHTNESS = 130
# Set back (as good as off): plain tissue was taken for glass or pen in the registration tests. To be measured anew.
_LEAST_TINTED_GLASS = 1.0
_TINT_BINS = 32
# Ink of the colours of H&E is told by being plain and strong: the largest such piece in those tiles was 32 px (bone).
_PLAIN_INK_RANGE = 6
_PLAIN_INK_SATURATION = 1.0
# Hues that H&E does not give, weakest saturation that has a hue, and the texture of tissue, which pen on glass lacks.
# 0.2% of the stained px of those tiles have such hues; most has mucin, 19%.
_FOREIGN_HUES = (14, 250)
_FOREIGN_SATURATION = 0.12
_TEXTURE_RANGE = 16
# Structure without colour: darker than glass, not black.
_GREY_SATURATION = 0.05
_GREY_VALUE = 0.85
_GREY_RANGE = 8


@dataclass(frozen=True)
class StainPlanes:
    """Planes (rows, columns) uint8: `saturation` of HSV in 1/255, the others 0 or 1.

    `ink` has colours that H&E does not have, `plain_ink` is as strong and even as only ink is; `textured` is stained as
    unevenly as tissue, `foreign` such of it as has another hue than H&E; `grey` is structure without colour.
    `glass_tint` is how far the glass is from neutral, in grey levels; 0 up to what clear glass has.
    """

    saturation: Plane
    ink: Plane
    dark: Plane
    colourless_dark: Plane
    plain_ink: Plane
    textured: Plane
    foreign: Plane
    grey: Plane
    glass_tint: int = 0


def stain_planes(rgb: NDArray[np.uint8]) -> StainPlanes:
    """The planes of a thumbnail (rows, columns, 3), after glass that is grey or tinted has been made white."""
    glass = _glass_colour(rgb)
    whitened = None if glass is None else _whitening_table(glass)
    saturation, ink, dark, colourless, plain, textured, foreign, grey = (
        np.empty(rgb.shape[:2], np.uint8) for _ in range(8)
    )
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        part = rgb[rows] if whitened is None else cv2.LUT(rgb[rows], whitened)
        hue, band_saturation, value = cv2.split(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2HSV))
        saturation[rows] = band_saturation
        ink[rows] = (band_saturation > cv2.LUT(hue, _LEAST_INK)) & (value > _byte(_INK_VALUE))
        dark[rows] = value <= _byte(_DARK_VALUE)
        colourless[rows] = dark[rows] & (band_saturation <= _byte(_COLOURLESS_SATURATION))
        spread = _local_range(rgb, rows)
        plain[rows] = (
            (spread <= _PLAIN_INK_RANGE)
            & (band_saturation > _byte(_PLAIN_INK_SATURATION))
            & (value > _byte(_INK_VALUE))
        )
        textured[rows] = (spread >= _TEXTURE_RANGE) & (band_saturation > _byte(_FOREIGN_SATURATION))
        foreign[rows] = textured[rows] & (hue >= _FOREIGN_HUES[0] // 2) & (hue < _FOREIGN_HUES[1] // 2)
        grey[rows] = (
            (spread >= _GREY_RANGE) & (band_saturation <= _byte(_GREY_SATURATION)) & (value < _byte(_GREY_VALUE))
        ) & (dark[rows] == 0)
    tint = 0 if glass is None else int(np.ptp(glass))
    return StainPlanes(
        saturation, ink, dark, colourless, plain, textured, foreign, grey, tint if tint > _GLASS_TINT else 0
    )


def _local_range(rgb: NDArray[np.uint8], rows: slice) -> Plane:
    """(rows, columns) largest difference of any channel among the 3 x 3 px around each."""
    first, last = max(0, rows.start - 1), min(len(rgb), rows.stop + 1)
    part, square = np.ascontiguousarray(rgb[first:last]), np.ones((3, 3), np.uint8)
    spread = cv2.split(cv2.subtract(cv2.dilate(part, square), cv2.erode(part, square)))
    return np.asarray(cv2.max(cv2.max(*spread[:2]), spread[2]), np.uint8)[rows.start - first : rows.stop - first]


def _whitening_table(glass: NDArray[np.floating]) -> Plane:
    """(1, 256, 3) new by old value of each channel, so that the glass's tint (3,) does not count as stain."""
    return np.clip(np.arange(256)[:, None] * (255.0 / glass), 0, 255).astype(np.uint8)[None]


def _glass_colour(rgb: NDArray[np.uint8]) -> NDArray[np.floating] | None:
    """(3,) the colour of the slide's own glass; None where none is seen."""
    clear, share = _clear_glass(rgb)
    tinted, tinted_share = _tinted_glass(rgb)
    if tinted is not None and tinted_share > max(share, _LEAST_TINTED_GLASS):
        return tinted
    return clear if share >= _LEAST_GLASS else None


def _tinted_glass(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.floating] | None, float]:
    """(3,) the commonest colour of plain, bright px that are not neutral, and their share of the picture."""
    counts, sums = np.zeros(_TINT_BINS**3, np.int64), np.zeros((_TINT_BINS**3, 3))
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        part = rgb[rows]
        brightest, tint = part.max(axis=2), np.ptp(part, axis=2)
        chosen = (brightest > _TINTED_BRIGHTNESS) & (tint >= _GLASS_TINT) & (_local_range(rgb, rows) <= _PLAIN_RANGE)
        colours = part[chosen]
        bins = (colours // (256 // _TINT_BINS)).astype(np.int64) @ np.array([_TINT_BINS**2, _TINT_BINS, 1])
        counts += np.bincount(bins, minlength=len(counts))
        for channel in range(3):
            sums[:, channel] += np.bincount(bins, weights=colours[:, channel], minlength=len(counts))
    mode = int(np.argmax(counts))
    if counts[mode] == 0:
        return None, 0.0
    # Glass that lies at the border of two bins counts in both.
    place = np.array(np.unravel_index(np.arange(len(counts)), (_TINT_BINS,) * 3))
    near = (np.abs(place - place[:, mode : mode + 1]) <= 1).all(axis=0)
    pixels = rgb.shape[0] * rgb.shape[1]
    return sums[near].sum(axis=0) / counts[near].sum(), float(counts[near].sum() / pixels)


def _clear_glass(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.floating] | None, float]:
    """(3,) the median colour of bright px that are nearly neutral, and their share of the picture."""
    counts = np.zeros((3, 256), np.int64)
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        channels = cv2.split(np.ascontiguousarray(rgb[rows]))
        brightest, darkest = (extreme(extreme(*channels[:2]), channels[2]) for extreme in (cv2.max, cv2.min))
        tint = cv2.subtract(brightest, darkest)
        glass = ((brightest > _GLASS_BRIGHTNESS) & (tint < _GLASS_TINT)).view(np.uint8)
        for channel, count in zip(channels, counts, strict=True):
            count += cv2.calcHist([channel], [0], glass, [256], [0, 256]).ravel().astype(np.int64)
    share = float(counts[0].sum() / (rgb.shape[0] * rgb.shape[1]))
    return (np.array([_median(count) for count in counts]) if share > 0 else None), share


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
