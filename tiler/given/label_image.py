"""Tissue as a picture of any scale: what is not 0 in a one-channel PNG or TIFF is tissue."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from wsi.errors import BadMaskError

MOST_PIXELS = 89_000_000
_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "F")


def read_labels(content: bytes, name: str) -> NDArray[np.bool_]:
    """(rows, columns) of a label image, called `name` in words. Raises BadMaskError."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "TIFF")) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BadMaskError(f"{name} has {image.width} x {image.height} px", hint="export it at a lower scale")
            if image.mode not in _MODES:
                raise BadMaskError(f"{name} has colours", hint="export labels: one channel, 0 where there is none")
            return np.asarray(image) != 0
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadMaskError(f"{name} cannot be read as PNG or TIFF", hint="export it anew") from error
