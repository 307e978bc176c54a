"""Slides of JPEG tiles, which can be had at half their size: see `wsi.slide.Halves`.

libjpeg decodes to that size at two thirds of the cost of the whole, and there is a quarter to copy. It can decode to a
quarter and an eighth, too, which saves little more and blurs the colours of tiles that are 4:2:2.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial

import numpy as np

from wsi.readers.tiff.jpeg_tile import OddJpegError
from wsi.readers.tiled.slide import TiledSlide, lay_tiles
from wsi.region import Pair, Pixels

# Of JPEG with halved chroma. What a tile holds beyond the slide's edge is any colour, and tells on the block it is in.
_BLOCK_PX = 16


class HalvingSlide(TiledSlide):
    """A tiled slide whose tiles are JPEG, or may be."""

    @abstractmethod
    def _decode_half(self, level: int, index: int, into: Pixels) -> None:
        """Writes the tile of that number at half its size. Raises OddJpegError where it is no sound JPEG, OSError."""

    def half_region(self, level_xy: Pair, level: int, size_px: Pair) -> Pixels | None:
        """See `wsi.slide.Halves.half_region`."""
        self._check_open()
        grid = self._grid(level)
        ends = (2 * (at + length) for at, length in zip(level_xy, size_px, strict=True))
        sound = (side // _BLOCK_PX * _BLOCK_PX for side in grid.size_px)
        within = min(level_xy) >= 0 and all(end <= whole for end, whole in zip(ends, sound, strict=True))
        if not within or any(side % _BLOCK_PX for side in grid.tile_px):
            return None
        region = np.empty((size_px[1], size_px[0], 3), np.uint8)
        tile_px = (grid.tile_px[0] // 2, grid.tile_px[1] // 2)
        key = (self._identity, level, "half")
        try:
            lay_tiles(region, level_xy, tile_px, grid.columns, key, partial(self._decode_half, level))
        except (OddJpegError, OSError):
            return None  # read whole, it is painted or refused as ever
        return region
