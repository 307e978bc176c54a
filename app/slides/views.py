"""Pictures of a slide for who asks from outside its process: the whole of it, and fields around places. JPEG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from wsi.slide import Pixels, Slide

OVERVIEW_PX = 900
FIELD_PX = (280, 210)
FIELD_UM = (600.0, 450.0)
"""(width, height) of the tissue around a place."""
_QUALITY = 84
# What is read at once: a slide without small levels would otherwise be decoded whole for its overview.
_MAX_READ_PX = 20_000 * 20_000


def report_views(slide: Slide, part: tuple[int, int, int, int], places: list[tuple[float, float]]) -> tuple[Any, bytes]:
    """{"overview": bytes, "fields": [bytes, ...]} as lengths, and the JPEGs one after the other.

    `part` is (x, y, width, height) and `places` are (x, y), level-0 px. An overview that would take too long to read is
    empty. Raises CorruptSlideError.
    """
    overview = _encoded(_overview(slide, part)) if _is_quick(slide) else b""
    fields = [_encoded(_field(slide, x, y)) for x, y in places]
    return {"overview": len(overview), "fields": [len(field) for field in fields]}, b"".join([overview, *fields])


def _is_quick(slide: Slide) -> bool:
    fine_enough = [level.size_px for level in slide.levels if max(level.size_px) >= OVERVIEW_PX]
    width, height = min(fine_enough, default=slide.size_px)
    return width * height <= _MAX_READ_PX


def _overview(slide: Slide, part: tuple[int, int, int, int]) -> Pixels:
    x, y, width, height = part
    longest = max(slide.size_px)
    # The part alone is to have OVERVIEW_PX.
    scale = min(1.0, OVERVIEW_PX / max(width, height))
    picture = slide.thumbnail(min(longest, max(1, round(longest * scale))))
    rows, columns = picture.shape[0] / slide.size_px[1], picture.shape[1] / slide.size_px[0]
    top, left = round(y * rows), round(x * columns)
    return picture[top : top + max(1, round(height * rows)), left : left + max(1, round(width * columns))]


def _field(slide: Slide, x: float, y: float) -> Pixels:
    """The tissue around a place, white where it lies beyond the slide."""
    import cv2

    mpp = slide.spacing.mpp
    wide, high = FIELD_UM[0] / mpp, FIELD_UM[1] / mpp
    wanted = wide / FIELD_PX[0]
    level = max((i for i, one in enumerate(slide.levels) if one.downsample <= max(1.0, wanted)), default=0)
    step = slide.levels[level].downsample
    corner = (round((x - wide / 2) / step), round((y - high / 2) / step))
    size = (max(1, round(wide / step)), max(1, round(high / step)))
    pixels = slide.read_region(corner, level, size)
    method = cv2.INTER_AREA if size[0] >= FIELD_PX[0] else cv2.INTER_CUBIC
    return cv2.resize(pixels, FIELD_PX, interpolation=method).astype(np.uint8, copy=False)


def _encoded(pixels: Pixels) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()
