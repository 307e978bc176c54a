import numpy as np
import pytest

from aggregate.heatmap import build_heatmap
from tests.tiler.test_grid import blank_slide, mask_of
from tiler.grid import lay_grid
from tiler.spec import TileSpec


def grid_over(tissue, overlap=0.0, slide=None):
    slide = slide or blank_slide(256, 192, 0.5)
    return lay_grid(mask_of(tissue, slide), TileSpec(64, 0.5, overlap), slide)


def test_without_overlap_a_cell_is_its_tile():
    grid = grid_over(np.ones((24, 32), bool))
    p = np.random.default_rng(0).dirichlet(np.ones(3), len(grid)).astype(np.float32)
    heatmap = build_heatmap(grid, p, np.ones(len(grid), bool), 0.5)
    assert heatmap.probabilities.shape == (3, 3, 4)
    for i, (row, column) in enumerate(grid.cell):
        assert np.array_equal(heatmap.probabilities[:, row, column], p[i])
        assert heatmap.call[row, column] == p[i].argmax() + 1
    assert heatmap.cell_um == 32.0 and heatmap.translation_um == (16.0, 16.0)


def test_a_tile_that_does_not_vote_leaves_a_hole_that_is_tissue():
    grid = grid_over(np.ones((24, 32), bool))
    votes = np.ones(len(grid), bool)
    votes[5] = False
    row, column = grid.cell[5]
    heatmap = build_heatmap(grid, np.full((len(grid), 3), 1 / 3, np.float32), votes, 0.5)
    assert np.isnan(heatmap.probabilities[:, row, column]).all()
    assert heatmap.call[row, column] == 0 and heatmap.tissue[row, column] == 1
    assert np.isnan(heatmap.probabilities).sum() == 3


def test_with_overlap_a_cell_is_the_mean_of_the_tiles_over_it():
    grid = grid_over(np.ones((24, 32), bool), overlap=0.5)
    p = np.random.default_rng(1).dirichlet(np.ones(3), len(grid)).astype(np.float32)
    heatmap = build_heatmap(grid, p, np.ones(len(grid), bool), 0.5)
    assert heatmap.probabilities.shape == (3, 6, 8)
    for row in range(6):
        for column in range(8):
            over = [i for i, (r, c) in enumerate(grid.cell) if 0 <= row - r < 2 and 0 <= column - c < 2]
            assert heatmap.probabilities[:, row, column] == pytest.approx(p[over].mean(axis=0), abs=1e-6)


def test_cells_without_tissue_have_no_call():
    tissue = np.zeros((24, 32), bool)
    tissue[:8, :8] = True
    grid = grid_over(tissue, overlap=0.5)
    heatmap = build_heatmap(grid, np.full((len(grid), 2), 0.5, np.float32), np.ones(len(grid), bool), 0.5)
    assert np.array_equal(heatmap.call > 0, heatmap.tissue > 0)
    assert heatmap.tissue.sum() == 4


def test_the_origin_is_that_of_the_bounds():
    slide = blank_slide(256, 192, 0.5, bounds=(40, 24, 216, 168))
    heatmap = build_heatmap(
        grid := grid_over(np.ones((24, 32), bool), slide=slide),
        np.full((len(grid), 2), 0.5, np.float32),
        np.ones(len(grid), bool),
        0.5,
    )
    assert heatmap.origin_px == (40, 24)
    assert heatmap.translation_um == (24 * 0.5 + 16, 40 * 0.5 + 16)
