"""One tile as JPEG, read where the slide is open: in a process that looks at slides."""

from __future__ import annotations

import io

from app.viewer.tiles.pyramid import lay_pyramid, read_tile
from wsi.slide import Pixels, Slide

_JPEG_QUALITY = 88


def encoded_tile(slide: Slide, level: int, column: int, row: int) -> tuple[bool, bytes]:
    """Whether there is such a tile, and its JPEG. Raises CorruptSlideError."""
    pyramid = lay_pyramid(slide.levels)
    if not pyramid.holds(level, column, row):
        return False, b""
    return True, encode_jpeg(read_tile(slide, pyramid, level, column, row))


def encode_jpeg(pixels: Pixels) -> bytes:
    """uint8 RGB (height, width, 3) as JPEG, without metadata."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()
