"""Filling: each px exactly where its middle lies inside, against a point-by-point count and other rasterisers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiler.given import fill as module
from tiler.given.fill import fill, ring_area, ring_length

SQUARE = np.array([(2.0, 1.0), (7.0, 1.0), (7.0, 5.0), (2.0, 5.0)])


def counted(rings, shape):
    """The even-odd rule, px by px: how many edges a ray to the left crosses."""
    found = np.zeros(shape, bool)
    for row, column in np.ndindex(shape):
        x, y = column + 0.5, row + 0.5
        crossed = 0
        for ring in rings:
            for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                if min(y0, y1) <= y < max(y0, y1):
                    crossed += x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x
        found[row, column] = crossed % 2
    return found


def test_a_square_is_its_px():
    mask = fill([SQUARE], (8, 9))
    assert mask.sum() == 20 and mask[1:5, 2:7].all()
    assert ring_area(SQUARE) == 20 and ring_length(SQUARE) == 18


@given(
    st.lists(st.lists(st.tuples(st.floats(-3, 15), st.floats(-3, 13)), min_size=3, max_size=9), min_size=1, max_size=3),
    st.integers(1, 7),
)
@settings(max_examples=150, deadline=None)
def test_any_outline_is_filled_by_the_even_odd_rule(rings, at_a_time):
    rings = [np.array(ring) for ring in rings]
    before, module._AT_A_TIME = module._AT_A_TIME, at_a_time
    try:
        assert np.array_equal(fill(rings, (10, 12)), counted(rings, (10, 12)))
    finally:
        module._AT_A_TIME = before


def test_two_million_points_are_filled():
    angle = np.linspace(0, 2 * math.pi, 2_000_000, endpoint=False)
    ring = np.stack([1000 + 900 * np.cos(angle), 1000 + 900 * np.sin(angle)], axis=1)
    assert fill([ring], (2000, 2000)).sum() == pytest.approx(math.pi * 900**2, rel=1e-4)


def test_an_outline_that_runs_to_and_fro_too_often_is_refused(monkeypatch):
    monkeypatch.setattr(module, "MOST_CROSSINGS", 1000)
    zigzag = np.array([(float(i), 100.0 * (i % 2)) for i in range(100)])
    with pytest.raises(ValueError, match="too many"):
        fill([zigzag], (100, 100))
