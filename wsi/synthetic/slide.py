"""Whole-slide images with a known truth, for the demonstration and for tests: painted tissue in known places.

Every such slide calls itself SYNTHETIC in its description. Not histology.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from wsi.errors import UsageError
from wsi.metadata import SYNTHETIC_MARK
from wsi.spacing import area_mm2
from wsi.synthetic.marks import Mark
from wsi.synthetic.marks import PenStroke as PenStroke
from wsi.synthetic.shapes import Rectangle, Shape, contains, fill_rows, organic_outline, pixel_spans
from wsi.synthetic.tissue import CLASSES, GLASS_RGB, TISSUE_KINDS, paint_tissue, texture_step_px
from wsi.synthetic.write_pyramid import PyramidSpec, Subsampling, write_pyramid

__all__ = [
    "CLASSES",
    "TISSUE_KINDS",
    "SyntheticRegion",
    "SyntheticTruth",
    "demo_slide",
    "paint_tissue",
    "write_synthetic_slide",
]

Layout = Literal["aperio", "aperio-power-only", "tiff-resolution", "none", "leica"]
Box = tuple[int, int, int, int]
_TEXTURE_PX = 2048
_TRUTH_MPP = 8.0
_STAIN_PITCH_PX = 128
_STAIN_DRIFT_UM = 450.0
_STAIN_VARIATION = 0.09


@dataclass(frozen=True)
class SyntheticRegion:
    """Tissue of one `kind` (of TISSUE_KINDS) inside `shape`. Later regions cover earlier ones."""

    shape: Shape
    kind: str

    def __post_init__(self) -> None:
        if self.kind not in TISSUE_KINDS:
            raise UsageError(f"no tissue of kind {self.kind!r} can be painted")


@dataclass(frozen=True)
class SyntheticTruth:
    """What was painted where. A label is the index in TISSUE_KINDS plus 1; 0 is glass.

    `label_map` is (rows, columns) uint8, the label at the centre of squares of `label_mpp` um from the slide's
    top-left corner. `area_mm2` counts level-0 pixels inside regions, by kind, lumens and airspace included.
    """

    size_px: tuple[int, int]
    mpp: float
    scanned_px: Box  # (x, y, width, height) of the part that holds pixels: the whole slide but for "leica"
    regions: tuple[SyntheticRegion, ...]
    label_map: NDArray[np.uint8]
    label_mpp: float
    area_mm2: dict[str, float] = field(default_factory=dict)

    @property
    def tissue_mm2(self) -> float:
        return sum(self.area_mm2.values())

    def label_at(self, xy: tuple[float, float]) -> int:
        """The label of the level-0 pixel that holds the point (x, y) in level-0 px; 0 outside the scanned part."""
        x, y = (math.floor(value) for value in xy)
        left, top, width, height = self.scanned_px
        if not (left <= x < left + width and top <= y < top + height):
            return 0
        for region in reversed(self.regions):
            if contains(region.shape, (x + 0.5) * self.mpp, (y + 0.5) * self.mpp):
                return _label(region.kind)
        return 0

    def kind_at(self, xy: tuple[float, float]) -> str | None:
        """The kind at (x, y) in level-0 px; None is glass. What tests compare with."""
        label = self.label_at(xy)
        return TISSUE_KINDS[label - 1] if label else None


def write_synthetic_slide(
    path: Path,
    *,
    regions: Sequence[SyntheticRegion],
    mpp: float = 0.5,
    size_px: tuple[int, int] | None = None,
    size_um: tuple[float, float] | None = None,
    seed: int = 0,
    marks: Sequence[Mark] = (),
    levels: Sequence[int] = (1, 4, 16),
    tile_px: int = 256,
    subsampling: Subsampling = "4:2:0",
    quality: int = 88,
    spacing_tag: Layout = "aperio",
    scanned_px: Box | None = None,
) -> SyntheticTruth:
    """Writes a tiled JPEG pyramid that OpenSlide opens, and returns what is in it.

    The size is `size_px` (width, height) or `size_um`. `levels` are whole downsamples, 1 first. `spacing_tag` is how
    the file tells its mpp: as an Aperio slide (MPP and AppMag), by AppMag only, by the resolution tags of a generic
    TIFF, not at all, or as a Leica slide. Only a Leica slide can have a part `scanned_px` (x, y, width, height in
    level-0 px) that holds pixels while the rest is transparent; its sides divide by the coarsest downsample.
    Regions and marks are placed from the slide's top-left corner. The same arguments give the same file.
    Raises UsageError.
    """
    size = _size_px(size_px, size_um, mpp)
    box = _scanned_px(scanned_px, size, max(levels), spacing_tag)
    resolution = 1e4 / mpp if spacing_tag in ("tiff-resolution", "leica") else None
    spec = PyramidSpec(box[2:], tuple(levels), tile_px, quality, subsampling, resolution)
    scene = _Scene(size, box, mpp, tuple(regions), tuple(marks), seed)
    counts = np.zeros(len(TISSUE_KINDS) + 1, np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pyramid(path, spec, scene.strips(spec.strip_rows, counts), _description(spec, mpp, spacing_tag, size, box))
    return SyntheticTruth(
        size_px=size,
        mpp=mpp,
        scanned_px=box,
        regions=tuple(regions),
        label_map=_label_map(regions, size, box, mpp),
        label_mpp=_TRUTH_MPP,
        area_mm2={kind: area_mm2(counts[_label(kind)], mpp) for kind in TISSUE_KINDS if counts[_label(kind)]},
    )


def demo_slide(path: Path, seed: int = 7) -> SyntheticTruth:
    """The slide of `pulmoscope demo`: lung-like tissue, a tumour of the adenocarcinoma-like kind, a pen mark."""
    mpp, size_um = 0.5, (11_000.0, 7_600.0)
    lung = organic_outline((5_400.0, 3_850.0), (4_500.0, 2_900.0), seed, roughness=0.07)
    tumour = organic_outline((6_500.0, 3_400.0), (1_750.0, 1_350.0), seed + 1, roughness=0.10)
    satellite = organic_outline((3_300.0, 4_600.0), (420.0, 360.0), seed + 2, roughness=0.10)
    pen = PenStroke(
        points_um=tuple((10_500.0 - 240.0 * math.sin(t / 6), 900.0 + 110.0 * t) for t in range(22)),
        width_um=110.0,
        rgb=(38, 92, 60),
    )
    return write_synthetic_slide(
        path,
        regions=(
            SyntheticRegion(lung, "normal"),
            SyntheticRegion(tumour, "adenocarcinoma"),
            SyntheticRegion(satellite, "adenocarcinoma"),
        ),
        mpp=mpp,
        size_um=size_um,
        seed=seed,
        marks=(pen,),
        quality=80,
    )


@dataclass(frozen=True)
class _Scene:
    size_px: tuple[int, int]
    scanned_px: Box
    mpp: float
    regions: tuple[SyntheticRegion, ...]
    marks: tuple[Mark, ...]
    seed: int

    def strips(self, rows: int, counts: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """The scanned part from top to bottom, (rows, width, 3) each; adds the number of pixels of each label to
        `counts` (kinds of tissue + 1,)."""
        left, top, width, height = self.scanned_px
        columns = slice(left, left + width)
        for first in range(top, top + height, rows):
            last = min(first + rows, top + height)
            labels = fill_rows(_labelled(self.regions), first, last - first, self.size_px[0], self.mpp)[:, columns]
            for label in range(1, len(counts)):
                counts[label] += np.count_nonzero(labels == label)
            yield self._marked(first, last)[:, columns]

    def _marked(self, first: int, last: int) -> NDArray[np.uint8]:
        touching = [mark for mark in self.marks if mark.touches(first, last, self.mpp)]
        # A blur needs to see the rows around the strip.
        reach = max((mark.reach_px(self.mpp) for mark in touching), default=0)
        top, bottom = max(0, first - reach), min(self.size_px[1], last + reach)
        pixels = self._painted(top, bottom)
        for mark in touching:
            pixels = mark.draw(pixels, top, self.size_px, self.mpp)
        return pixels[first - top : last - top]

    def _painted(self, first: int, last: int) -> NDArray[np.uint8]:
        pixels = _glass(last - first, self.size_px[0])
        for region in self.regions:
            texture = _texture_bank(region.kind, _bank_side_px(self.size_px, self.mpp), self.mpp, self.seed)
            for row in range(first, last):
                for start, end in pixel_spans(region.shape, row, self.size_px[0], self.mpp):
                    _copy_wrapped(texture[row % len(texture)], pixels[row - first], start, end)
        return _restained(pixels, self._stain_depth(first, last)) if self.regions else pixels

    @cached_property
    def _stain_grid(self) -> NDArray[np.float64]:
        """Depth of stain, 1 on average, every _STAIN_PITCH_PX px: it drifts over the slide as on real sections."""
        columns, rows = (side // _STAIN_PITCH_PX + 2 for side in self.size_px)
        noise = np.random.default_rng([self.seed, 1]).normal(0.0, 1.0, (rows, columns))
        sigma = _STAIN_DRIFT_UM / self.mpp / _STAIN_PITCH_PX
        smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float64)
        return np.clip(1.0 + _STAIN_VARIATION * smooth / max(float(smooth.std()), 1e-9), 0.7, 1.3)

    def _stain_depth(self, first: int, last: int) -> NDArray[np.uint8]:
        """(rows, width) depth of stain in 1/128."""
        grid = self._stain_grid
        at = np.arange(first, last) / _STAIN_PITCH_PX
        above = at.astype(np.intp)
        weight = (at - above)[:, None]
        lines = (128 * (grid[above] * (1 - weight) + grid[above + 1] * weight)).astype(np.uint8)
        depth = cv2.resize(lines, (grid.shape[1] * _STAIN_PITCH_PX, last - first), interpolation=cv2.INTER_LINEAR)
        return np.asarray(depth[:, : self.size_px[0]], np.uint8)


def _glass(rows: int, columns: int) -> NDArray[np.uint8]:
    return np.tile(np.full((columns, 3), GLASS_RGB, np.uint8), (rows, 1, 1))


def _restained(pixels: NDArray[np.uint8], depth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels with what they absorb beyond glass multiplied by `depth` / 128; glass stays as it is."""
    glass = _glass(pixels.shape[0], pixels.shape[1])
    absorbed = cv2.multiply(cv2.subtract(glass, pixels), cv2.merge([depth] * 3), scale=1 / 128)
    return np.asarray(cv2.subtract(glass, absorbed), np.uint8)


def _copy_wrapped(source: NDArray[np.uint8], target: NDArray[np.uint8], start: int, end: int) -> None:
    """target[start:end] from the endless repetition of `source`."""
    side = len(source)
    while start < end:
        phase = start % side
        step = min(side - phase, end - start)
        target[start : start + step] = source[phase : phase + step]
        start += step


def _bank_side_px(size_px: tuple[int, int], mpp: float) -> int:
    step = texture_step_px(mpp)
    return max(1, min(_TEXTURE_PX // step, math.ceil(max(size_px) / step))) * step


@lru_cache(maxsize=6)
def _texture_bank(kind: str, side_px: int, mpp: float, seed: int) -> NDArray[np.uint8]:
    return paint_tissue(kind, (side_px, side_px), mpp, seed)


def _label(kind: str) -> int:
    return TISSUE_KINDS.index(kind) + 1


def _labelled(regions: Sequence[SyntheticRegion]) -> list[tuple[Shape, int]]:
    return [(region.shape, _label(region.kind)) for region in regions]


def _label_map(
    regions: Sequence[SyntheticRegion], size_px: tuple[int, int], scanned_px: Box, mpp: float
) -> NDArray[np.uint8]:
    columns, rows = (math.ceil(side * mpp / _TRUTH_MPP) for side in size_px)
    if scanned_px == (0, 0, *size_px):
        return fill_rows(_labelled(regions), 0, rows, columns, _TRUTH_MPP)
    left, top, width, height = (side * mpp for side in scanned_px)
    scanned = fill_rows([(Rectangle((left, top), (width, height)), 1)], 0, rows, columns, _TRUTH_MPP)
    return fill_rows(_labelled(regions), 0, rows, columns, _TRUTH_MPP) * scanned


def _scanned_px(scanned_px: Box | None, size_px: tuple[int, int], coarsest: int, layout: Layout) -> Box:
    if scanned_px is None:
        return (0, 0, *size_px)
    x, y, width, height = scanned_px
    inside = 0 <= x < x + width <= size_px[0] and 0 <= y < y + height <= size_px[1]
    if layout != "leica" or not inside or width % coarsest or height % coarsest:
        raise UsageError("a scanned part needs the leica layout, lies on the slide, and divides by its downsamples")
    return scanned_px


def _size_px(size_px: tuple[int, int] | None, size_um: tuple[float, float] | None, mpp: float) -> tuple[int, int]:
    if (size_px is None) == (size_um is None):
        raise UsageError("a synthetic slide needs either size_px or size_um")
    size = size_px or tuple(round(side / mpp) for side in size_um or ())
    if len(size) != 2 or min(size) < 1:
        raise UsageError("a synthetic slide needs a width and a height of at least one pixel")
    return (int(size[0]), int(size[1]))


def _description(spec: PyramidSpec, mpp: float, layout: Layout, size_px: tuple[int, int], scanned_px: Box) -> str:
    """The ImageDescription tag, by which OpenSlide tells the vendor."""
    if layout in ("none", "tiff-resolution"):
        return SYNTHETIC_MARK
    if layout == "leica":
        return _leica_description(spec, mpp, size_px, scanned_px)
    width, height = spec.size_px
    pixels = f"{width}x{height} ({spec.tile_px}x{spec.tile_px}) JPEG/YCC Q={spec.quality}"
    fields = [f"Aperio layout, {SYNTHETIC_MARK}\r\n{pixels}", f"AppMag = {10 / mpp:.6g}"]
    if layout == "aperio":
        fields.append(f"MPP = {mpp:.6g}")
    return "|".join(fields)


def _leica_description(spec: PyramidSpec, mpp: float, size_px: tuple[int, int], scanned_px: Box) -> str:
    """SCN 2010 XML: lengths in nanometres, one image at an offset within the collection's area."""
    x, y, width, height = (round(side * mpp * 1000) for side in scanned_px)
    area = [round(side * mpp * 1000) for side in size_px]
    levels = [(i, *spec.level_size_px(i)) for i in range(len(spec.downsamples))]
    dimensions = "".join(f'<dimension sizeX="{w}" sizeY="{h}" r="{i}" ifd="{i}"/>' for i, w, h in levels)
    return (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection name="{SYNTHETIC_MARK}" sizeX="{area[0]}" sizeY="{area[1]}"><image name="scanned">'
        f'<device model="{SYNTHETIC_MARK}"/>'
        f'<pixels sizeX="{spec.size_px[0]}" sizeY="{spec.size_px[1]}">{dimensions}</pixels>'
        f'<view sizeX="{width}" sizeY="{height}" offsetX="{x}" offsetY="{y}"/>'
        f"<scanSettings><objectiveSettings><objective>{10 / mpp:.6g}</objective></objectiveSettings>"
        "<illuminationSettings><illuminationSource>brightfield</illuminationSource></illuminationSettings>"
        "</scanSettings></image></collection></scn>"
    )
