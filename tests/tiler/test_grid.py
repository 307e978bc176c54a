"""The grid: every tissue pixel lies in a tile, tiles lie on the cells, whatever the size, spacing and overlap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.slides import ArraySlide
from tiler.grid import lay_grid
from tiler.spec import TileQuality, TileSpec
from tiler.tissue import TissueMask
from wsi.errors import MppTooCoarseError, NoTissueError, UsageError


def blank_slide(width, height, mpp=0.5, downsamples=(1,), bounds=None):
    return ArraySlide(np.full((height, width, 3), 255, np.uint8), mpp, downsamples, bounds)


def mask_of(tissue, slide, pen=None, dark=None):
    rows, columns = tissue.shape
    scale = (slide.size_px[0] / columns, slide.size_px[1] / rows)
    nothing = np.zeros_like(tissue)
    return TissueMask(
        tissue,
        nothing if pen is None else pen,
        nothing if dark is None else dark,
        scale,
        slide.spacing.mpp * (scale[0] * scale[1]) ** 0.5,
    )


def covered(grid, slide, shape):
    """Which mask px centres lie in a tile."""
    rows, columns = shape
    y = (np.arange(rows) + 0.5) * slide.size_px[1] / rows
    x = (np.arange(columns) + 0.5) * slide.size_px[0] / columns
    inside = np.zeros(shape, bool)
    for left, top in grid.xy:
        inside |= ((y >= top) & (y < top + grid.plan.span_px))[:, None] & (
            (x >= left) & (x < left + grid.plan.span_px)
        )[None]
    return inside


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(50, 900),
    height=st.integers(50, 900),
    mpp=st.sampled_from([0.25, 0.2527, 0.499, 1.0]),
    overlap=st.sampled_from([0.0, 0.5, 2 / 3, 0.75]),
    seed=st.integers(0, 2**31),
)
def test_every_tissue_px_lies_in_a_tile(width, height, mpp, overlap, seed):
    slide = blank_slide(width, height, mpp)
    rng = np.random.default_rng(seed)
    tissue = rng.random((max(1, height // 8), max(1, width // 8))) < rng.choice([0.02, 0.3, 1.0])
    tissue[rng.integers(tissue.shape[0]), rng.integers(tissue.shape[1])] = True
    grid = lay_grid(mask_of(tissue, slide), TileSpec(32, 1.0, overlap), slide)
    assert not (tissue & ~covered(grid, slide, tissue.shape)).any()
    assert grid.tissue_cells.any() and (grid.tissue_fraction > 0).all() and (grid.tissue_fraction <= 1).all()


@settings(max_examples=40, deadline=None)
@given(
    mpp=st.floats(0.1, 2.0),
    size=st.integers(20, 300),
    overlap=st.sampled_from([0.0, 0.5, 0.75]),
    bounds=st.tuples(st.integers(0, 99), st.integers(0, 99)),
)
def test_a_tile_starts_within_a_px_of_its_cell_or_as_far_inwards_as_the_edge_wants(mpp, size, overlap, bounds):
    x0, y0 = bounds
    slide = blank_slide(700, 500, mpp, bounds=(x0, y0, 700 - x0, 500 - y0))
    grid = lay_grid(mask_of(np.ones((50, 70), bool), slide), TileSpec(size, 1.0, overlap), slide)
    regular = np.array([x0, y0]) + grid.cell[:, ::-1] * grid.cell_px
    last = np.maximum([x0, y0], np.array([700, 500]) - grid.plan.span_px)
    assert np.abs(grid.xy - np.minimum(regular, last)).max() <= 0.5 + 1e-6
    assert grid.cell_px * grid.cells_per_side == pytest.approx(grid.plan.span_px)


@pytest.mark.parametrize("overlap", [0.0, 0.5])
@pytest.mark.parametrize("size", [(250, 250), (129, 300), (64, 65), (500, 70)])
def test_no_tile_shows_background_where_the_slide_is_as_large_as_a_tile(size, overlap):
    slide = blank_slide(*size, 1.0)
    grid = lay_grid(mask_of(np.ones((40, 40), bool), slide), TileSpec(64, 1.0, overlap), slide)
    assert (grid.xy >= 0).all() and (grid.xy + 64 <= size).all()
    # And each shows its own cell's part of the slide.
    cell_start = grid.cell[:, ::-1] * grid.cell_px
    assert (grid.xy <= cell_start).all()
    assert (grid.xy + 64 >= np.minimum(cell_start + grid.cell_px, size)).all()
    if overlap == 0.0:
        assert grid.tissue_fraction.sum() * 64 * 64 == pytest.approx(size[0] * size[1], rel=1e-4)


def test_a_slide_smaller_than_a_tile_starts_at_its_corner():
    slide = blank_slide(100, 40, 1.0)
    grid = lay_grid(mask_of(np.ones((4, 10), bool), slide), TileSpec(64, 1.0), slide)
    assert grid.xy.tolist() == [[0, 0], [36, 0]]


def test_tiles_come_in_reading_order_and_share_the_overlap():
    slide = blank_slide(256, 256, 1.0)
    grid = lay_grid(mask_of(np.ones((32, 32), bool), slide), TileSpec(64, 1.0, 0.5), slide)
    assert grid.shape == (8, 8)
    assert len(grid) == 49
    assert grid.xy[:8].tolist() == [[0, 0], [32, 0], [64, 0], [96, 0], [128, 0], [160, 0], [192, 0], [0, 32]]


def test_a_stored_level_within_5_percent_is_read_as_it_is():
    slide = blank_slide(4096, 2048, 0.2527, (1, 4, 16))
    plan = lay_grid(mask_of(np.ones((16, 32), bool), slide), TileSpec(224, 1.0), slide).plan
    assert (plan.level, plan.read_px, plan.tile_px) == (1, 224, 224)
    assert plan.mpp == pytest.approx(1.0108)
    assert plan.span_px == 896


def test_else_the_next_finer_level_is_averaged():
    slide = blank_slide(4096, 2048, 0.499)
    plan = lay_grid(mask_of(np.ones((16, 32), bool), slide), TileSpec(224, 1.0), slide).plan
    assert (plan.level, plan.read_px) == (0, 449)
    assert plan.mpp == pytest.approx(449 * 0.499 / 224)


def test_a_coarser_slide_is_enlarged_up_to_a_limit():
    slide = blank_slide(300, 300, 1.9)
    assert lay_grid(mask_of(np.ones((30, 30), bool), slide), TileSpec(64, 1.0), slide).plan.enlarged
    with pytest.raises(MppTooCoarseError):
        lay_grid(mask_of(np.ones((30, 30), bool), slide), TileSpec(64, 0.9), slide)


def test_a_slide_smaller_than_a_tile_is_one_tile():
    slide = blank_slide(100, 40, 1.0)
    grid = lay_grid(mask_of(np.ones((5, 13), bool), slide), TileSpec(224, 1.0, 0.5), slide)
    assert len(grid) == 1 and grid.xy.tolist() == [[0, 0]]


def test_min_tissue_drops_tiles_with_less():
    slide = blank_slide(640, 640, 1.0)
    tissue = np.zeros((80, 80), bool)
    tissue[:, :12] = True  # one tile and a half
    spec = TileSpec(64, 1.0)
    assert len(lay_grid(mask_of(tissue, slide), spec, slide)) == 20
    half = TileSpec(64, 1.0, min_tissue=0.6)
    assert len(lay_grid(mask_of(tissue, slide), half, slide)) == 10


def test_tissue_fraction_is_exact_where_cells_cut_mask_px():
    slide = blank_slide(300, 300, 1.0)
    tissue = np.zeros((30, 30), bool)
    tissue[:, :7] = True  # 70 px wide
    grid = lay_grid(mask_of(tissue, slide), TileSpec(64, 1.0), slide)
    first_row = grid.tissue_fraction[grid.cell[:, 0] == 0]
    assert first_row.tolist() == pytest.approx([1.0, 6 / 64])


def test_pen_dark_and_little_tissue_are_flagged():
    slide = blank_slide(256, 64, 1.0)
    tissue, pen, dark = (np.zeros((8, 32), bool) for _ in range(3))
    tissue[:, :24] = True
    tissue[:7, 24] = True
    pen[:, 10:12] = True
    dark[:, 16:20] = True
    grid = lay_grid(mask_of(tissue, slide, pen, dark), TileSpec(64, 1.0), slide)
    assert grid.quality.tolist() == [0, int(TileQuality.PEN), int(TileQuality.DARK), int(TileQuality.EDGE)]


def test_no_tissue_is_an_error_that_says_why():
    slide = blank_slide(256, 256, 1.0)
    nothing, all_of_it = np.zeros((32, 32), bool), np.ones((32, 32), bool)
    with pytest.raises(NoTissueError, match="nothing is stained"):
        lay_grid(mask_of(nothing, slide), TileSpec(64, 1.0), slide)
    with pytest.raises(NoTissueError, match="pen marks"):
        lay_grid(mask_of(nothing, slide, pen=all_of_it), TileSpec(64, 1.0), slide)


@pytest.mark.parametrize("spec", [(8, 1.0), (224, 1.0, 0.3), (224, 1.0, 1.0), (224, 1.0, -0.5), (224, 1.0, 0.0, 1.5)])
def test_a_spec_that_makes_no_grid_is_refused(spec):
    with pytest.raises(UsageError):
        TileSpec(*spec)
