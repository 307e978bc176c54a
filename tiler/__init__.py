"""From a slide to a stream of tile batches: tissue mask, tile quality, grid, stream. Knows no model and no result."""

from tiler.grid import lay_grid
from tiler.spec import Grid, TileBatch, TileQuality, TileSpec
from tiler.stream import map_tiles, stream_tiles
from tiler.tissue import TissueMask, find_tissue

__all__ = [
    "Grid",
    "TileBatch",
    "TileQuality",
    "TileSpec",
    "TissueMask",
    "find_tissue",
    "lay_grid",
    "map_tiles",
    "stream_tiles",
]
