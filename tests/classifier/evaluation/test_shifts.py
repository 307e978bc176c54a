"""Each view of the battery against a tile whose answer is known, and what the battery reports of a known model."""

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from classifier.colour.stain import STAIN_VECTORS
from classifier.dataset.predict import forward_tiles
from classifier.dataset.tile_list import read_tile_set
from classifier.evaluation.shifts import (
    HUE_DEGREES,
    SHIFTS,
    STAIN_DOWN,
    STAIN_UP,
    Shift,
    blur,
    brighten,
    recompress,
    rescale,
    shift_battery,
    stains,
    turn_hue,
    worst_shift,
)
from classifier.model import load_model
from tests.classifier.tiles import pattern, tiny_model, tiny_tiles

VIEWS = {shift.name: shift.view for shift in SHIFTS}


def flat(*colour):
    return np.full((32, 32, 3), colour, np.uint8)


def tissue(size_px=96):
    return cv2.GaussianBlur(pattern("dots", np.random.default_rng(2), size_px), (0, 0), 1)


def stained(haematoxylin, eosin):
    """A tile of these two densities, by Beer and Lambert."""
    light = 255 * np.exp(-(haematoxylin * STAIN_VECTORS[0] + eosin * STAIN_VECTORS[1]))
    return flat(*np.rint(light))


def test_the_battery_is_the_promised_one():
    assert list(VIEWS) == [
        *("haematoxylin-up", "haematoxylin-down", "eosin-up", "eosin-down", "hue-to-red", "hue-to-blue"),
        *("brighter", "darker", "jpeg-40", "blur", "smaller", "larger"),
    ]


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("shape", [(224, 224, 3), (63, 64, 3)])
def test_a_view_keeps_shape_and_input_and_always_gives_the_same(name, shape):
    tile = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    before = tile.copy()
    seen = VIEWS[name](tile)
    assert seen.shape == shape and seen.dtype == np.uint8
    assert not np.array_equal(seen, tile)
    np.testing.assert_array_equal(tile, before)
    np.testing.assert_array_equal(VIEWS[name](tile), seen)


@pytest.mark.parametrize("factor", [STAIN_UP, STAIN_DOWN])
def test_a_stain_of_known_density_gets_that_many_times_denser(factor):
    found = stains(stained(0.6, 0.5), haematoxylin=factor).astype(int)
    assert np.abs(found - stained(0.6 * factor, 0.5)).max() <= 2
    found = stains(stained(0.6, 0.5), eosin=factor).astype(int)
    assert np.abs(found - stained(0.6, 0.5 * factor)).max() <= 2


def test_glass_stays_glass_under_any_stain():
    for name in ("haematoxylin-up", "haematoxylin-down", "eosin-up", "eosin-down"):
        assert VIEWS[name](flat(255, 255, 255)).min() >= 254


def test_hue_turns_by_so_many_degrees_and_grey_stays():
    red = turn_hue(flat(255, 0, 0), degrees=HUE_DEGREES)
    np.testing.assert_allclose(red[0, 0], [255, 255 * HUE_DEGREES / 60, 0], atol=0.5)
    np.testing.assert_array_equal(turn_hue(flat(255, 0, 0), degrees=120.0)[0, 0], [0, 255, 0])
    np.testing.assert_array_equal(turn_hue(flat(90, 90, 90), degrees=50.0)[0, 0], [90, 90, 90])
    purple = flat(130, 60, 200)
    assert VIEWS["hue-to-red"](purple)[0, 0, 0] > 130 > VIEWS["hue-to-blue"](purple)[0, 0, 0]


def test_brightness_is_a_factor_and_white_is_the_end():
    np.testing.assert_array_equal(brighten(flat(100, 50, 250), factor=1.2)[0, 0], [120, 60, 255])
    np.testing.assert_array_equal(brighten(flat(100, 50, 250), factor=0.8)[0, 0], [80, 40, 200])


def test_jpeg_is_that_of_another_writer_at_the_same_quality():
    file = io.BytesIO()
    Image.fromarray(tissue()).save(file, "JPEG", quality=40, subsampling="4:2:0")
    other = np.asarray(Image.open(file).convert("RGB"), np.int64)
    found = recompress(tissue(), quality=40).astype(np.int64)
    assert np.abs(found - other).mean() < 0.5 < np.abs(found - tissue()).mean()


def test_blur_spreads_a_point_by_its_sigma():
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    weight = blur(point, sigma_px=1.0)[..., 0].astype(float)
    squared = (np.arange(41) - 20.0) ** 2
    assert (weight.sum(axis=0) * squared).sum() / weight.sum() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_disc_in_the_middle_grows_or_shrinks_by_the_factor(factor):
    y, x = np.mgrid[:200, :200] - 99.5
    disc = np.where((x**2 + y**2 < 40**2)[..., None], 0, 255).astype(np.uint8).repeat(3, axis=2)
    found = rescale(disc, factor=factor)[..., 0] < 128
    assert found.sum() == pytest.approx(np.pi * (40 * factor) ** 2, rel=0.02)
    assert found.nonzero()[0].mean() == pytest.approx(99.5, abs=1)


def test_shrinking_reflects_tissue_outwards_and_leaves_no_black_border():
    assert rescale(flat(200, 100, 150), factor=0.8).min() == 100
    assert rescale(tissue(), factor=0.8)[:4].mean() == pytest.approx(tissue().mean(), rel=0.1)


@pytest.fixture(scope="module")
def judged():
    model, tiles = load_model(tiny_model()), read_tile_set(tiny_tiles()).of_split("val")
    told = []
    shifts = (
        Shift("none", "none", lambda tile: tile),
        Shift("black", "black", np.zeros_like),
    )
    return model, tiles, shift_battery(model, tiles, told.append, shifts=shifts), told


def test_no_change_costs_nothing_and_a_black_tile_costs_all_but_one_class(judged):
    model, tiles, (none, black), _ = judged
    right = model.predictions_of(*forward_tiles(model, tiles)).probabilities.argmax(axis=1) == tiles.labels
    assert none.accuracy.value == pytest.approx(right.mean())
    assert none.difference.value == 0 and np.isnan([none.difference.low, none.difference.high]).all()
    assert black.accuracy.value == pytest.approx(1 / 3)
    assert black.difference.value == pytest.approx(1 / 3 - right.mean()) and black.difference.groups == 6
    assert black.not_recognised == 1.0 and np.isnan(black.recognised_accuracy.value)
    assert black.to_dict()["recognised_accuracy"] == {"value": None, "low": None, "high": None, "groups": 0}


def test_the_worst_is_named_and_progress_runs_once_to_the_end(judged):
    _, _, results, told = judged
    assert worst_shift(results) is results[1] and worst_shift(()) is None
    steps = [progress.done for progress in told]
    assert steps == sorted(steps) and steps[-1] == 1.0 and told[-1].text.startswith("shift 2 of 2, black")


def test_the_whole_battery_runs_on_predictions_at_hand(judged):
    model, tiles, _, _ = judged
    some = replace(tiles, records=tiles.records[::5])
    predictions = model.predictions_of(*forward_tiles(model, some))
    results = shift_battery(model, some, unshifted=predictions, units=some.labels.astype(str))
    assert [result.name for result in results] == list(VIEWS)
