"""Parts of a mask, band by band, against OpenCV's labels of the whole mask at once."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiler.planes.components import touching_edge, without_small


def whole_parts(mask):
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return labels, stats[:, cv2.CC_STAT_AREA], count


def large_of_whole(mask, min_px):
    labels, area, _ = whole_parts(mask)
    return ((area >= min_px)[labels] & (labels > 0)).astype(np.uint8)


def rim_of_whole(mask):
    labels, _, _ = whole_parts(mask)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.isin(labels, rim[rim > 0]).astype(np.uint8)


@st.composite
def masks(draw):
    rows, columns = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    noise = cv2.GaussianBlur(rng.random((rows, columns)), (0, 0), draw(st.sampled_from([0.3, 1.0, 2.0])))
    return (noise > np.quantile(noise, draw(st.sampled_from([0.0, 0.3, 0.55, 0.8, 1.0])))).astype(np.uint8)


@settings(max_examples=300, deadline=None)
@given(mask=masks(), min_px=st.integers(1, 120), rows_a_band=st.integers(1, 70))
def test_bands_of_any_height_give_what_the_whole_gives(mask, min_px, rows_a_band):
    found = without_small(mask, min_px, band_pixels=rows_a_band * mask.shape[1])
    assert np.array_equal(found, large_of_whole(mask, min_px))


@settings(max_examples=150, deadline=None)
@given(mask=masks())
def test_parts_at_the_edge_are_those_of_the_whole(mask):
    assert np.array_equal(touching_edge(mask), rim_of_whole(mask))


@pytest.mark.parametrize(("min_px", "stays"), [(39, True), (40, False)])
def test_a_spiral_through_every_seam_is_one_part(min_px, stays):
    mask = np.zeros((7, 9), np.uint8)
    turns = [(6, 0), (0, 0), (0, 8), (6, 8), (6, 2), (2, 2), (2, 6), (4, 6), (4, 4)]
    for (r0, c0), (r1, c1) in itertools.pairwise(turns):
        mask[min(r0, r1) : max(r0, r1) + 1, min(c0, c1) : max(c0, c1) + 1] = 1
    assert mask.sum() == 39
    assert np.array_equal(without_small(mask, min_px, band_pixels=9), mask * stays)


def test_few_labels_exist_at_a_time(monkeypatch):
    sizes = []
    original = cv2.connectedComponentsWithStats
    monkeypatch.setattr(
        cv2, "connectedComponentsWithStats", lambda mask, **how: sizes.append(mask.size) or original(mask, **how)
    )
    without_small(np.ones((500, 400), np.uint8), 9, band_pixels=8000)
    assert sum(sizes) == 500 * 400 and max(sizes) <= 8000
