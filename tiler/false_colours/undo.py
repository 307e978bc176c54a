"""How each mistake is undone on pixels: (height, width, 3) uint8 in, the same out. Reads no slide."""

from __future__ import annotations

from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from tiler.false_colours.tell import Mistake
from wsi.slide import Pixels

# Areas that were not scanned are filled up with white or black after the mistake, in colours that no glass and no
# tissue has then.
_WHITE_FILL, _BLACK_FILL = 250, 5


class Righting(StrEnum):
    """How colours were put right. The text is what a result keeps."""

    STORED = "stored-components"  # the file holds RGB and names YCbCr
    DECODED = "decoded-ycbcr"
    DECODED_EXCHANGED = "decoded-ycbcr-exchanged"
    EXCHANGED = "exchanged-red-and-blue"


_WAYS = {
    Mistake.RGB_AS_YCBCR: Righting.STORED,
    Mistake.YCBCR_AS_RGB: Righting.DECODED,
    Mistake.YCBCR_AS_BGR: Righting.DECODED_EXCHANGED,
    Mistake.EXCHANGED: Righting.EXCHANGED,
}


def way_to_right(mistake: Mistake | None) -> Righting | None:
    """None for a negative: fluorescence looks like one, and is no H&E."""
    return None if mistake is None else _WAYS.get(mistake)


def undone(pixels: Pixels, righting: Righting) -> Pixels:
    """The pixels as they should have been stored. STORED changes none: the slide is read otherwise."""
    if righting is Righting.STORED or pixels.size == 0:
        return pixels
    if righting is Righting.EXCHANGED:
        return np.ascontiguousarray(pixels[..., ::-1])
    luma, blueness, redness = cv2.split(pixels)
    if righting is Righting.DECODED_EXCHANGED:
        luma, redness = redness, luma
    right = np.asarray(cv2.cvtColor(cv2.merge([luma, redness, blueness]), cv2.COLOR_YCrCb2RGB), np.uint8)
    fill = filled_up(pixels)
    right[fill] = pixels[fill]
    return right


def filled_up(pixels: Pixels) -> NDArray[np.bool_]:
    """(height, width) where nothing was scanned, on a slide whose glass has false colours."""
    return np.asarray((pixels.min(axis=2) >= _WHITE_FILL) | (pixels.max(axis=2) <= _BLACK_FILL))
