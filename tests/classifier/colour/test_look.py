"""The look of tiles against what was painted: glass, densities, stains; and the correction to another look."""

import cv2
import numpy as np
import pytest

from classifier.colour.look import (
    Correction,
    Look,
    correction_of,
    look_of_tiles,
    read_model_white,
    typical_look,
    white_array,
)
from tests.classifier.tiles import tiny_model
from wsi.errors import ModelError

HAEMATOXYLIN, EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])


def stained(glass=(240, 232, 244), depth=1.0, n=6, size=96, seed=0):
    """Tiles (n, size, size, 3) of blobs of two known stains, every pixel one of them or glass."""
    rng = np.random.default_rng(seed)
    amount = np.stack([rng.uniform(0.5, 1.5, (n, size, size)) * (rng.random((n, size, size)) < 0.4) for _ in range(2)])
    density = depth * np.tensordot(amount, np.stack([HAEMATOXYLIN, EOSIN]), axes=(0, 0))
    light = (np.array(glass) + 1.0) * np.exp(-density) - 1.0
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def angle(one, other):
    return np.degrees(np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))


def test_glass_and_stains_are_those_that_were_painted():
    look = look_of_tiles(stained())
    assert look.white == pytest.approx([240, 232, 244], abs=2)
    assert angle(look.stains[0], HAEMATOXYLIN) < 8 and angle(look.stains[1], EOSIN) < 8
    assert look_of_tiles(stained(depth=1.3)).densities == pytest.approx(1.3 * look.densities, rel=0.1)


def test_glass_without_stain_has_no_densities():
    look = look_of_tiles(np.full((3, 32, 32, 3), 240, np.uint8))
    assert np.isnan(look.densities).all() and np.isnan(look.stains).all()
    both = typical_look([look, look_of_tiles(stained())])
    assert np.isfinite(both.densities).all() and np.isfinite(both.stains).all()


def test_an_odd_slide_does_not_change_the_typical_look():
    looks = [look_of_tiles(stained(seed=seed)) for seed in range(4)]
    odd = Look(np.array([90.0, 90, 90]), np.array([3.0, 3, 3]), looks[0].stains[::-1])
    assert typical_look([*looks, odd]).white == pytest.approx(typical_look(looks).white, abs=3)


def test_without_a_model_look_the_glass_becomes_neutral_and_nothing_else_changes():
    site = look_of_tiles(stained())
    correction = correction_of(site, None)
    corrected = look_of_tiles(corrected_by(correction, stained()))
    assert np.ptp(corrected.white) < 2 and corrected.white.max() == pytest.approx(site.white.max(), abs=2)
    assert corrected.densities == pytest.approx(site.densities, rel=0.05)


def test_the_models_glass_is_reached_and_no_density_changes():
    site = look_of_tiles(stained())
    correction = correction_of(site, np.array([215.0, 205.0, 250.0]))
    corrected = look_of_tiles(corrected_by(correction, stained()))
    assert corrected.white == pytest.approx([215, 205, 250], abs=3)
    assert corrected.densities == pytest.approx(site.densities, rel=0.05)


def test_a_correction_is_bounded():
    dark = Look(np.array([20.0, 20, 20]), np.array([4.0, 4, 4]), np.full((2, 3), np.nan))
    assert max(correction_of(dark, np.array([250.0] * 3)).white) < 27


def test_a_neutral_correction_changes_nothing():
    table = Correction((240.0,) * 3, (240.0,) * 3).table()
    assert np.array_equal(table[0], np.repeat(np.arange(256)[:, None], 3, axis=1))


@pytest.mark.parametrize(
    "white",
    [
        np.zeros(3, np.float32),
        np.full(3, 999, np.float32),
        np.full(3, np.nan, np.float32),
        np.full(4, 240, np.float32),
        np.full(3, 240.0),
    ],
)
def test_a_models_glass_that_cannot_be_is_refused(white):
    with pytest.raises(ModelError):
        read_model_white({"white": white})


def test_a_model_tells_the_glass_that_it_learned_from():
    from classifier.model_folder.arrays import unpack_arrays
    from classifier.model_folder.files import read_folder

    told = read_model_white(unpack_arrays(read_folder(tiny_model()).contents["familiarity.npz"], "familiarity.npz"))
    assert told == pytest.approx([235, 235, 235], abs=12)  # what its tiles were painted on, with noise
    assert white_array(Look(np.array([50.0, 200, 200]), np.zeros(3), np.zeros((2, 3)))) == {}


def test_a_model_need_not_tell_its_glass():
    assert read_model_white({"centres": np.zeros(3)}) is None
    assert read_model_white({"white": np.full(3, 245, np.float32)}).tolist() == [245.0] * 3


def corrected_by(correction, tiles):
    return cv2.LUT(tiles.reshape(-1, *tiles.shape[2:]), correction.table()).reshape(tiles.shape)
