"""What there is to predict on a slide: its tissue areas and the grid of tiles. The masks end here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tiler import given as given_masks
from tiler.false_colours.righted_slide import can_be_righted, in_right_colours
from tiler.false_colours.undo import way_to_right
from tiler.grid import lay_grid
from tiler.spec import Grid, TileSpec
from tiler.tissue import TissueAreas, TissueMask, find_tissue
from wsi.slide import Slide

if TYPE_CHECKING:
    from tiler.given.mask import GivenFacts, GivenMask


@dataclass(frozen=True)
class Survey:
    """Areas in mm2, and the tiles that hold the tissue, of the slide `in_right_colours(slide, areas.righted)`."""

    areas: TissueAreas
    grid: Grid
    given: GivenFacts | None = None  # of a person's mask, where there is one


def survey_slide(slide: Slide, spec: TileSpec, given: GivenMask | None = None) -> Survey:
    """Finds the tissue and lays the grid; no later step needs so much memory again. Raises as `lay_grid` does, and as
    `lay_over` where a person's mask was `given`.

    False colours are put right first, where their mistake can be undone and what comes out looks like H&E.
    """
    tissue = find_tissue(slide)
    right, righting = _righted(slide, tissue)
    facts = None
    if given is not None:
        right, facts = given_masks.lay_over(given, right, slide)
    return Survey(replace(right.areas, righted=righting), lay_grid(right, spec, slide), facts)


def _righted(slide: Slide, tissue: TissueMask) -> tuple[TissueMask, str]:
    """The tissue of the slide in right colours, and how they were put right; as it is and "" where none need be or
    can be."""
    way = way_to_right(tissue.mistake)
    if way is not None and can_be_righted(slide, way):
        with in_right_colours(slide, way) as seen:
            found = find_tissue(seen)
        if found.looks_like_h_and_e:
            return found, str(way)
    return tissue, ""
