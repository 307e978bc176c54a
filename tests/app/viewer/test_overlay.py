"""Where cells lie, against cells drawn by hand, and what a click reads."""

import pytest

from app.viewer.reading import overlay
from app.viewer.reading.spot import read_spot
from tests.results import make_result

CELLS = """
.01
2ub
"""


@pytest.fixture
def result():
    return make_result(cells=CELLS, origin_px=(100, -20), cell_px=64.5)


def test_the_picture_lies_where_the_cells_do_and_may_overhang(result):
    assert overlay.placement(result.heatmap) == overlay.Placement(100, -20, 3 * 64.5, 2 * 64.5)
    assert overlay.cell_placement(result.heatmap, 1, 2) == overlay.Placement(229.0, 44.5, 64.5, 64.5)


def test_a_point_finds_its_cell_on_both_sides_of_every_edge(result):
    assert overlay.cell_at(result.heatmap, 100, -20) == (0, 0)
    assert overlay.cell_at(result.heatmap, 164.4, 44.4) == (0, 0)
    assert overlay.cell_at(result.heatmap, 164.6, 44.6) == (1, 1)
    for outside in ((99.9, 0), (293.6, 0), (150, -20.1), (150, 109.1)):
        assert overlay.cell_at(result.heatmap, *outside) is None


def test_a_click_reads_what_the_heatmap_shows(result):
    reading = read_spot(result, 170.0, 0.0)
    assert reading.probabilities == pytest.approx((0.9, 0.05, 0.05))
    assert (reading.row, reading.column, reading.flaws) == (0, 1, ())
    assert reading.familiarity == pytest.approx(0.8)


def test_a_click_on_silent_tissue_says_why(result):
    unknown, blurred = read_spot(result, 170.0, 60.0), read_spot(result, 240.0, 60.0)
    assert unknown.probabilities is None and unknown.flaws == () and unknown.familiarity < 0.01
    assert blurred.probabilities is None and blurred.flaws == ("out of focus",)


def test_a_click_on_glass_or_beside_the_heatmap(result):
    glass = read_spot(result, 110.0, 0.0)
    assert not glass.tissue and glass.familiarity is None
    assert read_spot(result, 5.0, 5.0) is None


def test_with_overlap_the_most_central_tile_is_read():
    result = make_result(cells="00\n00", cell_px=50.0, provenance={"tile": {"overlap": 0.5}})
    reading = read_spot(result, 75.0, 75.0)
    assert (reading.row, reading.column) == (1, 1)
    assert reading.familiarity == pytest.approx(0.8)
