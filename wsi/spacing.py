"""The only um/px arithmetic: what a pixel measures, and at which level to read a requested mpp.

mpp is micrometres per pixel. Nothing here opens a file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from wsi.errors import MppImplausibleError, MppMissingError, MppTooCoarseError

Pair = tuple[float, float]
MppSource = Literal["given", "slide", "ome-xml", "imagej", "objective-power", "tiff-resolution"]
STATED: frozenset[str] = frozenset(("given", "slide", "ome-xml", "imagej"))
"""The sources that state a pixel size. From the others it is inferred: a review reason."""

# A stored level this close to the requested mpp is read as it is: no resampling at all.
LEVEL_TOLERANCE = 0.05
# Enlarging a coarser slide up to this factor is allowed (and is a review reason); beyond, there is nothing to see.
MAX_ENLARGEMENT = 2.0
PLAUSIBLE_MPP = (0.05, 20.0)
MAX_ANISOTROPY = 0.05
# Two statements of one slide may lie this far apart: a doubler or halver in the light's path makes 2 lawful.
MAX_DISAGREEMENT = 2.5
# What a person gives is to be what the slide states, to within rounding.
MAX_GIVEN_DISAGREEMENT = 1.05

MPP_OTHERWISE = "mpp_otherwise"
"""The key of a slide's metadata under which a contradicting pixel size is told, in um per px."""


class FillIn(float):
    """A pixel size given for slides that state none: one that states its own keeps it, and a contradiction is told.

    A plain float given goes before whatever the slide states.
    """

    __slots__ = ()


@dataclass(frozen=True)
class Level:
    """One stored resolution. `size_px` is (width, height); `downsample` is level-0 px per px of this level."""

    size_px: tuple[int, int]
    downsample: float


@dataclass(frozen=True)
class Spacing:
    """Level-0 pixel size in um per px, and where it was learned.

    `otherwise` is another statement about the same slide that contradicts it, in um per px: a review reason.
    """

    mpp: float
    source: MppSource
    otherwise: float | None = None

    @property
    def inferred(self) -> bool:
        """True where neither a person nor the slide itself stated the mpp: a review reason."""
        return self.source not in STATED


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
    own: Pair | None = None,
    ome: Pair | None = None,
    imagej: Pair | None = None,
    objective_power: float | None = None,
    tiff_resolution: Pair | None = None,
) -> Spacing:
    """The spacing by the fixed order: given, the slide's own, OME-XML, ImageJ, 10 / power, TIFF resolution tags.

    What is given to be filled in (`FillIn`) comes after what the slide states, before what can only be inferred.

    Pairs are (x, y) in um per px; 0 is nothing stated. Only TIFF tags are dropped silently when implausible (72 dpi is
    a printer's default, not a measurement); an implausible statement by anyone else is an error, and so are pixels that
    are not square, also where an mpp is given. Raises MppMissingError, MppImplausibleError.
    """
    stated = _stated(name, own, ome, imagej)
    power = _from_power(objective_power)
    tags = _mean(name, tiff_resolution) if tiff_resolution and all(map(_is_plausible, tiff_resolution)) else None
    if given is not None and not (isinstance(given, FillIn) and stated is not None and _is_plausible(stated.mpp)):
        mpp = _plausible(name, given, "the given mpp")
        against = [stated.mpp] if stated else []
        return Spacing(mpp, "given", _contradiction(mpp, against, MAX_GIVEN_DISAGREEMENT))
    if stated is not None:
        _plausible(name, stated.mpp, "the slide's own mpp")
        against = [power] if power is not None else []
        otherwise = _contradiction(stated.mpp, against, MAX_DISAGREEMENT)
        if given is not None and otherwise is None:
            otherwise = _contradiction(stated.mpp, [float(given)], MAX_GIVEN_DISAGREEMENT)
        return replace(stated, otherwise=otherwise)
    if power is not None:
        return Spacing(_plausible(name, power, "10 / objective power"), "objective-power")
    if tags is not None:
        return Spacing(tags, "tiff-resolution")
    raise MppMissingError(f"{name} tells no pixel size", hint="give --mpp or a manifest")


def _stated(name: str, own: Pair | None, ome: Pair | None, imagej: Pair | None) -> Spacing | None:
    """The first of the slide's own statements that is more than zeros."""
    sources: tuple[tuple[MppSource, Pair | None], ...] = (("slide", own), ("ome-xml", ome), ("imagej", imagej))
    for source, pair in sources:
        said = [mpp for mpp in pair or () if mpp != 0]
        if said:
            return Spacing(_mean(name, (said[0], said[-1])), source)
    return None


def _from_power(power: float | None) -> float | None:
    return 10.0 / power if power is not None and math.isfinite(power) and power > 0 else None


def _contradiction(mpp: float, others: Sequence[float], most: float) -> float | None:
    """The first of the other statements that lies more than `most` times away."""
    far = (other for other in others if _is_plausible(other) and max(mpp / other, other / mpp) > most)
    return next(far, None)


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
            f"{name}: {what} is {mpp:g} um/px, outside {low:g} to {high:g}", hint="give the right --mpp-override"
        )
    return float(mpp)


def _mean(name: str, mpp_xy: Pair) -> float:
    mpp_x, mpp_y = mpp_xy
    if not (_is_plausible(mpp_x) and _is_plausible(mpp_y)):
        return mpp_x if not _is_plausible(mpp_x) else mpp_y
    if abs(mpp_x / mpp_y - 1.0) > MAX_ANISOTROPY:
        raise MppImplausibleError(
            f"{name}: pixels are not square ({mpp_x:g} by {mpp_y:g} um)", hint="resample it to square pixels"
        )
    return math.sqrt(mpp_x * mpp_y)
