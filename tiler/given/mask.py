"""A person's tissue mask of one slide: read from its file, held against the slide, and laid over the tissue found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiler.given.fill import Ring, fill, ring_area, ring_length
from tiler.given.label_image import read_labels
from tiler.given.regions import Regions, read_regions
from tiler.tissue import TissueMask
from wsi.errors import BadMaskError
from wsi.files.reading import read_regular
from wsi.slide import Slide
from wsi.spacing import area_mm2

_REGIONS = (".geojson", ".json")
MAX_BYTES = 256 << 20
# Of the slide's longer side: what a hand draws past the edge, and what rounding makes of a picture's shape.
_OVERHANG, _SHAPE = 0.01, 0.01
_OF_ANOTHER = "is it of another slide?"
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class GivenMask:
    """What a file holds: regions or labels (rows, columns) over the whole slide; `sha256` is the file's."""

    name: str
    sha256: str
    shape: Regions | Mask


@dataclass(frozen=True)
class GivenFacts:
    """What a result tells of a given mask. `repaired`: regions that cross themselves, filled by the even-odd rule;
    `left_out_mm2` is what regions to leave out took of the tissue."""

    sha256: str
    regions: int
    repaired: int
    passed_over: int
    left_out_mm2: float


def read_given(path: Path) -> GivenMask:
    """The mask in a GeoJSON, PNG or TIFF file. Raises BadMaskError."""
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise BadMaskError(f"mask {path.name} cannot be read: {error.strerror}") from error
    name = f"mask {path.name}"
    reader = read_regions if path.suffix.lower() in _REGIONS else read_labels
    return GivenMask(name, hashlib.sha256(content).hexdigest(), reader(content, name))


def lay_over(given: GivenMask, found: TissueMask, slide: Slide) -> tuple[TissueMask, GivenFacts]:
    """`found` with the person's tissue in the place of its own; pen and dark stay, and tiles are flagged by them.

    Where only regions to leave out were given, they are taken out of the tissue found. Raises BadMaskError where the
    mask does not fit the slide or leaves nothing.
    """
    if isinstance(given.shape, Regions):
        tissue, facts = _of_regions(given, given.shape, found, slide)
    else:
        tissue, facts = _of_labels(given, given.shape, found, slide), GivenFacts(given.sha256, 1, 0, 0, 0.0)
    if not tissue.any():
        raise BadMaskError(f"{given.name} leaves no tissue on the slide", hint=_OF_ANOTHER)
    return replace(found, tissue=tissue), facts


def _of_regions(given: GivenMask, regions: Regions, found: TissueMask, slide: Slide) -> tuple[Mask, GivenFacts]:
    corner = (0, 0) if regions.whole_canvas else slide.bounds_px[:2]
    drawn = [_drawn(given, polygons, corner, found, slide) for polygons in (regions.tissue, regions.left_out)]
    (tissue, first), (left_out, second) = drawn
    whole = tissue if regions.tissue else found.tissue
    kept = whole & ~left_out
    taken = area_mm2(float(np.count_nonzero(whole)) - float(np.count_nonzero(kept)), found.mpp)
    count = len(regions.tissue) + len(regions.left_out)
    return kept, GivenFacts(given.sha256, count, first + second, regions.passed_over, taken)


def _drawn(
    given: GivenMask,
    polygons: Sequence[tuple[Ring, ...]],
    corner_px: tuple[int, int],
    found: TissueMask,
    slide: Slide,
) -> tuple[Mask, int]:
    """All of the polygons as px of the mask, (rows, columns), and how many cross themselves."""
    mask: Mask = np.zeros(found.tissue.shape, np.bool_)
    crossing = 0
    for rings in polygons:
        inside = [_inside(given, ring + corner_px, slide) / found.scale_px for ring in rings]
        crossing += _add(mask, inside, given.name)
    return mask, crossing


def _inside(given: GivenMask, ring_px: Ring, slide: Slide) -> Ring:
    """The ring, (n, 2), without what a hand drew past the slide's edge. Raises BadMaskError for what lies farther."""
    size = np.array(slide.size_px, np.float64)
    beyond = max(float(-ring_px.min()), float((ring_px - size).max()))
    if beyond > max(1.0, _OVERHANG * size.max()):
        raise BadMaskError(f"{given.name} reaches {beyond:,.0f} px beyond the slide", hint=_OF_ANOTHER)
    return np.clip(ring_px, 0.0, size)


def _add(mask: Mask, rings: Sequence[Ring], name: str) -> int:
    """Sets the px inside; 1 where the rings cross themselves or each other, so that area and outline disagree."""
    points = np.concatenate(list(rings))
    x0, y0 = (int(edge) for edge in np.floor(points.min(axis=0)))
    x1, y1 = (int(edge) for edge in np.ceil(points.max(axis=0)))
    window = mask[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    try:
        filled = fill([ring - (x0, y0) for ring in rings], (window.shape[0], window.shape[1]))
    except ValueError as error:
        raise BadMaskError(f"{name} has an outline that runs to and fro too often", hint="simplify it") from error
    window |= filled
    outline, *holes = (ring_area(ring) for ring in rings)
    difference = abs(float(np.count_nonzero(filled)) - (outline - sum(holes)))
    return int(difference > max(4.0, sum(map(ring_length, rings)) / 2))


def _of_labels(given: GivenMask, labels: Mask, found: TissueMask, slide: Slide) -> Mask:
    """The labels under the middle of each px of the mask. A picture is of the scanned part, as QuPath shows it, or
    of the whole slide."""
    part = next((part for part in (slide.bounds_px, (0, 0, *slide.size_px)) if _same_shape(labels, part)), None)
    if part is None:
        (rows, columns), (width, height) = labels.shape, slide.size_px
        raise BadMaskError(
            f"{given.name} of {columns} x {rows} px does not have the shape of the slide, {width} x {height} px",
            hint=_OF_ANOTHER,
        )
    x, y, width, height = part
    rows, columns = found.tissue.shape
    middles = (
        ((np.arange(rows) + 0.5) * found.scale_px[1] - y) / height,
        ((np.arange(columns) + 0.5) * found.scale_px[0] - x) / width,
    )
    row, column = (np.floor(middle * n).astype(np.int64) for middle, n in zip(middles, labels.shape, strict=True))
    within = [(at >= 0) & (at < n) for at, n in zip((row, column), labels.shape, strict=True)]
    mask: Mask = np.zeros(found.tissue.shape, np.bool_)
    mask[np.ix_(*within)] = labels[np.ix_(row[within[0]], column[within[1]])]
    return mask


def _same_shape(labels: Mask, part: tuple[int, int, int, int]) -> bool:
    """Whether both have one aspect, but for a px of rounding."""
    rows, columns = labels.shape
    _, _, width, height = part
    wanted = columns * height / width
    return abs(rows - wanted) <= max(1.0, _SHAPE * wanted)
