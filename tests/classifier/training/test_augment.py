"""Augmentation: what stays, what moves, and that stain changes are what their numbers say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2hsv

from classifier.colour.stain import STAIN_VECTORS, shift_stains
from classifier.training.augment import Augmentation, augment_tile

NOTHING = np.zeros(3)
STILL = Augmentation(scale=0.0, stain_share=0.0, hue_share=0.0, blur_share=0.0, jpeg_share=0.0)


def tile(seed=0, size_px=64):
    return np.random.default_rng(seed).integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)


def density(pixels):
    return -np.log((pixels.astype(float) + 1) / 256)


def test_no_shift_is_no_change():
    pixels = tile()
    difference = shift_stains(pixels, np.ones(3), NOTHING).astype(int) - pixels
    assert abs(difference).max() <= 1


@pytest.mark.parametrize("stain", [0, 1, 2])
def test_a_gain_scales_the_density_of_its_stain_alone(stain):
    concentrations = np.array([0.5, 0.4, 0.2])
    pixels = np.round(256 * np.exp(-concentrations @ STAIN_VECTORS) - 1).astype(np.uint8).reshape(1, 1, 3)
    gain = np.ones(3)
    gain[stain] = 1.3
    found = density(shift_stains(pixels, gain, NOTHING))[0, 0] @ np.linalg.inv(STAIN_VECTORS)
    np.testing.assert_allclose(found, concentrations * gain, atol=0.03)


def test_a_shift_adds_stain_and_brightness_is_light():
    glass = np.full((4, 4, 3), 200, np.uint8)
    added = density(shift_stains(glass, np.ones(3), np.array([0.3, 0, 0]))) - density(glass)
    np.testing.assert_allclose(added[0, 0], 0.3 * STAIN_VECTORS[0], atol=0.01)
    assert abs(int(shift_stains(glass, np.ones(3), NOTHING, brightness=0.9)[0, 0, 0]) - 180) <= 1


def test_hue_turns_by_no_more_than_its_bound_and_leaves_grey():
    still = {"scale": 0.0, "stain_share": 0.0, "blur_share": 0.0, "jpeg_share": 0.0}
    how = Augmentation(**still, hue_share=1.0, hue_degrees=20.0)
    colour, grey = np.full((8, 8, 3), (200, 100, 150), np.uint8), np.full((8, 8, 3), 128, np.uint8)
    turns = []
    for seed in range(40):
        view = augment_tile(colour, 8, how, np.random.default_rng(seed))
        hue, saturation, value = rgb2hsv(view)[0, 0] * (360, 1, 1)
        turns.append((hue - 330.0 + 180) % 360 - 180)
        assert saturation == pytest.approx(0.5, abs=0.02) and value == pytest.approx(200 / 255, abs=0.01)
        np.testing.assert_array_equal(augment_tile(grey, 8, how, np.random.default_rng(seed)), grey)
    assert -22 < min(turns) < -10 and 10 < max(turns) < 22  # hue has 256 steps


def test_the_same_generator_gives_the_same_view():
    views = [augment_tile(tile(), 48, Augmentation(), np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(*views)
    assert (augment_tile(tile(), 48, Augmentation(), np.random.default_rng(6)) != views[0]).any()


def test_a_still_view_is_one_of_the_eight_turns():
    pixels = tile()
    turns = [turned for k in range(4) for turned in (np.rot90(pixels, k), np.rot90(pixels, k)[:, ::-1])]
    seen = set()
    for seed in range(60):
        view = augment_tile(pixels, 64, STILL, np.random.default_rng(seed))
        seen.add(next(i for i, turned in enumerate(turns) if np.array_equal(view, turned)))
    assert seen == set(range(8))


@given(seed=st.integers(0, 2**32 - 1), crop_px=st.integers(16, 64), size_px=st.integers(64, 90))
def test_a_view_is_always_of_the_size_asked_for(seed, crop_px, size_px):
    how = Augmentation(blur_share=0.5, jpeg_share=0.5)
    view = augment_tile(tile(size_px=size_px), crop_px, how, np.random.default_rng(seed))
    assert view.shape == (crop_px, crop_px, 3) and view.dtype == np.uint8 and view.flags.c_contiguous


def test_settings_survive_a_round_trip():
    how = Augmentation(scale=0.2, jpeg_quality=(30, 50))
    assert Augmentation.from_dict(how.to_dict()) == how


LABORATORY = Augmentation(
    scale=0.0, stain_share=1.0, hue_share=0.0, blur_share=0.0, jpeg_share=0.0, stain_vectors=0.05, white_balance=0.1,
    gamma=0.3, sharpen_share=1.0, zoom=0.3,
)  # fmt: skip


def test_another_laboratory_is_the_same_for_the_same_generator_and_another_for_another():
    first, again, other = (augment_tile(tile(), 48, LABORATORY, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5


def test_zoom_goes_both_ways_alike():
    """A wedge tells by its slope how far it was magnified."""
    wedge = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, axis=0).repeat(3, axis=2)
    how = replace(STILL, zoom=np.log(1.5))
    slopes = []
    for seed in range(200):
        view = augment_tile(wedge, 96, how, np.random.default_rng(seed))[..., 0].astype(float)
        slopes.append(max(abs(np.diff(view.mean(axis=0)).mean()), abs(np.diff(view.mean(axis=1)).mean())))
    found = np.log(slopes)
    assert abs(found.mean()) < 0.05 and found.min() < -0.3 and found.max() > 0.3


def test_white_balance_moves_channels_apart_and_gamma_keeps_black_and_white():
    grey = np.full((64, 64, 3), 128, np.uint8)
    balanced = augment_tile(grey, 48, replace(STILL, white_balance=0.2), np.random.default_rng(0))
    assert np.ptp(balanced[0, 0].astype(int)) > 5
    ends = np.zeros((64, 64, 3), np.uint8)
    ends[:32] = 255
    toned = augment_tile(ends, 48, replace(STILL, gamma=0.5), np.random.default_rng(0))
    assert set(np.unique(toned)) <= {0, 255}


def test_sharpening_widens_an_edge_and_leaves_flat_parts():
    edge = np.full((64, 64, 3), 100, np.uint8)
    edge[:, 32:] = 160
    sharp = augment_tile(edge, 64, replace(STILL, sharpen_share=1.0), np.random.default_rng(0))
    assert sharp.min() < 95 and sharp.max() > 165
    flat = np.full((64, 64, 3), 100, np.uint8)
    assert set(np.unique(augment_tile(flat, 64, replace(STILL, sharpen_share=1.0), np.random.default_rng(0)))) == {100}
