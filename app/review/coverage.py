"""What of the tissue was on the screen before the signature, and how large: a mask of cells 32 um wide, and one figure.

Kept inside what a signature says of the screen, and so sealed with it. It holds how far each cell was ever magnified,
and nothing of when, in which order or for how long. That something was on the screen does not say that it was seen.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.result import SlideResult

CELL_UM = 32.0
# Magnifications, of which a cell keeps the greatest that it was shown at; a 10x objective shows 1 um a screen px.
STEPS = (2.5, 5.0, 10.0, 20.0, 40.0)
# The one figure is told of this step.
FIGURE_STEP = 10.0
# A whole glass of 75 x 25 mm has 1.8 million.
MAX_CELLS = 1 << 24
_MAX_RUNS = 1 << 21
KEY = "coverage"


@dataclass(frozen=True)
class CoverageGrid:
    """Cells over a slide from its corner on: `rows` by `columns`, each `cell_px` level-0 px wide."""

    rows: int
    columns: int
    cell_px: float


@dataclass(frozen=True)
class Coverage:
    """`seen` is (rows, columns) uint8: 0 never, else 1 + the place in STEPS of the greatest step. `share` is by step
    the share of the tissue's cells that were shown at it or larger, 0 to 1."""

    seen: NDArray[np.uint8]
    share: Mapping[float, float]

    @property
    def figure(self) -> float:
        return self.share[FIGURE_STEP]


def grid_of(result: SlideResult) -> CoverageGrid | None:
    """None for a slide that is too large for it, which no glass is."""
    cell_px = CELL_UM / result.slide.mpp
    columns, rows = (math.ceil(size / cell_px) for size in result.slide.size_px)
    return CoverageGrid(rows, columns, cell_px) if 0 < rows * columns <= MAX_CELLS else None


def tissue_on(result: SlideResult, grid: CoverageGrid) -> NDArray[np.bool_]:
    """(rows, columns): whether the middle of a cell lies in tissue, as the heatmap has it."""
    heatmap = result.heatmap
    rows, columns = heatmap.tissue.shape

    def at(count: int, origin: int, end: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        place = np.floor(((np.arange(count) + 0.5) * grid.cell_px - origin) / heatmap.cell_px).astype(np.intp)
        return np.clip(place, 0, end - 1), (place >= 0) & (place < end)

    column, across = at(grid.columns, heatmap.origin_px[0], columns)
    row, down = at(grid.rows, heatmap.origin_px[1], rows)
    inside: NDArray[np.bool_] = (heatmap.tissue[np.ix_(row, column)] > 0) & np.outer(down, across)
    return inside


def coverage_of(seen: NDArray[np.uint8], tissue: NDArray[np.bool_]) -> Coverage:
    """Of two (rows, columns); nothing of a slide without tissue is covered."""
    cells = max(1, int(tissue.sum()))
    counts = {step: int((tissue & (seen > number)).sum()) for number, step in enumerate(STEPS)}
    return Coverage(seen, {step: count / cells for step, count in counts.items()})


def taken_in(told: object, result: SlideResult) -> dict[str, Any] | None:
    """What a signature keeps of what a browser told: runs of (step, cells) in reading order. None for what is no
    coverage of this slide: a signature is not refused for it."""
    grid = grid_of(result)
    match told:
        case {"runs": list(runs)} if grid is not None and len(runs) <= _MAX_RUNS and len(runs) % 2 == 0:
            seen = _expanded(runs, grid)
            return None if seen is None else facts(coverage_of(seen, tissue_on(result, grid)))
    return None


def facts(coverage: Coverage) -> dict[str, Any]:
    """As it is stored: the mask deflated, in base64; shares to the fourth place, by step as text."""
    rows, columns = coverage.seen.shape
    return {
        "cell_um": CELL_UM,
        "rows": rows,
        "columns": columns,
        "steps": list(STEPS),
        "seen": base64.b64encode(zlib.compress(coverage.seen.tobytes(), 9)).decode(),
        "share": {f"{step:g}": round(share, 4) for step, share in coverage.share.items()},
    }


def stored(screen: str) -> Mapping[str, Any] | None:
    """What a signature's screen (canonical JSON) holds of it; None where nothing was kept."""
    try:
        told = json.loads(screen).get(KEY)
    except (ValueError, AttributeError):
        return None
    return told if isinstance(told, Mapping) else None


def stored_figure(screen: str) -> float | None:
    """The one figure as it was signed; None where nothing was kept."""
    try:
        share = float((stored(screen) or {})["share"][f"{FIGURE_STEP:g}"])
    except (KeyError, TypeError, ValueError):
        return None
    return share if 0.0 <= share <= 1.0 else None


def replayed(told: Mapping[str, Any], result: SlideResult) -> Coverage | None:
    """Counted anew from the stored mask and the result that was signed; None where they do not belong together."""
    grid = grid_of(result)
    try:
        size = int(told["rows"]), int(told["columns"])
        if grid is None or size != (grid.rows, grid.columns) or tuple(told["steps"]) != STEPS:
            return None
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.b64decode(told["seen"], validate=True), size[0] * size[1] + 1)
        seen = np.frombuffer(raw, np.uint8).reshape(size)
    except (KeyError, TypeError, ValueError, zlib.error):
        return None
    return None if seen.max(initial=0) > len(STEPS) else coverage_of(seen, tissue_on(result, grid))


def runs_of(seen: NDArray[np.uint8]) -> list[int]:
    """(rows, columns) as step, cells, step, cells, ... in reading order: what a browser tells and is told."""
    flat = seen.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    lengths = np.diff(np.concatenate([starts, [len(flat)]]))
    return [int(number) for pair in zip(flat[starts], lengths, strict=True) for number in pair]


def _expanded(runs: list[Any], grid: CoverageGrid) -> NDArray[np.uint8] | None:
    if not all(type(number) is int and 0 <= number <= MAX_CELLS for number in runs):
        return None
    steps, lengths = np.array(runs[::2], np.int64), np.array(runs[1::2], np.int64)
    if lengths.sum() != grid.rows * grid.columns or steps.max(initial=0) > len(STEPS):
        return None
    return np.repeat(steps.astype(np.uint8), lengths).reshape(grid.rows, grid.columns)
