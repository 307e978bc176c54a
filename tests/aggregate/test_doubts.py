"""Areas that could not be judged and tiles that are outvoted: found, counted in tiles, and told where they lie."""

import numpy as np
import pytest

from aggregate.doubts import Doubts, find_doubts
from tests.aggregate.test_summary import grid_of
from tiler.spec import TileQuality


def doubts_of(drawn, cells_per_side=1, tumour=None, origin_px=(0, 0)):
    """`drawn`: v votes, u does not, e is a rim that does not, . is glass; a tile of 64 px each."""
    letters = np.array([list(line) for line in drawn.split()])
    grid = grid_of(letters != ".", origin_px=origin_px, cells_per_side=cells_per_side)
    kinds = letters[grid.cell[:, 0], grid.cell[:, 1]]
    quality = np.where(kinds == "e", TileQuality.EDGE, 0).astype(np.uint8)
    tumour = np.zeros(len(kinds)) if tumour is None else np.asarray(tumour, float)
    return find_doubts(grid, kinds == "v", quality, tumour, unjudged_tiles=4.0, tumour_like=0.9)


def test_an_area_is_counted_and_placed_at_its_middle():
    doubts = doubts_of("vvvvvv vuuuvv vuuuvv vvvvvv vvvvvu", origin_px=(1000, 500))
    assert doubts.unjudged.tiles == 6 and doubts.unjudged_areas == 1
    assert (doubts.unjudged.x_px, doubts.unjudged.y_px) == (1000 + 2.5 * 64, 500 + 1.5 * 64)


def test_the_place_lies_in_the_area_also_where_it_is_a_ring():
    doubts = doubts_of("uuuuu uvvvu uvvvu uvvvu uuuuu")
    assert doubts.unjudged.tiles == 16
    column, row = int(doubts.unjudged.x_px // 64), int(doubts.unjudged.y_px // 64)
    assert row in (0, 4) or column in (0, 4)


@pytest.mark.parametrize(("drawn", "areas"), [("uuu uvv", 1), ("uuu vvv", 0), ("uuvv vvuu", 0), ("uuuu vvvv uuuu", 2)])
def test_four_tiles_joined_by_their_sides_are_an_area(drawn, areas):
    assert doubts_of(drawn).unjudged_areas == areas


def test_the_rim_of_the_tissue_is_no_area():
    assert doubts_of("eeeee evvve eeeee").unjudged.tiles == 0
    # Nor does it join others.
    assert doubts_of("uueuu vvvvv").unjudged_areas == 0


def test_glass_is_no_area():
    assert doubts_of("..... vvvvv .....").unjudged_areas == 0


def test_where_all_vote_or_none_does():
    assert doubts_of("vvv vvv").unjudged_areas == 0 and np.isnan(doubts_of("vvv vvv").unjudged.x_px)
    assert doubts_of("uuu uuu").unjudged.tiles == 6


def test_with_overlap_what_a_voting_tile_covers_is_judged_and_areas_are_whole_tiles():
    drawn = "vvvvvvvv " * 2 + "vuuuuuvv " * 5 + "vvvvvvvv " * 2
    doubts = doubts_of(drawn, cells_per_side=2)
    # 5 x 5 places of half a tile without a vote cover 6 x 6 cells; the votes around them cover the outer ones, too.
    assert doubts.unjudged.tiles == 4 * 4 / 4


def test_tiles_that_look_like_tumour_are_counted_and_the_surest_is_placed():
    doubts = doubts_of("vvv vuv", tumour=[0.1, 0.9, 0.2, 0.95, 0.99, 0.89])
    assert doubts.tumour_like.tiles == 2  # one that does not vote, and one just under, are not
    assert (doubts.tumour_like.x_px, doubts.tumour_like.y_px) == (32.0, 96.0)
    assert doubts_of("vvv vuv", tumour=[0.89] * 6).tumour_like.tiles == 0


def test_with_overlap_a_tile_covers_the_cells_after_its_corner():
    """Half a tile a cell: a tile that does not vote, in the last corner, leaves what the votes do not cover."""
    doubts = doubts_of("vvv vvv vvv", cells_per_side=2)
    assert doubts.unjudged.tiles == 0
    corner = doubts_of("vvv vuv vvv", cells_per_side=2)
    assert corner.unjudged.tiles == 1 / 4
    assert (corner.unjudged.x_px, corner.unjudged.y_px) == (2.5 * 64, 2.5 * 64)


def test_with_overlap_tiles_that_look_like_tumour_are_counted_in_whole_tiles():
    doubts = doubts_of("vvvv vvvv", cells_per_side=2, tumour=[0.95, 0.95, 0.1])
    assert doubts.tumour_like.tiles == 2 / 4


def test_where_nothing_is_doubted_all_is_as_by_default():
    found = doubts_of("vvv vvv")
    assert (found.unjudged_areas, found.unjudged.tiles, found.tumour_like.tiles) == (0, 0.0, 0.0)
    assert (Doubts().unjudged_areas, Doubts().unjudged.tiles, Doubts().tumour_like.tiles) == (0, 0.0, 0.0)
