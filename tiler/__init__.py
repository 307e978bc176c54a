"""From a slide to a stream of tile batches: tissue mask, tile quality, grid, stream. Knows no model and no result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsi.process.later import from_homes

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

# Who only needs a TileSpec opens no imaging library.
__getattr__ = from_homes(
    __name__,
    {
        "lay_grid": "grid",
        "Grid": "spec",
        "TileBatch": "spec",
        "TileQuality": "spec",
        "TileSpec": "spec",
        "map_tiles": "stream",
        "read_tile_at": "stream",
        "stream_tiles": "stream",
        "Survey": "survey",
        "survey_slide": "survey",
        "TissueAreas": "tissue",
        "TissueMask": "tissue",
        "find_tissue": "tissue",
    },
)
