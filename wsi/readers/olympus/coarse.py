"""Whether px are those of the coarse picture that an Olympus VSI holds of its scan: the same place, the same colours.

It tells a folder that came beside another slide's VSI (they are called alike everywhere), and blue from red.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from wsi import picture
from wsi.errors import SlideError
from wsi.readers.olympus.tags import DamagedVsiError
from wsi.region import Pair, Pixels

_MAX_PIXELS, _MAX_PAGE, _MAX_POWER = 1 << 24, 1 << 12, 16
_WINDOW_PX, _WINDOWS = 64, 6
_MAX_SIDE_PX = 4096
# Grey levels. Below it a window is too plain to tell one place from another.
_LEAST_CONTRAST = 4.0
# Two JPEGs of one picture differ by less than five; another place by its contrast.
_MOST_DIFFERENCE = 24.0
_ALIKE = 0.7
# By so much another order of colours must be worse where nothing else tells which is right.
_CLEARLY = 2.0
# The sides of one picture may be reduced so unevenly, beside a px each for rounding.
_MOST_UNEVEN = 0.02


@dataclass(frozen=True)
class Coarse:
    """The coarse picture of a scan, and by how much it is reduced across and down."""

    pixels: Pixels
    ratio: tuple[float, float]


def coarse_picture(path: Path, page: int | None, size_px: Pair) -> Coarse | None:
    """The page of the VSI that shows a scan of `size_px`, None where it can't be had.

    Raises DamagedVsiError where it is of another shape.
    """
    if page is None or not 0 <= page < _MAX_PAGE:
        return None
    try:
        with picture.open_picture(path, ("TIFF",), _MAX_PIXELS) as image:
            image.seek(page)
            if image.mode != "RGB" or image.width * image.height > _MAX_PIXELS:
                return None
            pixels = np.array(image)
    except SlideError:
        return None
    return Coarse(pixels, _ratio(size_px, (pixels.shape[1], pixels.shape[0])))


def _ratio(size_px: Pair, coarse_px: Pair) -> tuple[float, float]:
    """Whole where the sizes allow it: scanners reduce by 2, 4, 8 and so on, and leave a px out that is not whole."""
    for power in range(_MAX_POWER):
        if coarse_px == (size_px[0] >> power, size_px[1] >> power):
            return float(1 << power), float(1 << power)
    across, down = (whole / side for whole, side in zip(size_px, coarse_px, strict=True))
    spare = _MOST_UNEVEN + 1 / coarse_px[0] + 1 / coarse_px[1]
    if min(across, down) < 1 or abs(across / down - 1) > spare:
        raise DamagedVsiError("what it shows of its scan has another shape than its tags tell")
    return across, down


def agrees(coarse: Coarse, downsample: int, read: Callable[[Pair, Pair], Pixels]) -> tuple[bool, bool] | None:
    """(whether the px are those of `coarse`, whether no other order of colours would do); None where nothing tells.

    `read` takes corner and size in px of a level that is reduced by `downsample`, and no coarser.
    """
    across, down = (ratio / downsample for ratio in coarse.ratio)
    if max(across, down) * _WINDOW_PX > _MAX_SIDE_PX:
        return None
    told = []
    for x, y in _corners(coarse.pixels):
        theirs = coarse.pixels[y : y + _WINDOW_PX, x : x + _WINDOW_PX]
        height, width = theirs.shape[:2]
        finer = read((round(x * across), round(y * down)), (round(width * across), round(height * down)))
        ours = np.asarray(cv2.resize(finer, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        told.append(_compared(ours, theirs))
    if not told:
        return None
    likeness, apart, turned = np.mean(told, axis=0)
    alike = likeness >= _ALIKE and apart <= _MOST_DIFFERENCE and apart <= turned + _CLEARLY / 2
    return bool(alike), bool(alike and apart + _CLEARLY <= turned)


def _corners(coarse: Pixels) -> list[Pair]:
    """Corners of the windows of most contrast."""
    grey = cv2.cvtColor(coarse, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    spots = [(x, y) for y in range(0, height, _WINDOW_PX) for x in range(0, width, _WINDOW_PX)]
    spread = {(x, y): float(grey[y : y + _WINDOW_PX, x : x + _WINDOW_PX].std()) for x, y in spots}
    order = sorted(spots, key=lambda spot: spread[spot], reverse=True)
    return [spot for spot in order[:_WINDOWS] if spread[spot] >= _LEAST_CONTRAST]


def _compared(ours: Pixels, theirs: Pixels) -> tuple[float, float, float]:
    """(correlation of the grey values, mean difference of the colours, the same with red and blue exchanged)."""
    one, other = (cv2.GaussianBlur(part.astype(np.float32), (0, 0), 1.0) for part in (ours, theirs))
    a, b = (part.mean(axis=2) - part.mean() for part in (one, other))
    scale = float(a.std() * b.std())
    likeness = float((a * b).mean()) / scale if scale > 0 else 0.0
    return likeness, float(np.abs(one - other).mean()), float(np.abs(one[..., ::-1] - other).mean())
