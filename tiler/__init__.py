"""From a slide to a stream of tile batches: tissue mask, tile quality, grid, stream. Knows no model and no result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiler.grid import lay_grid
    from tiler.spec import Grid, TileBatch, TileQuality, TileSpec
    from tiler.stream import map_tiles, stream_tiles
    from tiler.tissue import TissueAreas, TissueMask, find_tissue

__all__ = [
    "Grid",
    "TileBatch",
    "TileQuality",
    "TileSpec",
    "TissueAreas",
    "TissueMask",
    "find_tissue",
    "lay_grid",
    "map_tiles",
    "stream_tiles",
]

_HOMES = {
    "lay_grid": "tiler.grid",
    "Grid": "tiler.spec",
    "TileBatch": "tiler.spec",
    "TileQuality": "tiler.spec",
    "TileSpec": "tiler.spec",
    "map_tiles": "tiler.stream",
    "stream_tiles": "tiler.stream",
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
