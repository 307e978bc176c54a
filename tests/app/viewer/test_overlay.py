"""Heatmap to picture against cells drawn by hand: right colours, right place, and what a click reads."""

import io

import numpy as np
import pytest
from PIL import Image

from app.presentation import colours
from app.viewer.pages.slide.page import LayerChoice, picture
from app.viewer.reading import overlay
from app.viewer.reading.spot import read_spot
from tests.results import CLASSES, make_result

CELLS = """
.01
2ub
"""
PALETTE = colours.class_colours(CLASSES, "normal")


@pytest.fixture
def result():
    return make_result(cells=CELLS, origin_px=(100, -20), cell_px=64.5)


def test_each_cell_has_the_colour_of_its_call(result):
    layer = overlay.call_layer(result.heatmap, list(PALETTE.values()))
    assert layer.shape == (2, 3, 4)
    assert [tuple(layer[0, 1]), tuple(layer[0, 2]), tuple(layer[1, 0])] == [
        (*colours.rgb(PALETTE[name]), 255) for name in CLASSES
    ]
    assert layer[..., 3].tolist() == [[0, 255, 255], [255, 0, 0]]


def test_a_likelier_cell_is_more_opaque_and_a_silent_one_shows_nothing(result):
    layer = overlay.probability_layer(result.heatmap, 0, PALETTE[CLASSES[0]])
    assert layer[0, 1, 3] > layer[0, 2, 3] > 0
    assert layer[1, 1, 3] == layer[1, 2, 3] == layer[0, 0, 3] == 0
    assert tuple(layer[0, 1, :3]) == colours.rgb(PALETTE[CLASSES[0]])


def test_tissue_without_a_call_is_set_apart_from_glass(result):
    assert (overlay.silent_layer(result.heatmap)[..., 3] > 0).tolist() == [[False, False, False], [False, True, True]]
    assert (overlay.tissue_layer(result.heatmap)[..., 3] > 0).tolist() == [[False, True, True], [True, True, True]]


def test_the_picture_lies_where_the_cells_do_and_may_overhang(result):
    assert overlay.placement(result.heatmap) == overlay.Placement(100, -20, 3 * 64.5, 2 * 64.5)
    assert overlay.cell_placement(result.heatmap, 1, 2) == overlay.Placement(229.0, 44.5, 64.5, 64.5)


def test_a_point_finds_its_cell_on_both_sides_of_every_edge(result):
    assert overlay.cell_at(result.heatmap, 100, -20) == (0, 0)
    assert overlay.cell_at(result.heatmap, 164.4, 44.4) == (0, 0)
    assert overlay.cell_at(result.heatmap, 164.6, 44.6) == (1, 1)
    for outside in ((99.9, 0), (293.6, 0), (150, -20.1), (150, 109.1)):
        assert overlay.cell_at(result.heatmap, *outside) is None


def test_png_keeps_every_cell(result):
    layer = overlay.call_layer(result.heatmap, list(PALETTE.values()))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(overlay.encode_png(layer)))), layer)


@pytest.mark.parametrize("layer", ["call", "class-0", "class-1", "class-2"])
def test_every_heatmap_layer_hatches_the_silent_cells_and_says_so(result, layer):
    shown = picture(result, LayerChoice(layer, 0.5))
    assert shown.silent is not None and (shown.silent[..., 3] > 0).sum() == 2
    assert shown.legend[-1].look == "hatched"


def test_the_legend_names_what_is_shown(result):
    titles = [item.title for item in picture(result, LayerChoice("call", 0.5)).legend[:-1]]
    assert titles == ["Adenocarcinoma", "Normal", "Squamous cell carcinoma"]
    assert picture(result, LayerChoice("class-2", 0.5)).legend[0].look == "ramp"
    assert picture(result, LayerChoice("none", 0.5)).layer is None
    assert picture(result, LayerChoice("tissue", 0.5)).silent is None


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
