"""What the colours of a thumbnail say, px by px: how stained, ink or not, dark or not. Where tissue is, is
`tiler.tissue`'s. Works in bands of rows on bytes: as floats, a thumbnail would take more memory than the program."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tiler.false_colours.tell import Mistake
from tiler.glass import Glass, extremes, find_glass, local_range
from tiler.planes.bands import row_bands

Plane = NDArray[np.uint8]

_BAND_PIXELS = 1 << 18
# Below this value (of HSV) no H&E tissue was seen at 8 um per px (lowest of 1,600 lung tiles: 0.41): black border,
# marker, fold, pigment.
_DARK_VALUE = 0.30
_COLOURLESS_SATURATION = 0.45
# Darker than this no colour is told.
_INK_VALUE = 0.15
# Colours that H&E does not have: [from, to) in degrees of hue, and the saturation above which it is ink. None of 1,600
# lung tiles has 1% of such px. Haematoxylin reaches down to hue 225 and eosin up to 350, so blue and red ink are told
# by their saturation.
_INKS = (
    (0, 14, 0.78),  # red
    (14, 36, 0.56),  # brown, orange
    (36, 72, 0.40),  # yellow
    (72, 195, 0.20),  # green
    (195, 222, 0.42),  # turquoise
    (222, 252, 0.78),  # blue
    (350, 360, 0.78),  # red
)
# Ink on glass is even: range of 3 x 3 px, and the weakest saturation that is looked at. The largest piece of tissue
# so plain was 32 px of those tiles (bone).
_EVEN_RANGE = 6
# Ink that lets little light through is nearly as even over tissue.
_SMOOTH_RANGE = 18
_EVEN_SATURATION = 0.35
# From here on [degrees] the bluest, the common and the reddest hues of H&E, up to the last.
_TONES = (222, 250, 325, 350)
# Hues that H&E does not give, weakest saturation that has a hue, and the texture of tissue, which pen on glass lacks.
# 0.2% of the stained px of those tiles have such hues; most has mucin, 19%.
_FOREIGN_HUES = (14, 250)
_FOREIGN_SATURATION = 0.12
_TEXTURE_RANGE = 16
# In false colours tissue is told by its distance from the glass; 4 to 6 grey levels are what the median of the noise
# of JPEG on glass does not reach on two such slides, and tissue does.
_FALSE_GAIN = 4
# Structure without colour: darker than glass, not black.
_GREY_SATURATION = 0.05
_GREY_VALUE = 0.85
_GREY_RANGE = 8
# A picture whose channels are all but equal nearly everywhere was stored without colour, however pale it is: the noise
# of a colour camera on its glass alone differs more.
_ONE_CHANNEL = 1
_ONE_CHANNEL_SHARE = 0.999


@dataclass(frozen=True)
class StainPlanes:
    """Planes (rows, columns) uint8: `saturation` of HSV in 1/255, the others 0 or 1, unless told.

    `ink` has colours that H&E does not have, `tone` tells 1 for the bluest hues of H&E, 2 for the common ones, 3 for
    the reddest, 0 for others; `even` is coloured and as plain as only ink is, `smooth` nearly so. `textured` is stained
    as unevenly as tissue, `foreign` such of it as has another hue than H&E; `grey` is structure without colour.
    In false colours and on a dark background `saturation` is the distance from the glass, and the others say nothing.
    """

    saturation: Plane
    ink: Plane
    dark: Plane
    colourless_dark: Plane
    tone: Plane
    even: Plane
    smooth: Plane
    textured: Plane
    foreign: Plane
    grey: Plane
    glass: Glass | None = None

    @property
    def glass_tint(self) -> int:
        """How far the glass is from neutral, in grey levels; 0 up to what clear glass has."""
        return 0 if self.glass is None else self.glass.tint

    @property
    def mistake(self) -> Mistake | None:
        """In the colours of the file, as far as the glass tells."""
        return None if self.glass is None else self.glass.mistake

    @property
    def dark_background(self) -> bool:
        return self.glass is not None and self.glass.dark


def stain_planes(rgb: NDArray[np.uint8]) -> StainPlanes:
    """The planes of a thumbnail (rows, columns, 3), after glass that is grey or tinted has been made white."""
    glass, colourless_picture = find_glass(rgb), _is_without_colour(rgb)
    if glass is not None and glass.dark and colourless_picture:
        glass = None
    if glass is not None and (glass.mistake or glass.dark):
        return _distances(rgb, glass)
    whitened = None if glass is None else _whitening_table(glass.colour)
    grey_value = 255 if colourless_picture else _byte(_GREY_VALUE)
    saturation, ink, dark, colourless, tone, even, smooth, textured, foreign, grey = (
        np.empty(rgb.shape[:2], np.uint8) for _ in range(10)
    )
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        part = rgb[rows] if whitened is None else cv2.LUT(rgb[rows], whitened)
        hue, band_saturation, value = cv2.split(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2HSV))
        saturation[rows] = band_saturation
        ink[rows] = (band_saturation > cv2.LUT(hue, _LEAST_INK)) & (value > _byte(_INK_VALUE))
        dark[rows] = value <= _byte(_DARK_VALUE)
        colourless[rows] = dark[rows] & (
            (band_saturation <= _byte(_COLOURLESS_SATURATION)) | (value <= _byte(_INK_VALUE))
        )
        tone[rows] = cv2.LUT(hue, _TONE)
        spread = local_range(rgb, rows)
        coloured = (band_saturation > _byte(_EVEN_SATURATION)) & (value > _byte(_INK_VALUE))
        even[rows] = coloured & (spread <= _EVEN_RANGE)
        smooth[rows] = coloured & (spread <= _SMOOTH_RANGE)
        textured[rows] = (spread >= _TEXTURE_RANGE) & (band_saturation > _byte(_FOREIGN_SATURATION))
        foreign[rows] = textured[rows] & (hue >= _FOREIGN_HUES[0] // 2) & (hue < _FOREIGN_HUES[1] // 2)
        grey[rows] = ((spread >= _GREY_RANGE) & (band_saturation <= _byte(_GREY_SATURATION)) & (value < grey_value)) & (
            dark[rows] == 0
        )
    return StainPlanes(saturation, ink, dark, colourless, tone, even, smooth, textured, foreign, grey, glass)


def _is_without_colour(rgb: NDArray[np.uint8]) -> bool:
    """Whether all three channels are the same, as those of a grey picture are."""
    planes = (extremes(rgb[rows]) for rows in row_bands(rgb.shape, _BAND_PIXELS))
    coloured = sum(int(np.count_nonzero(greatest - least > _ONE_CHANNEL)) for least, greatest in planes)
    return coloured <= (1 - _ONE_CHANNEL_SHARE) * rgb.shape[0] * rgb.shape[1]


def _distances(rgb: NDArray[np.uint8], glass: Glass) -> StainPlanes:
    """Planes of a slide in false colours or on black: each px' distance from the glass as its saturation, else 0."""
    saturation, filler = (np.empty(rgb.shape[:2], np.uint8) for _ in range(2))
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        part = np.ascontiguousarray(rgb[rows])
        apart = np.abs(part - np.rint(glass.colour).astype(np.int16)).max(axis=2)
        saturation[rows] = np.minimum(_FALSE_GAIN * apart, 255)
        filler[rows] = (local_range(rgb, rows) == 0) & ((part.min(axis=2) == 255) | (part.max(axis=2) == 0))
    # Px at the slide's edge and beside areas that were filled up mix with what lies beyond.
    saturation[cv2.dilate(filler, np.ones((5, 5), np.uint8)) > 0] = 0
    saturation[[0, -1]] = 0
    saturation[:, [0, -1]] = 0
    none = np.zeros_like(filler)
    return StainPlanes(saturation, none, none, none, none, none, none, none, none, none, glass)


def _whitening_table(glass: NDArray[np.floating]) -> Plane:
    """(1, 256, 3) new by old value of each channel, so that the glass's tint (3,) does not count as stain."""
    return np.clip(np.arange(256)[:, None] * (255.0 / glass), 0, 255).astype(np.uint8)[None]


def _byte(share: float) -> int:
    """The largest byte that is no more than `share` of 255."""
    return int(255 * share + 1e-6)


def _least_ink() -> Plane:
    """(256,) the largest saturation that is not yet ink, by OpenCV's hue of two degrees."""
    table = np.full(256, 255, np.uint8)
    for first, end, saturation in _INKS:
        table[(first + 1) // 2 : (end + 1) // 2] = _byte(saturation)
    return table


def _tone() -> Plane:
    """(256,) `StainPlanes.tone` by OpenCV's hue."""
    hues = 2 * np.arange(256)
    tones = np.searchsorted(_TONES, hues, side="right")
    return np.where(tones < len(_TONES), tones, 0).astype(np.uint8)


_LEAST_INK = _least_ink()
_TONE = _tone()
