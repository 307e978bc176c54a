"""One tile, as JPEG for the eye or raw for a model, read where the slide is open: in a process that looks at slides."""

from __future__ import annotations

from app.viewer.tiles.overview import overview_tile
from app.viewer.tiles.pyramid import lay_pyramid, read_tile
from tiler.spec import TileSpec
from tiler.stream import read_tile_at
from wsi.slide import Pixels, Slide

_JPEG_QUALITY = 88


def encoded_tile(slide: Slide, level: int, column: int, row: int) -> tuple[bool, bytes]:
    """Whether there is such a tile, and its JPEG. Raises CorruptSlideError."""
    pyramid = lay_pyramid(slide.levels)
    if not pyramid.holds(level, column, row):
        return False, b""
    pixels = overview_tile(slide, pyramid, level, column, row)
    return True, encode_jpeg(read_tile(slide, pyramid, level, column, row) if pixels is None else pixels)


def raw_tile(slide: Slide, x: int, y: int, tile_px: int, mpp: float) -> tuple[None, bytes]:
    """The tile at level-0 px (x, y) as a run reads it: (tile_px, tile_px, 3) uint8. Raises SlideError."""
    return None, read_tile_at(slide, (x, y), TileSpec(tile_px, mpp)).tobytes()


def encode_jpeg(pixels: Pixels) -> bytes:
    """uint8 RGB (height, width, 3) as JPEG, chroma halved both ways, without metadata."""
    import cv2

    # The same libjpeg and the same picture as Pillow's, at three quarters of the time.
    _, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
    )
    return encoded.tobytes()
