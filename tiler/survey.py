"""What there is to predict on a slide: its tissue areas and the grid of tiles. The masks end here."""

from __future__ import annotations

from dataclasses import dataclass

from tiler.grid import lay_grid
from tiler.spec import Grid, TileSpec
from tiler.tissue import TissueAreas, find_tissue
from wsi.slide import Slide


@dataclass(frozen=True)
class Survey:
    """Areas in mm2, and the tiles that hold the tissue."""

    areas: TissueAreas
    grid: Grid


def survey_slide(slide: Slide, spec: TileSpec) -> Survey:
    """Finds the tissue and lays the grid; no later step needs so much memory again. Raises as `lay_grid` does."""
    tissue = find_tissue(slide)
    return Survey(tissue.areas, lay_grid(tissue, spec, slide))
