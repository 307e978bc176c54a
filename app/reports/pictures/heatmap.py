"""The heatmap as one picture of the whole slide, for reports: crisp cells on white, with an outline.

Draws the call of each cell, deeper where its probability is higher, and hatches tissue without a call. Writes no file.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aggregate.result import Heatmap, SlideResult
from app.presentation.colours import NOT_RECOGNISED, class_colours, rgb
from wsi.spacing import px_to_um

LONG_SIDE_PX = 1400
_PALEST = 0.35  # a call with no lead over the other classes is still seen as a colour
_HATCH_PX = 10
_OUTLINE_RGB = (120, 128, 138)
_HATCH_RGB = (228, 230, 233)
_BAR_SHARE = 0.25


@dataclass(frozen=True)
class HeatmapPicture:
    """`pixels` is (height, width, 3) uint8 RGB and shows the scanned part of the slide from edge to edge."""

    pixels: NDArray[np.uint8]
    width_um: float
    bar_um: float

    @property
    def bar_share(self) -> float:
        """Length of the scale bar as a share of the picture's width."""
        return self.bar_um / self.width_um

    @cached_property
    def png(self) -> bytes:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


def draw_heatmap(result: SlideResult, long_side_px: int = LONG_SIDE_PX) -> HeatmapPicture:
    """The heatmap of a slide, its longer side `long_side_px` picture pixels."""
    heatmap = result.heatmap
    x, y, width_px, height_px = shown_part(result)
    step = max(width_px, height_px) / long_side_px
    columns = _cells_along(width_px, step, heatmap.origin_px[0] - x, heatmap)
    rows = _cells_along(height_px, step, heatmap.origin_px[1] - y, heatmap)
    calls = _sampled(heatmap.call, rows, columns)
    pixels = _shaded(calls, _call_probability(heatmap, rows, columns), result)
    without_call = (_sampled(heatmap.tissue, rows, columns) > 0) & (calls == 0)
    pixels[without_call] = np.where(_hatch(pixels.shape[:2])[without_call, None], rgb(NOT_RECOGNISED), _HATCH_RGB)
    _outline(pixels)
    width_um = px_to_um(width_px, result.slide.mpp)
    return HeatmapPicture(pixels, width_um, round_length_um(width_um * _BAR_SHARE))


def shown_part(result: SlideResult) -> tuple[int, int, int, int]:
    """(x, y, width, height), level-0 px, of what pictures of the whole slide show: the scanned part, if it is told."""
    return result.slide.bounds_px or (0, 0, *result.slide.size_px)


def round_length_um(at_most_um: float) -> float:
    """The longest of 1, 2, 5, 10, 20, 50, ... um that does not exceed `at_most_um`."""
    decade = 10.0 ** math.floor(math.log10(at_most_um))
    return max(factor * decade for factor in (1, 2, 5) if factor * decade <= at_most_um)


def _cells_along(side_px: int, step: float, origin_px: int, heatmap: Heatmap) -> NDArray[np.int64]:
    """Grid cell under the centre of each picture pixel along one side; may lie outside the grid."""
    centres_px = (np.arange(max(1, round(side_px / step))) + 0.5) * step
    return np.floor((centres_px - origin_px) / heatmap.cell_px).astype(np.int64)


def _sampled(cells: NDArray[np.uint8], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.uint8]:
    """`cells` at each (row, column), 0 outside the grid."""
    row_count, column_count = cells.shape
    inside = ((rows >= 0) & (rows < row_count))[:, None] & ((columns >= 0) & (columns < column_count))[None, :]
    taken = cells[np.clip(rows, 0, row_count - 1)][:, np.clip(columns, 0, column_count - 1)]
    return np.where(inside, taken, 0).astype(np.uint8)


def _call_probability(heatmap: Heatmap, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of each picture pixel's called class; 0 where there is no call."""
    called = np.maximum(heatmap.call.astype(np.int64) - 1, 0)
    of_call = np.take_along_axis(np.nan_to_num(heatmap.probabilities), called[None], axis=0)[0]
    percent = np.round(np.where(heatmap.call > 0, of_call, 0.0) * 255).astype(np.uint8)
    return _sampled(percent, rows, columns) / 255.0


def _shaded(calls: NDArray[np.uint8], probability: NDArray[np.float64], result: SlideResult) -> NDArray[np.uint8]:
    palette = class_colours(result.classes, result.background, result.tissues)
    colours = np.array([(255, 255, 255), *(rgb(palette[name]) for name in result.outputs)], float)
    by_chance = 1.0 / len(result.outputs)
    lead = np.clip((probability - by_chance) / max(1e-9, 1.0 - by_chance), 0.0, 1.0)
    strength = (_PALEST + (1.0 - _PALEST) * lead)[..., None]
    return np.round(255 + (colours[calls] - 255) * strength).astype(np.uint8)


def _hatch(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rows, columns = np.indices(shape[:2], sparse=True)
    return (rows + columns) // _HATCH_PX % 2 == 0


def _outline(pixels: NDArray[np.uint8]) -> None:
    for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
        edge[:] = _OUTLINE_RGB
