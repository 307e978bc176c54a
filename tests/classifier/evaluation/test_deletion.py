"""The deletion test against a model whose reason is known to the cell."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from classifier.evaluation.deletion import (
    CELLS_PER_SIDE,
    STEPS,
    cell_means,
    delete_cells,
    deletion_test,
    probability_curves,
)
from classifier.explain import Explanation

SIZE_PX = 70
CELL_PX = SIZE_PX // CELLS_PER_SIDE
REASON = (3, 2)


@dataclass
class OneCellModel:
    """Sure of `tumour` as far as the cell REASON is red."""

    card = SimpleNamespace(classes=("normal", "tumour"), outputs=("normal", "tumour"))

    def predict(self, tiles):
        top, left = (index * CELL_PX for index in REASON)
        red = tiles[:, top : top + CELL_PX, left : left + CELL_PX, 0].mean((1, 2)) / 255
        return SimpleNamespace(probabilities=np.stack([1 - red, red], 1).astype(np.float32))


def tile():
    pixels = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    top, left = (index * CELL_PX for index in REASON)
    pixels[top : top + CELL_PX, left : left + CELL_PX, 0] = 255
    return pixels


def pointing(sign):
    return lambda model, pixels: Explanation("tumour", "normal", (0.0, 1.0), sign * pixels[..., 0].astype(np.float32))


def test_a_true_map_beats_chance_and_its_opposite_does_not():
    tiles = np.stack([tile()] * 8)
    true, false = (deletion_test(OneCellModel(), tiles, explainer=pointing(sign)) for sign in (1, -1))
    assert (true.beaten, true.share, len(true)) == (8, 1.0, 8)
    assert (false.beaten, false.share) == (0, 0.0)
    # Soft borders leave a rest of a cell that is deleted alone.
    assert true.by_map.max() < 0.25 and false.by_map.min() > 0.75
    np.testing.assert_array_equal(true.by_chance, false.by_chance)


def test_the_curve_falls_at_the_step_that_takes_the_reason():
    cells = np.arange(CELLS_PER_SIDE**2)
    reason = REASON[0] * CELLS_PER_SIDE + REASON[1]
    first, last = np.roll(cells, -reason), np.roll(cells, -reason - 1)
    curves = probability_curves(OneCellModel(), tile(), 1, [first, last])
    assert curves.shape == (2, STEPS + 1) and (curves[:, 0] == 1.0).all()
    assert curves[0, 1] < 0.3 and curves[1, -2] > 0.5 and curves[1, -1] < 0.1


def test_deleting_nothing_changes_nothing_and_deleting_all_leaves_the_mean():
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    np.testing.assert_array_equal(delete_cells(pixels, np.array([], int)), pixels)
    gone = delete_cells(pixels, np.arange(CELLS_PER_SIDE**2))
    assert np.abs(gone - pixels.mean(axis=(0, 1))).max() <= 1


def test_deleting_a_cell_leaves_distant_px_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    gone = delete_cells(pixels, np.array([0]))
    np.testing.assert_array_equal(gone[2 * CELL_PX :], pixels[2 * CELL_PX :])
    assert np.abs(gone[0, 0] - pixels.mean(axis=(0, 1))).max() <= 2


@pytest.mark.parametrize("size_px", [SIZE_PX, 64, 224])
def test_cell_means_of_a_ramp(size_px):
    means = cell_means(np.tile(np.arange(size_px, dtype=np.float32), (size_px, 1))).reshape(CELLS_PER_SIDE, -1)
    assert np.ptp(means, axis=0).max() < 1e-3
    assert np.diff(means[0]) == pytest.approx(size_px / CELLS_PER_SIDE, abs=1.0)


def test_no_tiles_give_no_share():
    empty = deletion_test(OneCellModel(), np.empty((0, SIZE_PX, SIZE_PX, 3), np.uint8))
    assert len(empty) == 0 and np.isnan(empty.share)
