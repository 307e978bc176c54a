"""Ink or stain: which strong colours of a thumbnail are pen marks, and whether what is stained is H&E at all.

Ink is told by its colour, where H&E has no such hue; by its strength over a whole area, over tissue; by being even and
strong, or even and drawn as a stroke, on glass. What single px look like is in `tiler.thumbnail_colour`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tiler.planes.components import without_small
from tiler.thumbnail_colour import StainPlanes
from wsi.spacing import area_mm2

Plane = NDArray[np.uint8]

_MIN_PEN_MM2 = 0.01
_MIN_EVEN_INK_MM2 = 0.006
_EVEN_INK_PX = 1
# Black ink fills an area; clumps of soot and the outlines of bubbles do not.
_BLACK_UM = 24.0
_MIN_BLACK_MM2 = 0.03
# Of the shorter side; a stroke that leaves the picture crosses its edge.
_EDGE_SHARE = 0.25
# Ink of the hues of H&E is strong throughout, in every px of so wide a square. Of 71 pictures and mosaics two have such
# squares of tissue, both of cameras with strong colours; the reddest is close to blood.
_STRONG_UM = 56.0
_STRONG = 0.68
_STRONG_RED = 0.74
# Ink lies on tissue as a film: so much stronger than half of the slide's own tissue, and not weaker than this.
_FILM_ABOVE = 0.25
_WEAKEST_FILM = 0.55
_STAINED = 0.12
# Tissue of a slide is alike: where so many times as much is uneven as even, what is even is not tissue.
_UNEVEN_TIMES = 2
# Even and weaker than that where tissue is even too, but drawn as a stroke.
_STROKE = 0.50
# From this share of what is stained on, hues that H&E does not give are another stain.
_OTHER_STAIN_SHARE = 0.30
_MIN_OTHER_STAIN_MM2 = 0.05
# No stain is so saturated at this magnification: that is ink, even where it is uneven.
_VIVID = 0.78
# What is looked at for its shape is looked at coarsely: a stroke is wider than this, and labels take four bytes a px.
_SHAPE_UM = 32.0
# A stroke is so many times as long as it is wide.
_STROKE_LENGTH = 6.0
# Of a pen mark of a foreign hue so much lies on glass, where ink is even; a stain is nowhere even.
_EVEN_SHARE = 0.15


def find_pen(planes: StainPlanes, mpp: float) -> tuple[Plane, bool]:
    """The pen marks of a thumbnail of `mpp` um per px (1 where there is ink), and whether the slide has another stain
    than H&E. There only even ink is told from the stain."""
    even = _even_ink(planes, mpp)
    stained = _other_stain(planes, even, mpp)
    ink = even if stained else even | _ink_over_tissue(planes, mpp)
    return ink | _black(planes, mpp), stained


def _ink_over_tissue(planes: StainPlanes, mpp: float) -> Plane:
    least = float(np.clip(_own_saturation(planes) + _FILM_ABOVE, _WEAKEST_FILM, _STRONG))
    film = _strong(planes, least) & _inverse(planes.even)
    strong = _filled(film | _strong(planes, _STRONG), _STRONG_UM, mpp)
    least_px = _px(_MIN_PEN_MM2, mpp)
    return without_small(planes.ink, least_px) | without_small(strong, least_px)


def _even_ink(planes: StainPlanes, mpp: float) -> Plane:
    """Even areas, with the px at their rim that are not even, and smooth ones. Where a slide's tissue is even, as drawn
    tissue is, only what is strong, of another hue than H&E, or a stroke."""
    strong = planes.ink | _strong(planes, _STRONG) | (planes.tone <= 1)
    least = _px(_MIN_EVEN_INK_MM2, mpp)
    if cv2.countNonZero(planes.textured) >= _UNEVEN_TIMES * cv2.countNonZero(planes.even):
        coloured = (planes.saturation > int(255 * _own_saturation(planes))).view(np.uint8)
        smooth = _filled(planes.smooth & coloured, _STRONG_UM, mpp)
        core = without_small(planes.even, least) | without_small(smooth, _px(_MIN_PEN_MM2, mpp))
    else:
        strokes = _strokes(planes.even & (planes.saturation > int(255 * _STROKE)), mpp)
        core = without_small(planes.even & strong, least) | without_small(strokes, least)
    side = 2 * _EVEN_INK_PX + 1
    return np.asarray(cv2.dilate(core, np.ones((side, side), np.uint8)), np.uint8)


def _filled(mask: Plane, side_um: float, mpp: float) -> Plane:
    """What of `mask` lies in squares of `side_um` that it fills."""
    square = np.ones((_odd(side_um, mpp),) * 2, np.uint8)
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, square), np.uint8)


def _strong(planes: StainPlanes, least: float) -> Plane:
    """1 where px of the hues of H&E are more saturated than `least`."""
    red = planes.saturation > int(255 * (least + _STRONG_RED - _STRONG))
    return ((planes.saturation > int(255 * least)) & (planes.tone > 0) & ((planes.tone < 3) | red)).view(np.uint8)


def _own_saturation(planes: StainPlanes) -> float:
    """The median of what is stained on a slide."""
    counts = cv2.calcHist([planes.saturation], [0], None, [256], [0, 256]).ravel()
    counts[: int(255 * _STAINED)] = 0.0
    return int(np.searchsorted(np.cumsum(counts), counts.sum() / 2)) / 255


def _black(planes: StainPlanes, mpp: float) -> Plane:
    """Black areas, but for those that lie along the thumbnail's edge: nothing was scanned there."""
    black = without_small(_filled(planes.colourless_dark, _BLACK_UM, mpp), _px(_MIN_BLACK_MM2, mpp))
    count, labels = cv2.connectedComponents(_coarse(black, mpp), connectivity=8)
    edge = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    unscanned = np.bincount(edge, minlength=count) > _EDGE_SHARE * min(labels.shape)
    unscanned[0] = False
    return black & _inverse(_dilated(_fine(unscanned[labels].view(np.uint8), black.shape), _SHAPE_UM, mpp))


def _other_stain(planes: StainPlanes, even: Plane, mpp: float) -> bool:
    """Whether hues that H&E does not give are much of what is stained, pen marks left out."""
    vivid = without_small(planes.ink & (planes.saturation > int(255 * _VIVID)), _px(_MIN_PEN_MM2, mpp))
    counted = _inverse(_dilated(even | vivid | _marks(planes, even, mpp), _SHAPE_UM, mpp))
    stained = cv2.countNonZero(planes.textured & counted)
    least = max(_OTHER_STAIN_SHARE * stained, _px(_MIN_OTHER_STAIN_MM2, mpp))
    return bool(cv2.countNonZero(planes.foreign & counted) >= least)


def _marks(planes: StainPlanes, even: Plane, mpp: float) -> Plane:
    """Pieces of ink, over tissue too, that are even in part: where they lie on glass."""
    ink = _coarse(planes.ink | even, mpp)
    count, labels = cv2.connectedComponents(ink, connectivity=8)
    inked = np.bincount(labels.ravel(), minlength=count)
    of_it_even = np.bincount(labels[_coarse(even, mpp) > 0], minlength=count)
    chosen = of_it_even >= _EVEN_SHARE * np.maximum(inked, 1)
    chosen[0] = False
    return _fine(chosen[labels].view(np.uint8), even.shape)


def _strokes(mask: Plane, mpp: float) -> Plane:
    """What of `mask` belongs to pieces that are much longer than wide."""
    coarse = _coarse(mask, mpp)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(coarse, connectivity=8)
    half_width = np.zeros(count)
    depth = cv2.distanceTransform(coarse, cv2.DIST_L2, 3)
    np.maximum.at(half_width, np.asarray(labels, np.int64).ravel(), depth.ravel())
    area = stats[:, cv2.CC_STAT_AREA]
    chosen = area >= _STROKE_LENGTH * (2.0 * half_width) ** 2
    chosen[0] = False
    return mask & _fine(chosen[labels].view(np.uint8), mask.shape)


def _coarse(mask: Plane, mpp: float) -> Plane:
    """1 where most of the px of about `_SHAPE_UM` are 1."""
    step = max(1, round(_SHAPE_UM / mpp))
    rows, columns = (max(1, round(length / step)) for length in mask.shape)
    return (cv2.resize(mask * np.uint8(254), (columns, rows), interpolation=cv2.INTER_AREA) >= 127).view(np.uint8)


def _fine(coarse: Plane, shape: tuple[int, ...]) -> Plane:
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST), np.uint8)


def _dilated(mask: Plane, radius_um: float, mpp: float) -> Plane:
    side = 2 * max(1, round(radius_um / mpp)) + 1
    return np.asarray(cv2.dilate(mask, np.ones((side, side), np.uint8)), np.uint8)


def _inverse(mask: Plane) -> Plane:
    return mask ^ np.uint8(1)


def _odd(um: float, mpp: float) -> int:
    """An odd number of px, at least 3, of about `um`."""
    return 2 * max(1, int(um / mpp / 2)) + 1


def _px(mm2: float, mpp: float) -> int:
    return max(1, round(mm2 / area_mm2(1.0, mpp)))
