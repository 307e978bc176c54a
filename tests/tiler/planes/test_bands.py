"""A large picture piece by piece: every row once, and a sample that is what copying all and thinning would give."""

import numpy as np
import pytest

from tiler.glass import extremes
from tiler.planes.bands import row_bands, sample


@pytest.mark.parametrize(("rows", "pixels"), [(1, 10), (7, 10), (100, 1), (100, 1000), (33, 70)])
def test_bands_hold_every_row_once(rows, pixels):
    bands = list(row_bands((rows, 10, 3), pixels))
    assert [row for band in bands for row in range(band.start, band.stop)] == list(range(rows))
    assert all(band.stop - band.start == 1 or (band.stop - band.start) * 10 <= pixels for band in bands)


@pytest.mark.parametrize("most", [1, 7, 100, 1199, 1200, 5000])
def test_a_sample_is_every_kth_of_the_chosen(most):
    rng = np.random.default_rng(most)
    rgb, chosen = rng.integers(0, 256, (30, 40, 3), np.uint8), rng.random((30, 40)) < 0.7
    whole = rgb[chosen]
    taken = sample(rgb, chosen, most)
    np.testing.assert_array_equal(taken, whole[:: 1 + len(whole) // most])
    assert len(taken) <= most


def test_a_sample_of_nothing_is_empty():
    assert sample(np.zeros((3, 4, 3), np.uint8), np.zeros((3, 4), np.bool_), 10).shape == (0, 3)


def test_extremes_are_those_of_the_channels():
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)[:, ::2]
    least, greatest = extremes(rgb)
    np.testing.assert_array_equal(least, rgb.min(axis=2))
    np.testing.assert_array_equal(greatest, rgb.max(axis=2))
