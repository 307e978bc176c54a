"""A map of evidence as pixels over its tile. Decides how it looks, not what it says: that is
`classifier/explain.py`."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray

from app.presentation import colours

Pixels = NDArray[np.uint8]

# From faint to strong. One hue, and ever darker against tissue in grey: it reads the same with any colour vision.
RAMP = ("#FDD49E", "#FC8D59", "#D7301F")
# Evidence under this share of the tile's strongest stays unpainted, so that the eye goes where it is.
FLOOR = 0.35
_FAINTEST, _STRONGEST = 0.12, 0.68
# Grey tissue is made paler, so that the dark nuclei do not drown the colour.
_PALE = 0.2


def paint_evidence(tile: Pixels, evidence: NDArray[np.floating]) -> Pixels:
    """The tile (size, size, 3) in grey, with what speaks for its class painted over it: (size, size, 3) uint8 RGB.

    `evidence` is (size, size). What is under FLOOR of its largest value, or speaks against the class, stays grey; where
    nothing speaks for the class all does.
    """
    grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY).astype(np.float32)
    pale = np.repeat((grey + (255 - grey) * _PALE)[..., None], 3, axis=2)
    strength = shown_strength(evidence)
    alpha = np.where(strength > 0, _FAINTEST + (_STRONGEST - _FAINTEST) * strength, 0.0)[..., None]
    return np.rint(pale * (1 - alpha) + _ramp(strength) * alpha).astype(np.uint8)


def shown_strength(evidence: NDArray[np.floating]) -> NDArray[np.float32]:
    """(size, size) in 0 to 1: 0 at the floor and under it, 1 at the tile's strongest evidence for its class."""
    strongest = float(evidence.max(initial=0.0))
    if strongest <= 0:
        return np.zeros(evidence.shape, np.float32)
    return np.clip((evidence / strongest - FLOOR) / (1 - FLOOR), 0.0, 1.0).astype(np.float32)


def _ramp(strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """(size, size, 3) the colour of each strength, 0 to 255."""
    stops = np.array([colours.rgb(colour) for colour in RAMP], np.float32)
    at = np.linspace(0.0, 1.0, len(stops))
    return np.stack([np.interp(strength, at, stops[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def encode_png(pixels: Pixels) -> bytes:
    """uint8 RGB (height, width, 3) as PNG, lossless."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
