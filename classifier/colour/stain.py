"""Optical density and the haematoxylin-eosin-DAB space: how a tile looks when the lab stains a little differently.

Stain vectors: Ruifrok and Johnston 2001 (Anal Quant Cytol Histol 23:291). Arrays in, arrays out; no randomness.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb_from_hed

# Rows: haematoxylin, eosin, DAB; columns: optical density in red, green, blue, each row of unit length.
STAIN_VECTORS: NDArray[np.float64] = rgb_from_hed / np.linalg.norm(rgb_from_hed, axis=1, keepdims=True)

# +1 keeps a black pixel finite.
_DENSITY_OF: NDArray[np.float32] = -np.log((np.arange(256) + 1.0) / 256.0).astype(np.float32)


def shift_stains(
    pixels: NDArray[np.uint8],
    gain: NDArray[np.float64],
    shift: NDArray[np.float64],
    brightness: float = 1.0,
    vectors: NDArray[np.float64] = STAIN_VECTORS,
) -> NDArray[np.uint8]:
    """`pixels` (h, w, 3) with each stain's density c made gain * c + shift, and the light times `brightness`.

    Gain and shift (natural-log units) are (3,): haematoxylin, eosin, DAB (Tellez et al. 2019, doi
    10.1016/j.media.2019.101544); `vectors` (3, 3) are the colours
    that the stains are given, rows as in STAIN_VECTORS. Both steps are linear in optical density, so
    the way to stain space and back is one 3x4 matrix a pixel.
    """
    mixing = np.linalg.inv(STAIN_VECTORS) @ np.diag(gain) @ vectors
    offset = shift @ vectors - np.log(brightness)
    affine = np.column_stack([mixing.T, offset]).astype(np.float32)
    density = cv2.transform(_DENSITY_OF[pixels], -affine)
    light = cv2.exp(density)
    return cv2.convertScaleAbs(np.maximum(light * 256.0 - 1.0, 0.0))
