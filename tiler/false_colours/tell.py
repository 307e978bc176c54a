"""Colours of a slide that no light gives: some program mistook how the file stores them.

Glass tells most of them; red and blue exchanged are told by which end of the colours of H&E is the denser.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tiler.ranks import quantile


class Mistake(StrEnum):
    """What was mistaken for what."""

    RGB_AS_YCBCR = "rgb-as-ycbcr"  # RGB decoded as if it were YCbCr
    YCBCR_AS_RGB = "ycbcr-as-rgb"  # YCbCr shown as if it were RGB
    YCBCR_AS_BGR = "ycbcr-as-bgr"  # the same, red and blue exchanged besides
    EXCHANGED = "red-and-blue-exchanged"
    NEGATIVE = "negative"


# What white to light grey becomes: (least, largest) of red, green, blue.
_FALSE_GLASS = {
    Mistake.RGB_AS_YCBCR: ((250, 112, 250), (255, 130, 255)),
    Mistake.YCBCR_AS_RGB: ((195, 120, 120), (255, 136, 136)),
    Mistake.YCBCR_AS_BGR: ((120, 120, 195), (136, 136, 255)),
}
# Optical densities, red over blue: H&E is redder where it is thin (eosin, blue is what it takes away) than where it is
# dense (haematoxylin takes away red). Of 75 pictures and mosaics none has all three the other way round.
_EXCHANGED_THIN = 1.15
_EXCHANGED_DENSE = 0.90
_EXCHANGED_CORRELATION = -0.20
_MIN_STAINED_PX = 500
LARGEST_SAMPLE = 1 << 18  # more px say no more


def mistake_of_glass(colour: NDArray[np.floating]) -> Mistake | None:
    """The mistake that gives glass this plain light colour (3,), RGB; None where a lamp or filter may."""
    for mistake, (least, largest) in _FALSE_GLASS.items():
        if np.all((colour >= least) & (colour <= largest)):
            return mistake
    return None


def red_and_blue_exchanged(tissue_rgb: NDArray[np.uint8], glass: NDArray[np.floating]) -> bool:
    """Whether px (n, 3) of tissue beside glass of colour (3,) look like H&E with the first and last channel exchanged.

    Says no in doubt: where one of the two stains is hardly there nothing tells.
    """
    density = -np.log(np.clip(tissue_rgb / glass, 1 / 255, 1.0))
    density = density[density.sum(axis=1) > 0.15]
    if len(density) < _MIN_STAINED_PX:
        return False
    whole = density.sum(axis=1)
    first, last = quantile(whole, 0.25), quantile(whole, 0.75)
    thin, dense = density[whole <= first].mean(axis=0), density[whole >= last].mean(axis=0)
    thin_ratio, dense_ratio = thin[0] / max(thin[2], 1e-3), dense[0] / max(dense[2], 1e-3)
    if thin_ratio < _EXCHANGED_THIN or dense_ratio > _EXCHANGED_DENSE * thin_ratio:
        return False
    return bool(np.corrcoef(density[:, 0] - density[:, 2], whole)[0, 1] <= _EXCHANGED_CORRELATION)
