"""What the model says at one point of the slide: the cell under it and the tile around it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aggregate.result import SlideResult
from app.viewer.reading.overlay import Placement, cell_at, cell_placement
from tiler.spec import TileQuality

_QUALITY_WORDS = {
    TileQuality.BLUR: "out of focus",
    TileQuality.PEN: "under pen",
    TileQuality.DARK: "very dark",
    TileQuality.EDGE: "cut off at the edge of the scan",
}


@dataclass(frozen=True)
class Reading:
    """One point of the slide. `probabilities` are the heatmap's there, in the classes' order; None: no vote.

    `tile` is the number of the tile around it, None where there is none.
    """

    cell: Placement
    row: int
    column: int
    tissue: bool
    probabilities: tuple[float, ...] | None
    familiarity: float | None
    flaws: tuple[str, ...]
    tile: int | None
    attention: float | None = None
    """Of a slide model, as times an even share; None where it did not look, or there is none."""


def read_spot(result: SlideResult, x: float, y: float) -> Reading | None:
    """The reading at a level-0 point; None outside the heatmap."""
    place = cell_at(result.heatmap, x, y)
    if place is None:
        return None
    row, column = place
    heatmap = result.heatmap
    probabilities = heatmap.probabilities[:, row, column]
    cell = cell_placement(heatmap, row, column)
    tile = _tile_around(result, cell)
    return Reading(
        cell=cell,
        row=row,
        column=column,
        tissue=bool(heatmap.tissue[row, column]),
        probabilities=tuple(map(float, probabilities)) if np.isfinite(probabilities).all() else None,
        familiarity=None if tile is None else float(result.tiles.familiarity[tile]),
        flaws=() if tile is None else _flaws(int(result.tiles.quality[tile])),
        tile=tile,
        attention=None if tile is None else _attention(result, tile),
    )


def telling_tile(result: SlideResult) -> int | None:
    """The voting tile that is surest of the slide's call; None where there is no call, or no tile voted."""
    if result.decision.call not in result.classes or not result.tiles.votes.any():
        return None
    of_call = result.tiles.probabilities[:, result.classes.index(result.decision.call)]
    return int(np.argmax(np.where(result.tiles.votes, of_call, -1.0)))


def _tile_around(result: SlideResult, cell: Placement) -> int | None:
    """The tile that covers the cell's centre, the most central one where tiles overlap; None where there is none."""
    if not len(result.tiles.xy):
        return None
    side_px = result.tile_side_px
    centre = np.array([cell.x + cell.width / 2, cell.y + cell.height / 2])
    distance_px = np.abs(result.tiles.xy + side_px / 2 - centre).max(axis=1)
    nearest = int(np.argmin(distance_px))
    return nearest if distance_px[nearest] < side_px / 2 else None


def _attention(result: SlideResult, tile: int) -> float | None:
    attention = result.tiles.attention
    if attention is None or not np.isfinite(attention[tile]):
        return None
    return float(attention[tile]) * int(np.isfinite(attention).sum())


def _flaws(flags: int) -> tuple[str, ...]:
    return tuple(word for flag, word in _QUALITY_WORDS.items() if flags & flag)
