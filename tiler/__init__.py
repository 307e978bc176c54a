"""From a slide to a stream of tile batches: tissue mask, tile quality, grid, stream. Knows no model and no result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiler.grid import lay_grid
    from tiler.spec import Grid, TileBatch, TileQuality, TileSpec
    from tiler.stream import map_tiles, read_tile_at, stream_tiles
    from tiler.survey import Survey, survey_slide
    from tiler.tissue import TissueAreas, TissueMask, find_tissue

__all__ = [
    "Grid",
    "Survey",
    "TileBatch",
    "TileQuality",
    "TileSpec",
    "TissueAreas",
    "TissueMask",
    "find_tissue",
    "lay_grid",
    "map_tiles",
    "read_tile_at",
    "stream_tiles",
    "survey_slide",
]

_HOMES = {
    "lay_grid": "tiler.grid",
    "Grid": "tiler.spec",
    "TileBatch": "tiler.spec",
    "TileQuality": "tiler.spec",
    "TileSpec": "tiler.spec",
    "map_tiles": "tiler.stream",
    "read_tile_at": "tiler.stream",
    "stream_tiles": "tiler.stream",
    "Survey": "tiler.survey",
    "survey_slide": "tiler.survey",
    "TissueAreas": "tiler.tissue",
    "TissueMask": "tiler.tissue",
    "find_tissue": "tiler.tissue",
}


def __getattr__(name: str) -> Any:
    """Loads what is asked for: who only needs a TileSpec opens no imaging library."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tiler' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
