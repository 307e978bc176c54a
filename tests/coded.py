"""TIFFs whose tiles are coded otherwise than in JPEG: lossless, so that the truth is known to the pixel."""

from __future__ import annotations

import importlib.util
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.tiffs import ASCII, LONG, RATIONAL, SHORT, level_tags, write_tiff
from tests.wsi.readers.test_sub_levels import hang_below

TILE = 256


def by_pillow(kind, **how):
    def encode(part):
        file = io.BytesIO()
        Image.fromarray(part).save(file, kind, **how)
        return file.getvalue()

    return encode


def by_imagecodecs(name, **how):
    def encode(part):
        import imagecodecs

        return getattr(imagecodecs, f"{name}_encode")(part, **how)

    return encode


# Name: TIFF's number of the compression, how a tile is encoded.
CODECS = {
    "none": (1, lambda part: part.tobytes()),
    "jpeg2000": (33004, by_pillow("JPEG2000", no_jp2=True, mct=1)),
    "jpeg2000-aperio": (33005, by_pillow("JPEG2000", no_jp2=True, mct=1)),
    "jpeg2000-registered": (34712, by_pillow("JPEG2000", no_jp2=True, mct=1)),
    "webp": (50001, by_pillow("WEBP", lossless=True)),
    "png": (34933, by_pillow("PNG")),
    "jpeg-xl": (50002, by_imagecodecs("jpegxl", lossless=True)),
    "jpeg-xl-dng": (52546, by_imagecodecs("jpegxl", lossless=True)),
    "lerc": (34887, by_imagecodecs("lerc", level=0)),
}
BY_EXTRA = {"jpeg-xl", "jpeg-xl-dng", "lerc"}
HAS_EXTRA = importlib.util.find_spec("imagecodecs") is not None


def codecs(*, without=("none",)):
    """Each codec as a test's parameter; those of the extra skip where it is absent."""
    lacking = pytest.mark.skipif(not HAS_EXTRA, reason="the extra `formats` is not installed")
    return [pytest.param(n, marks=[lacking] if n in BY_EXTRA else []) for n in CODECS if n not in without]


def reduced(pixels, by):
    size = (pixels.shape[1] // by, pixels.shape[0] // by)
    return pixels if by == 1 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def encoded(pixels, codec, tile_px=TILE):
    _, encode = CODECS[codec]
    height, width = pixels.shape[:2]
    full = np.pad(pixels, ((0, -height % tile_px), (0, -width % tile_px), (0, 0)), mode="edge")
    places = [(x, y) for y in range(0, height, tile_px) for x in range(0, width, tile_px)]
    return [encode(np.ascontiguousarray(full[y : y + tile_px, x : x + tile_px])) for x, y in places]


def write_coded(
    path, pixels, codec, *, downsamples=(1, 2, 4), below=False, description="", um_px=None, pictures=None, change=None
):
    """A pyramid of `pixels` (or of `pictures`, finest first), its coarser levels in SubIFDs where they hang `below`."""
    levels = []
    for number, picture in enumerate(pictures or [reduced(pixels, by) for by in downsamples]):
        tiles = encoded(picture, codec)
        tags = level_tags(picture.shape[1::-1], TILE, tiles, photometric="rgb")
        tags[259] = (SHORT, [CODECS[codec][0]])
        if number:
            tags[254] = (LONG, [1])
        elif description:
            tags[270] = (ASCII, description.encode() + b"\0")
        if um_px and not number:
            per_cm = int(1e4 / um_px * 1000).to_bytes(4, "little") + (1000).to_bytes(4, "little")
            tags |= {282: (RATIONAL, per_cm), 283: (RATIONAL, per_cm), 296: (SHORT, [3])}
        levels.append((tags, tiles))
    write_tiff(path, levels, change=change)
    return hang_below(path) if below else path
