"""Where the tissue is on a slide, and what lies there that is not tissue: pen, dark artefacts.

Works on a thumbnail of about 8 um per px; `segment` is pure, `find_tissue` only fetches the thumbnail. How a single
tile looks (blur) is in `tiler.quality`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wsi.slide import Slide
from wsi.spacing import area_mm2, px_to_um

MASK_MPP = 8.0
_MAX_MASK_PX = 8192

# Otsu's threshold on saturation calls a third of a blank slide tissue, since it splits any histogram in two; and on a
# slide with much dense tumour it drops pale alveoli. So it may only move between these two.
_SATURATION_FLOOR = 0.06
_SATURATION_CEILING = 0.10
# Below this value (of HSV) no H&E tissue was seen at 8 um per px (lowest of 1,600 lung tiles: 0.41): black border,
# marker, fold, pigment.
_DARK_VALUE = 0.30
# Coverslip edges and dust are smaller, the smallest biopsy fragments larger.
_MIN_OBJECT_MM2 = 0.005
# Air spaces up to this size belong to the lung around them.
_MAX_HOLE_MM2 = 0.10
_MIN_PEN_MM2 = 0.01
_CLOSING_UM = 48.0
# One mask px of glass decides nothing; a cut-off rim of tissue would.
_MARGIN_UM = 8.0
# The rim of a pen stroke fades through the colours of tissue.
_PEN_RIM_UM = 16.0


@dataclass(frozen=True)
class TissueMask:
    """Boolean masks (rows, columns) over the whole slide; mask px (r, c) covers the level-0 px
    [c * scale_px[0], (c + 1) * scale_px[0]) x [r * scale_px[1], (r + 1) * scale_px[1])."""

    tissue: NDArray[np.bool_]
    pen: NDArray[np.bool_]
    dark: NDArray[np.bool_]
    scale_px: tuple[float, float]  # (x, y) level-0 px per mask px
    mpp: float  # um per mask px

    @property
    def tissue_mm2(self) -> float:
        return area_mm2(float(self.tissue.sum()), self.mpp)

    @property
    def pen_mm2(self) -> float:
        return area_mm2(float(self.pen.sum()), self.mpp)


def find_tissue(slide: Slide) -> TissueMask:
    """The tissue of a slide. Never raises for a slide without tissue: the mask is then empty."""
    width, height = slide.size_px
    longer_um = px_to_um(max(width, height), slide.spacing.mpp)
    thumbnail = slide.thumbnail(int(np.clip(round(longer_um / MASK_MPP), 1, _MAX_MASK_PX)))
    rows, columns = thumbnail.shape[:2]
    scale_px = (width / columns, height / rows)
    mask_mpp = px_to_um((scale_px[0] * scale_px[1]) ** 0.5, slide.spacing.mpp)
    tissue, pen, dark = segment(thumbnail, mask_mpp)
    return TissueMask(tissue, pen, dark, scale_px, mask_mpp)


def segment(rgb: NDArray[np.uint8], mpp: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks (tissue, pen, dark) of a thumbnail (rows, columns, 3) of `mpp` um per px.

    Tissue is what is more saturated than glass (Otsu 1979, between a floor and a ceiling), is not ink and not black.
    """
    hue, saturation, value = _hsv(_on_white_glass(rgb))
    pen = _without_small(_ink(hue, saturation, value), _px(_MIN_PEN_MM2, mpp))
    pen_with_rim = cv2.dilate(pen.astype(np.uint8), _disk(_PEN_RIM_UM, mpp)) > 0
    dark = value < _DARK_VALUE
    colourless_dark = dark & (saturation < 0.45)
    smooth = np.asarray(cv2.medianBlur((saturation * 255).astype(np.uint8), 3), np.uint8)
    candidates = ~pen_with_rim & ~colourless_dark
    tissue = (smooth > 255.0 * _threshold(smooth[candidates])) & candidates
    tissue = cv2.morphologyEx(tissue.astype(np.uint8), cv2.MORPH_CLOSE, _disk(_CLOSING_UM, mpp)) > 0
    tissue = _without_small(tissue, _px(_MIN_OBJECT_MM2, mpp))
    tissue = ~_without_small(~tissue, _px(_MAX_HOLE_MM2, mpp))
    tissue = cv2.dilate(tissue.astype(np.uint8), _disk(_MARGIN_UM, mpp)) > 0
    return tissue & ~pen & ~_borders(colourless_dark), pen, dark


def _on_white_glass(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Glass that is grey or tinted, made white, so that its tint does not count as stain."""
    brightest = rgb.max(axis=2)
    # Only near-colourless bright pixels can be glass; a slide full of pale tissue has none and stays as it is.
    glass = (brightest > 215) & (brightest.astype(np.int16) - rgb.min(axis=2) < 20)
    if glass.mean() < 0.02:
        return rgb
    colour = np.median(rgb[glass], axis=0)
    # By table: as floats the thumbnail of a large slide would take more memory than all the rest of the program.
    table = np.clip(np.arange(256)[:, None] * (255.0 / colour), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(rgb, table[None]), np.uint8)


def _hsv(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    hue, saturation, value = cv2.split(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2HSV))
    scale = np.float32(255.0)
    return hue * np.float32(2.0), saturation / scale, value / scale


def _ink(hue: NDArray[np.floating], saturation: NDArray[np.floating], value: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Colours that H&E does not have. Hue in degrees; none of 1,600 lung tiles has 1% of such pixels.

    Haematoxylin reaches down to hue 225 and eosin up to 350, so blue and red ink are told by their saturation.
    """
    green = (hue > 70) & (hue < 195) & (saturation > 0.20)
    turquoise = (hue >= 195) & (hue < 222) & (saturation > 0.42)
    blue = (hue >= 222) & (hue < 252) & (saturation > 0.78)
    yellow = (hue > 35) & (hue <= 70) & (saturation > 0.40)
    red = ((hue < 14) | (hue > 348)) & (saturation > 0.78)
    return (green | turquoise | blue | yellow | red) & (value > 0.15)


def _threshold(saturation: NDArray[np.uint8]) -> float:
    """Otsu's threshold (1979) on saturation in 1/255, between floor and ceiling; the ceiling where nothing varies."""
    if saturation.size == 0 or saturation.max() == saturation.min():
        return _SATURATION_CEILING
    # OpenCV's and not scikit-image's, whose import takes longer than masking a slide.
    otsu, _ = cv2.threshold(saturation, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return float(np.clip(otsu / 255.0, _SATURATION_FLOOR, _SATURATION_CEILING))


def _borders(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The dark parts that touch the thumbnail's edge: unscanned area."""
    _, labels = cv2.connectedComponents(dark.astype(np.uint8), connectivity=8)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.isin(labels, rim[rim > 0])


def _without_small(mask: NDArray[np.bool_], min_px: int) -> NDArray[np.bool_]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= min_px
    keep[0] = False
    return keep[labels] if count > 1 else np.zeros_like(mask)


def _disk(radius_um: float, mpp: float) -> NDArray[np.uint8]:
    radius = max(1, round(radius_um / mpp))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


def _px(mm2: float, mpp: float) -> int:
    return max(1, round(mm2 / area_mm2(1.0, mpp)))
