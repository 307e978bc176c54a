"""The white of a picture: found by its brightest, set for all of it, and never by more than a camera might."""

import numpy as np
import pytest

from classifier.colour.white import WHITE, set_white, white_point, white_table


def tile(glass, tissue=(150, 80, 140), share=0.2, size=50):
    pixels = np.full((size, size, 3), tissue, np.uint8)
    pixels[: round(share * size)] = glass
    return pixels


@pytest.mark.parametrize("glass", [(245, 245, 245), (230, 207, 219), (211, 209, 253), (255, 255, 255)])
def test_glass_of_any_camera_becomes_one_white(glass):
    found = white_point([tile(glass)])
    assert found == pytest.approx(glass, abs=0.1)
    shown = set_white(tile(glass), found)
    assert np.abs(shown[0, 0].astype(float) - WHITE).max() <= 1
    # Optical densities against the glass stay what they were: a quotient a channel.
    assert shown[-1, -1] == pytest.approx(np.array((150, 80, 140)) * WHITE / np.array(glass), abs=0.51)


def test_one_tile_with_glass_is_enough_for_all():
    assert white_point([tile((230, 230, 230), share=0), tile((230, 230, 230))]) == pytest.approx((230, 230, 230))


def test_a_speck_of_dust_that_shines_is_no_glass():
    pixels = tile((220, 220, 220))
    pixels[10, 10] = 255
    assert white_point([pixels]) == pytest.approx((220, 220, 220))


def test_solid_tissue_is_not_bleached():
    white = white_point([tile((0, 0, 0), share=0)])
    assert white == (200.0, 200.0, 200.0)
    shown = set_white(tile((0, 0, 0), share=0), white)
    assert shown[0, 0] == pytest.approx(np.array((150, 80, 140)) * WHITE / 200, abs=0.51)


def test_any_number_of_dimensions_and_nothing_over_255():
    tiles = np.stack([tile((250, 240, 230)), tile((255, 255, 255))])
    shown = set_white(tiles, (210.0, 220.0, 230.0))
    assert shown.shape == tiles.shape and shown.dtype == np.uint8 and shown.max() == 255
    assert (shown == white_table((210.0, 220.0, 230.0))[0, tiles, np.arange(3)]).all()


@pytest.mark.parametrize("pixels", [1, 2, 100, 101, 4096])
def test_the_brightest_hundredth_is_the_percentile(pixels):
    picture = np.random.default_rng(pixels).integers(200, 256, (pixels, 1, 3), dtype=np.uint8)
    expected = np.percentile(picture.reshape(-1, 3), 99, axis=0)
    assert white_point([picture]) == pytest.approx(expected, abs=0.051)
