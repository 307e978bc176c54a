"""The only um/px arithmetic: what a pixel measures, and at which level to read a requested mpp.

mpp is micrometres per pixel. Nothing here opens a file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wsi.errors import MppImplausibleError, MppMissingError, MppTooCoarseError

MppSource = Literal["given", "slide", "objective-power", "tiff-resolution"]

# A stored level this close to the requested mpp is read as it is: no resampling at all.
LEVEL_TOLERANCE = 0.05
# Enlarging a coarser slide up to this factor is allowed (and is a review reason); beyond, there is nothing to see.
MAX_ENLARGEMENT = 2.0
PLAUSIBLE_MPP = (0.05, 20.0)
MAX_ANISOTROPY = 0.05


@dataclass(frozen=True)
class Level:
    """One stored resolution. `size_px` is (width, height); `downsample` is level-0 px per px of this level."""

    size_px: tuple[int, int]
    downsample: float


@dataclass(frozen=True)
class Spacing:
    """Level-0 pixel size in um per px, and where it was learned."""

    mpp: float
    source: MppSource

    @property
    def inferred(self) -> bool:
        """True where neither a person nor the slide itself stated the mpp: a review reason."""
        return self.source not in ("given", "slide")


@dataclass(frozen=True)
class ReadPlan:
    """How a square tile of `tile_px` at about the requested mpp is read.

    `read_px` pixels of `level` become `tile_px` pixels (area-averaged where they differ); `mpp` is the effective
    um per tile pixel, and `span_px` the level-0 side of the tile (float: levels need not be whole downsamples).

    A slide of 0.25 um/px with levels 1, 4: 224 px at 1.0 mpp reads level 1 as it is. A slide of 0.499 um/px with one
    level reads 449 px and averages them to 224: 449 * 0.499 / 224 = 1.0002 um/px.
    """

    level: int
    read_px: int
    tile_px: int
    mpp: float
    span_px: float

    @property
    def enlarged(self) -> bool:
        return self.read_px < self.tile_px


def resolve_spacing(
    name: str,
    *,
    given: float | None = None,
    own: tuple[float, float] | None = None,
    objective_power: float | None = None,
    tiff_resolution: tuple[float, float] | None = None,
) -> Spacing:
    """The spacing of a slide by the fixed order: given, the slide's own, 10 / power, TIFF resolution tags.

    `own` and `tiff_resolution` are (x, y) in um per px. Only TIFF tags are dropped silently when implausible
    (72 dpi is a printer's default, not a measurement); an implausible statement by anyone else is an error.
    Raises MppMissingError, MppImplausibleError.
    """
    if given is not None:
        return Spacing(_plausible(name, given, "the given mpp"), "given")
    if own is not None:
        return Spacing(_plausible(name, _mean(name, own), "the slide's own mpp"), "slide")
    if objective_power is not None and math.isfinite(objective_power) and objective_power > 0:
        return Spacing(_plausible(name, 10.0 / objective_power, "10 / objective power"), "objective-power")
    if tiff_resolution is not None and all(_is_plausible(mpp) for mpp in tiff_resolution):
        return Spacing(_mean(name, tiff_resolution), "tiff-resolution")
    raise MppMissingError(f"{name} tells no pixel size", hint="give --mpp or a manifest")


def plan_read(levels: Sequence[Level], spacing: Spacing, tile_px: int, mpp: float) -> ReadPlan:
    """The level and size to read so that `tile_px` pixels come at `mpp` um per px.

    A level within LEVEL_TOLERANCE is read as it is; else the next finer level; else (all are coarser) level 0 is
    enlarged. Raises MppTooCoarseError where that would enlarge more than MAX_ENLARGEMENT.
    """
    level_mpp = [spacing.mpp * level.downsample for level in levels]
    closest = min(range(len(levels)), key=lambda i: abs(math.log(level_mpp[i] / mpp)))
    if abs(level_mpp[closest] / mpp - 1.0) <= LEVEL_TOLERANCE:
        return ReadPlan(closest, tile_px, tile_px, level_mpp[closest], tile_px * levels[closest].downsample)
    finer = [i for i in range(len(levels)) if level_mpp[i] < mpp]
    level = max(finer, key=lambda i: level_mpp[i]) if finer else 0
    if level_mpp[level] > mpp * MAX_ENLARGEMENT:
        raise MppTooCoarseError(
            f"the slide has {level_mpp[level]:.3g} um/px at its finest, the model needs {mpp:.3g}",
            hint="scan at a higher magnification, or check --mpp",
        )
    read_px = max(1, round(tile_px * mpp / level_mpp[level]))
    return ReadPlan(level, read_px, tile_px, read_px * level_mpp[level] / tile_px, read_px * levels[level].downsample)


def area_mm2(pixels: float, mpp: float) -> float:
    """Area of `pixels` square pixels of `mpp` um in mm2."""
    return float(pixels) * mpp * mpp / 1e6


def px_to_um(px: float, mpp: float) -> float:
    """Length in um of `px` pixels of `mpp` um each."""
    return px * mpp


def mpp_from_tiff_resolution(resolution: float, unit: int) -> float | None:
    """um per px of a TIFF X/YResolution in pixels per unit; unit 2 is inch, 3 centimetre; else None."""
    um_per_unit = {2: 25_400.0, 3: 10_000.0}.get(unit)
    if um_per_unit is None or not math.isfinite(resolution) or resolution <= 0:
        return None
    return um_per_unit / resolution


def _is_plausible(mpp: float) -> bool:
    return math.isfinite(mpp) and PLAUSIBLE_MPP[0] <= mpp <= PLAUSIBLE_MPP[1]


def _plausible(name: str, mpp: float, what: str) -> float:
    if not _is_plausible(mpp):
        low, high = PLAUSIBLE_MPP
        raise MppImplausibleError(
            f"{name}: {what} is {mpp:g} um/px, outside {low:g} to {high:g}", hint="give the right --mpp"
        )
    return float(mpp)


def _mean(name: str, mpp_xy: tuple[float, float]) -> float:
    mpp_x, mpp_y = mpp_xy
    if not (_is_plausible(mpp_x) and _is_plausible(mpp_y)):
        return mpp_x if not _is_plausible(mpp_x) else mpp_y
    if abs(mpp_x / mpp_y - 1.0) > MAX_ANISOTROPY:
        raise MppImplausibleError(
            f"{name}: pixels are not square ({mpp_x:g} by {mpp_y:g} um)", hint="give --mpp if that is wrong"
        )
    return math.sqrt(mpp_x * mpp_y)
