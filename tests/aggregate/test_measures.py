"""Measures of called tumour against maps of known geometry, and on a drawn slide that the demo model read."""

import math
from dataclasses import replace

import numpy as np
import pytest

from aggregate.measures import measure
from aggregate.result import UNDETERMINED
from tests.results import make_result
from wsi.synthetic.shapes import Ellipse, Polygon, Rectangle, contains

CELL_MM = 0.2


def drawn(*lines, **more):
    """A result whose cells are 0.2 mm wide."""
    return make_result(cells="\n".join(lines), mpp=0.5, cell_px=400.0, **more)


def mapped(tumours, tissue, size_mm):
    """A result whose cells are called by what holds their middle, lengths in um."""
    columns, rows = (round(side / CELL_MM) for side in size_mm)

    def letter(row, column):
        x, y = (column + 0.5) * 1000 * CELL_MM, (row + 0.5) * 1000 * CELL_MM
        return "0" if any(contains(one, x, y) for one in tumours) else "1" if contains(tissue, x, y) else "."

    return drawn(*("".join(letter(row, column) for column in range(columns)) for row in range(rows)))


def test_areas_are_those_of_the_called_tissue():
    found = measure(drawn("11111", "10021", "1002u", "11b.."))
    assert found.tumour_mm2 == pytest.approx(6 * CELL_MM**2)  # of both types
    assert found.judged_mm2 == pytest.approx(16 * CELL_MM**2)  # neither glass, nor what took no part
    assert found.share == pytest.approx(6 / 16)
    assert found.error_mm == pytest.approx(CELL_MM)


def test_glass_within_a_tile_is_no_tissue():
    result = drawn("1111", "1001", "1001", "1111")
    fractions = np.where(result.tiles.probabilities[:, 0] > 0.5, 0.25, 1.0).astype(np.float32)
    found = measure(replace(result, tiles=replace(result.tiles, tissue_fraction=fractions)))
    assert found.tumour_mm2 == pytest.approx(1 * CELL_MM**2) and found.judged_mm2 == pytest.approx(13 * CELL_MM**2)


@pytest.mark.parametrize(
    ("cells", "foci", "spots"),
    [
        (("00111", "00111", "11111", "11100", "11100"), 2, 0),
        (("00111", "00111", "11001", "11001", "11111"), 1, 0),  # they touch at a corner
        (("00111", "00111", "11111", "11110", "11100"), 1, 1),  # three tiles are a spot
        (("02111", "20111", "11111", "11111", "11111"), 1, 0),  # of whichever type
        (("11111", "11111", "11011", "11111", "11111"), 0, 1),
        (("11111",), 0, 0),
    ],
)
def test_foci_and_spots_are_counted(cells, foci, spots):
    found = measure(drawn(*cells))
    assert (found.foci, found.spots) == (foci, spots)
    assert math.isnan(found.extent_mm) == math.isnan(found.edge_mm) == (not foci)


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90])
def test_the_extent_is_within_a_cell_and_the_area_within_3_percent_whichever_way_the_tumour_lies(angle):
    a, b, turn = 4000.0, 1900.0, math.radians(angle)
    points = [(a * math.cos(t), b * math.sin(t)) for t in np.linspace(0, 2 * math.pi, 200, endpoint=False)]
    outline = Polygon(tuple(
        (6100 + x * math.cos(turn) - y * math.sin(turn), 5300 + x * math.sin(turn) + y * math.cos(turn))
        for x, y in points
    ))  # fmt: skip
    other = Ellipse((11600.0, 2000.0), (1150.0, 1150.0))
    found = measure(mapped((outline, other), Rectangle((400.0, 400.0), (13000.0, 9800.0)), (14, 10.6)))
    assert found.foci == 2 and found.spots == 0
    assert found.extent_mm == pytest.approx(8.0, abs=found.error_mm)
    assert found.tumour_mm2 == pytest.approx(math.pi * (4.0 * 1.9 + 1.15 * 1.15), rel=0.03)
    assert found.judged_mm2 == pytest.approx(13.0 * 9.8, rel=0.03)


@pytest.mark.parametrize("way", [0, 1, 3, 6])
def test_the_way_to_the_edge_is_the_tissue_between(way):
    tissue = Rectangle((1000.0, 1000.0), (6000.0, 6000.0))
    tumour = Rectangle((1000.0 + 200.0 * way, 3000.0), (1600.0, 1600.0))
    assert measure(mapped((tumour,), tissue, (8, 8))).edge_mm == pytest.approx(0.2 * way)


def test_a_hole_in_the_tissue_is_no_edge_and_the_slide_s_end_is_one():
    with_hole = ["1" * 13 for _ in range(13)]
    with_hole[5:7] = ["11100" + ".." + "1" * 6] * 2
    assert measure(drawn(*with_hole)).edge_mm == pytest.approx(3 * CELL_MM)


def test_nothing_is_measured_where_there_is_no_call():
    assert measure(drawn("0000", "0000", call=UNDETERMINED)) is None
    assert measure(drawn("uuuu", "uuuu")) is None


def test_of_a_slide_without_tumour_the_area_is_nought():
    found = measure(drawn("1111", "1111", call="normal"))
    assert (found.tumour_mm2, found.share, found.foci) == (0.0, 0.0, 0)


def test_with_overlap_a_focus_counts_tiles_and_the_error_is_a_tile():
    """Cells of half a tile: three by three of them are less than four tiles, four by four are four."""
    rows = ["1" * 12] * 2 + ["1000" + "1" * 8] * 3 + ["1" * 12] * 2 + ["11110000" + "1111"] * 4 + ["1" * 12] * 2
    result = drawn(*rows)
    tile = replace(result.provenance.tile, overlap=0.5)
    found = measure(replace(result, provenance=replace(result.provenance, tile=tile)))
    assert (found.foci, found.spots) == (1, 1) and found.error_mm == pytest.approx(2 * CELL_MM)
    assert found.tumour_mm2 == pytest.approx(25 * CELL_MM**2)
