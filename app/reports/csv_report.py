"""The CSV report: one line a tile, in reading order, for a spreadsheet or a data frame.

Columns: tile (from 0), x_px, y_px (level-0 px, top-left corner), side_px (level-0 px), p_<class> (calibrated),
familiarity (0 to 1), quality (``good`` or flags joined by ``|``), tissue_fraction (0 to 1), votes (1 or 0: takes part
in the slide's probabilities) and call (the likeliest class of a tile that votes; else ``poor-quality`` or
``not-recognised``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aggregate.heatmap import likeliest
from aggregate.result import SlideResult
from tiler.spec import TileQuality
from wsi.files.csv_cells import csv_line, inert
from wsi.text import plain

_BEFORE = ("tile", "x_px", "y_px", "side_px")
_AFTER = ("familiarity", "quality", "tissue_fraction", "votes", "call")


def render_csv(result: SlideResult) -> bytes:
    """The tile table of one slide as UTF-8 CSV with a header."""
    header = [*_BEFORE, *(f"p_{plain(name)}" for name in result.outputs), *_AFTER]
    return "".join(map(csv_line, (header, *_lines(result)))).encode("utf-8", "replace")


def quality_names(flags: int) -> str:
    """``good``, or the flags' names joined by ``|``."""
    return "|".join(flag.name.lower() for flag in TileQuality if flags & flag and flag.name) or "good"


def _lines(result: SlideResult) -> Iterator[list[str]]:
    tiles = result.tiles
    side_px = f"{result.tile_side_px:g}"
    names = [inert(plain(name)) for name in result.outputs]
    winner = likeliest(tiles.probabilities, result.tumour_outputs)
    for i in range(len(tiles.xy)):
        votes, flags = bool(tiles.votes[i]), int(tiles.quality[i])
        yield [
            str(i),
            str(tiles.xy[i, 0]),
            str(tiles.xy[i, 1]),
            side_px,
            *(_number(p) for p in tiles.probabilities[i]),
            _number(tiles.familiarity[i]),
            quality_names(flags),
            _number(tiles.tissue_fraction[i]),
            str(int(votes)),
            names[winner[i]] if votes else "poor-quality" if flags else "not-recognised",
        ]


def _number(value: np.floating) -> str:
    # Nine significant digits bring a float32 back exactly.
    return f"{value:.9g}" if np.isfinite(value) else ""
