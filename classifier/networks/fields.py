"""The fields that a network is shown of a tile: its centre at several magnifications, made of one read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classifier.networks.shape import Fields


def stack_fields(tiles: NDArray[np.uint8], fields: Fields) -> NDArray[np.uint8]:
    """Tiles (n, size, size, 3) as (n, side, side, 3 * len(fields)), side = size / max(fields).

    A field of factor s is the tile's centre of side * s px, area-averaged s x s. Contiguous; `tiles` itself for (1,).
    """
    if fields == (1,):
        return np.ascontiguousarray(tiles)
    # Here, so that a command that only reads a model's card does not load it.
    import cv2

    count, size_px = tiles.shape[:2]
    side_px = size_px // max(fields)
    stacked = np.empty((count, side_px, side_px, 3 * len(fields)), np.uint8)
    for i, factor in enumerate(fields):
        start = (size_px - side_px * factor) // 2
        centre = slice(start, start + side_px * factor)
        for tile, views in zip(tiles, stacked, strict=True):
            part = tile[centre, centre]
            views[..., 3 * i : 3 * i + 3] = (
                part if factor == 1 else cv2.resize(part, (side_px, side_px), interpolation=cv2.INTER_AREA)
            )
    return stacked
