"""Where the tissue is on a slide, and what lies there that is not tissue: pen, dark artefacts.

Works on a thumbnail of about 8 um per px; `segment` is pure, `find_tissue` only fetches the thumbnail. What single px
look like is in `tiler.thumbnail_colour`, how a single tile looks (blur) in `tiler.quality`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tiler.false_colours.tell import LARGEST_SAMPLE, Mistake, red_and_blue_exchanged
from tiler.ink import find_pen
from tiler.planes.bands import row_bands, sample
from tiler.planes.components import touching_edge, without_small
from tiler.stain import StainLook, stain_look
from tiler.thumbnail_colour import StainPlanes, stain_planes
from wsi.slide import Slide
from wsi.spacing import area_mm2, px_to_um

MASK_MPP = 8.0
# 33 x 33 mm at 8 um per px. The mask of a larger slide is coarser, so that no slide takes more memory than this.
_MAX_MASK_PIXELS = 1 << 24
_BAND_PIXELS = 1 << 18

# Otsu's threshold on saturation calls a third of a blank slide tissue, since it splits any histogram in two; and on a
# slide with much dense tumour it drops pale alveoli. So it may only move between these two.
_SATURATION_FLOOR = 0.06
_SATURATION_CEILING = 0.10
# Coverslip edges and dust are smaller, the smallest biopsy fragments larger.
_MIN_OBJECT_MM2 = 0.005
# Air spaces up to this size belong to the lung around them.
_MAX_HOLE_MM2 = 0.10
_CLOSING_UM = 48.0
# One mask px of glass decides nothing; a cut-off rim of tissue would.
_MARGIN_UM = 8.0
_DENSE_GREY = 160  # of 255
# The rim of a pen stroke fades through the colours of tissue.
_PEN_RIM_UM = 16.0

Plane = NDArray[np.uint8]


@dataclass(frozen=True)
class TissueAreas:
    """What a result keeps of the mask."""

    tissue_mm2: float
    pen_mm2: float
    other_stain: bool = False
    tinted_glass: bool = False
    false_colours: bool = False
    dark_background: bool = False
    look: StainLook | None = None
    righted: str = ""  # how false colours were put right before all this, see `tiler.false_colours`


@dataclass(frozen=True)
class TissueMask:
    """Boolean masks (rows, columns) over the whole slide; mask px (r, c) covers the level-0 px
    [c * scale_px[0], (c + 1) * scale_px[0]) x [r * scale_px[1], (r + 1) * scale_px[1])."""

    tissue: NDArray[np.bool_]
    pen: NDArray[np.bool_]
    dark: NDArray[np.bool_]
    scale_px: tuple[float, float]  # (x, y) level-0 px per mask px
    mpp: float  # um per mask px
    other_stain: bool = False  # most of what is stained has hues that H&E does not give
    glass_tint: int = 0  # how far the glass is from neutral, in grey levels; 0 for clear glass
    grey_mm2: float = 0.0  # structure without colour
    mistake: Mistake | None = None  # in the colours of the file
    dark_background: bool = False  # fluorescence, dark field
    look: StainLook | None = None
    glass_seen: bool = False

    @property
    def tissue_mm2(self) -> float:
        return area_mm2(float(np.count_nonzero(self.tissue)), self.mpp)

    @property
    def pen_mm2(self) -> float:
        return area_mm2(float(np.count_nonzero(self.pen)), self.mpp)

    @property
    def areas(self) -> TissueAreas:
        return TissueAreas(
            self.tissue_mm2,
            self.pen_mm2,
            self.other_stain,
            self.glass_tint > 0,
            self.mistake is not None,
            self.dark_background,
            self.look,
        )

    @property
    def looks_like_h_and_e(self) -> bool:
        """Whether there is tissue in no other hues than H&E's, beside neutral glass."""
        on_glass = self.glass_seen and self.glass_tint == 0 and not self.dark_background
        return on_glass and self.mistake is None and not self.other_stain and bool(self.tissue.any())


def find_tissue(slide: Slide) -> TissueMask:
    """The tissue of a slide. Never raises for a slide without tissue: the mask is then empty."""
    width, height = slide.size_px
    longer_um = px_to_um(max(width, height), slide.spacing.mpp)
    largest_px = int((_MAX_MASK_PIXELS * max(width, height) / min(width, height)) ** 0.5)
    rgb = slide.thumbnail(int(np.clip(round(longer_um / MASK_MPP), 1, largest_px)))
    planes = stain_planes(rgb)
    rows, columns = planes.dark.shape
    scale_px = (width / columns, height / rows)
    mask_mpp = px_to_um((scale_px[0] * scale_px[1]) ** 0.5, slide.spacing.mpp)
    pen, other_stain = find_pen(planes, mask_mpp)
    tissue = _tissue(planes, pen, mask_mpp).view(np.bool_)
    return TissueMask(
        tissue,
        pen.view(np.bool_),
        planes.dark.view(np.bool_),
        scale_px,
        mask_mpp,
        other_stain,
        planes.glass_tint,
        _grey_mm2(planes, mask_mpp),
        planes.mistake or (_exchanged(rgb, planes, tissue) if not other_stain else None),
        planes.dark_background,
        stain_look(rgb, tissue, planes.glass),
        planes.glass is not None,
    )


def _grey_mm2(planes: StainPlanes, mpp: float) -> float:
    # Only where it is dense: the rim of a black stroke is grey too.
    dense = cv2.blur(planes.grey * np.uint8(255), (5, 5)) >= _DENSE_GREY
    return area_mm2(float(np.count_nonzero(dense)), mpp)


def _exchanged(rgb: NDArray[np.uint8], planes: StainPlanes, tissue: NDArray[np.bool_]) -> Mistake | None:
    """Whether red and blue are exchanged, told where tissue is in the hues of H&E, whichever way round."""
    chosen = tissue & (planes.textured > 0) & (planes.dark == 0)
    if planes.glass is None:
        return None
    told = red_and_blue_exchanged(sample(rgb, chosen, LARGEST_SAMPLE), planes.glass.colour)
    return Mistake.EXCHANGED if told else None


def segment(rgb: NDArray[np.uint8], mpp: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks (tissue, pen, dark) of a thumbnail (rows, columns, 3) of `mpp` um per px.

    Tissue is what is more saturated than glass (Otsu 1979, between a floor and a ceiling), is not ink and not black.
    """
    planes = stain_planes(rgb)
    pen, _ = find_pen(planes, mpp)
    return _tissue(planes, pen, mpp).view(np.bool_), pen.view(np.bool_), planes.dark.view(np.bool_)


def _tissue(planes: StainPlanes, pen: Plane, mpp: float) -> Plane:
    unfit = cv2.bitwise_or(cv2.dilate(pen, _disk(_PEN_RIM_UM, mpp)), planes.colourless_dark)
    tissue = _stained(planes.saturation, np.asarray(unfit, np.uint8))
    tissue = _closed(tissue, _disk(_CLOSING_UM, mpp))
    tissue = without_small(tissue, _px(_MIN_OBJECT_MM2, mpp))
    glass = without_small(_inverse(tissue), _px(_MAX_HOLE_MM2, mpp))
    tissue = np.asarray(cv2.dilate(_inverse(glass), _disk(_MARGIN_UM, mpp)), np.uint8)
    # The dark parts at the thumbnail's edge are unscanned area.
    tissue[(pen | touching_edge(planes.colourless_dark)).view(np.bool_)] = 0
    return tissue


def _stained(saturation: Plane, unfit: Plane) -> Plane:
    """1 where the smoothed saturation is above the threshold and nothing is `unfit`."""
    smooth = np.asarray(cv2.medianBlur(saturation, 3), np.uint8)
    fit = _inverse(unfit)
    counts = np.zeros(256)
    for rows in row_bands(smooth.shape, _BAND_PIXELS):
        counts += cv2.calcHist([smooth[rows]], [0], fit[rows], [256], [0, 256]).ravel()
    return (smooth > int(255 * _threshold(counts))).view(np.uint8) & fit


def _threshold(counts: NDArray[np.floating]) -> float:
    """Otsu's threshold (1979) of saturations in 1/255, counted in `counts` (256,), between floor and ceiling; the
    ceiling where nothing varies."""
    if np.count_nonzero(counts) < 2:
        return _SATURATION_CEILING
    share = counts / counts.sum()
    below = np.cumsum(share)
    mean_below = np.cumsum(share * np.arange(256))
    both = (below > 0) & (below < 1)
    apart = (mean_below[-1] * below - mean_below)[both] ** 2 / (below * (1 - below))[both]
    otsu = int(np.flatnonzero(both)[np.argmax(apart)])
    return float(np.clip(otsu / 255.0, _SATURATION_FLOOR, _SATURATION_CEILING))


def _closed(mask: Plane, disk: Plane) -> Plane:
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disk), np.uint8)


def _inverse(mask: Plane) -> Plane:
    return mask ^ np.uint8(1)


def _disk(radius_um: float, mpp: float) -> Plane:
    radius = max(1, round(radius_um / mpp))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


def _px(mm2: float, mpp: float) -> int:
    return max(1, round(mm2 / area_mm2(1.0, mpp)))
