"""Attention as cells and regions, against maps drawn by hand."""

from dataclasses import replace

import numpy as np
import pytest

from aggregate.result import SlideOpinion
from app.presentation.attention import attended_regions, attention_cells, shades, top_of
from tests.results import CLASSES, make_result

MAP = """
0000000000
0000000000
00000000ub
"""
CELL_MM2 = (100 * 0.5) ** 2 / 1e6


def attended(weights, *, cells=MAP, **more):
    """A result whose tiles have the attention `weights`: {(row, column): weight}, of the rest 1; None: no part."""
    result = make_result(cells=cells, cell_px=100.0, origin_px=(-20, 40), mpp=0.5, **more)
    places = np.argwhere(np.array([list(line) for line in cells.split()]) != ".")
    attention = np.array([weights.get(tuple(place), 1.0) for place in places.tolist()], np.float32)
    attention /= np.nansum(attention)
    opinion = SlideOpinion(
        "drawn",
        "1",
        "ab" * 32,
        CLASSES,
        "normal",
        (0.2, 0.7, 0.1),
        {"0.95": ("normal", CLASSES[0])},
        "several",
        attention,
    )
    return replace(result, tiles=replace(result.tiles, attention=attention), opinion=opinion)


def test_cells_are_times_an_even_share_and_tell_who_took_no_part():
    times = attention_cells(attended({(0, 0): 30.0, (2, 9): np.nan}))
    total = 28 + 30.0
    assert times[0, 0] == pytest.approx(30 * 29 / total) and times[1, 1] == pytest.approx(29 / total)
    assert np.isnan(times[2, 9]) and not np.isnan(times[2, 8])
    assert np.nanmean(times) == pytest.approx(1.0)


def test_a_cell_without_tissue_has_none_and_overlapping_tiles_are_averaged():
    result = attended({(0, 0): 5.0}, cells="00.\n000", provenance={"tile": {"overlap": 0.5}})
    times = attention_cells(result)
    # Tiles at (0, 0), (0, 1), (1, 0), (1, 1), (1, 2), two cells wide; cell (1, 2) is under three of them.
    assert times[0, 0] == pytest.approx(5 * 5 / 9) and times[0, 1] == pytest.approx((5 + 1) / 2 * 5 / 9)
    assert times[1, 2] == pytest.approx(5 / 9)


def test_even_attention_is_pale_everywhere_and_has_no_region():
    result = attended({})
    times = attention_cells(result)
    assert top_of(times) == 10.0 and np.nanmax(shades(times)) == pytest.approx(0.0, abs=1e-6)
    assert attended_regions(result) == []


def test_the_scale_runs_by_its_logarithm_to_the_greatest():
    times = np.array([[0.2, 1.0, 10.0], [100.0, np.nan, 5.0]])
    assert shades(times)[0].tolist() == pytest.approx([0, 0, 0.5])
    assert shades(times)[1, 0] == 1.0 and np.isnan(shades(times)[1, 1])


def test_regions_are_joined_by_their_sides_and_come_by_their_share():
    weights = {(0, 0): 10.0, (0, 1): 30.0, (2, 5): 25.0, (1, 8): 9.0, (0, 6): 8.0}
    total = 25 + sum(weights.values())
    first, second, third = attended_regions(attended(weights))
    assert [one.share * total for one in (first, second, third)] == pytest.approx([40.0, 25.0, 9.0])
    assert first.area_mm2 == pytest.approx(2 * CELL_MM2) and second.area_mm2 == pytest.approx(CELL_MM2)
    # The middle of the most attended cell, column 1 of cells 100 px wide from (-20, 40).
    assert (first.x, first.y) == (-20 + 150, 40 + 50)


@pytest.mark.parametrize("without", [None, np.nan])
def test_without_attention_there_is_no_layer(without):
    result = make_result(cells=MAP)
    if without is not None:
        result = replace(
            result, tiles=replace(result.tiles, attention=np.full(len(result.tiles.xy), without, np.float32))
        )
    assert attention_cells(result) is None and attended_regions(result) == []
