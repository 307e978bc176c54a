"""Heatmap and truth, on slides drawn with a known truth: the drawn classes come back where they were drawn."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import zarr

from aggregate import store
from aggregate.heatmap import build_heatmap
from app.config import RunConfig
from app.pipeline import run_slide
from classifier.model import TilePredictions
from tests.slides import ArraySlide
from tiler import TileSpec, find_tissue, lay_grid, stream_tiles
from wsi import open_slide
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

KINDS = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
# Each class is drawn in a flat colour of its own, so that an oracle can read the truth off the pixels and every
# error that is left is one of place.
COLOURS = {"adenocarcinoma": (150, 60, 160), "normal": (225, 150, 190), "squamous_cell_carcinoma": (110, 80, 190)}


class Oracle:
    """Stands in for a model: the share of each class's colour in a tile is its probability."""

    def __init__(self, size_px=64, mpp=1.0):
        tile = TileSpec(size_px, mpp)
        self.runtime, self.site_sha256, self.sets_white = "oracle", "", False
        self.card = SimpleNamespace(
            name="oracle", version="1", classes=KINDS, outputs=KINDS, tissues=(), background="normal", tile=tile,
            familiarity_threshold=0.5, sure_from=0.0, tumour_classes=tuple(kind for kind in KINDS if kind != "normal"),
            digest="0" * 64, synthetic=True, intended_use="", limits=(), never_shown=(), training={},
        )  # fmt: skip

    def unlike_slide(self, features):
        return float("nan")

    def predict(self, tiles):
        colours = np.array([COLOURS[kind] for kind in KINDS], np.float32)
        flat = tiles[:, ::4, ::4].reshape(len(tiles), -1, 3).astype(np.float32)
        nearest = np.stack([((flat - colour) ** 2).sum(axis=2) for colour in colours]).argmin(axis=0)
        stained = flat.min(axis=2) < 215
        share = np.stack([((nearest == c) & stained).sum(axis=1) for c in range(3)], axis=1) + 1e-3
        probabilities = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)
        n = len(tiles)
        return TilePredictions(probabilities, np.zeros((n, 4), np.float16), np.ones(n, np.float32))


def draw(size, mpp):
    """A label map (height, width), 0 glass, 1 to 3 the kinds; tissue on all four edges, odd sizes, slanted borders."""
    width, height = size
    truth = np.zeros((height, width), np.uint8)
    um = 1 / mpp

    def at(x, y):
        return [round(x * um), round(y * um)]

    w, h = width * mpp, height * mpp
    cv2.fillPoly(truth, [np.array([at(0, 0), at(w * 0.55, 0), at(w * 0.35, h), at(0, h)], np.int32)], 2)
    cv2.fillPoly(truth, [np.array([at(w * 0.1, h * 0.2), at(w * 0.35, h * 0.3), at(w * 0.2, h * 0.7)], np.int32)], 1)
    cv2.fillPoly(truth, [np.array([at(w * 0.8, 0), at(w, 0), at(w, h), at(w * 0.7, h)], np.int32)], 3)
    truth[-1:, :], truth[:, -1:] = truth[-2:-1, :], truth[:, -2:-1]
    return truth


def painted(truth):
    palette = np.array([(245, 244, 246), *(COLOURS[kind] for kind in KINDS)], np.float32)
    pixels = palette[truth]
    noise = np.random.default_rng(0).normal(0, 6, truth.shape)[..., None]
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def called_at(heatmap, truth):
    """The heatmap's call at each px of the truth, (height, width)."""
    height, width = truth.shape
    rows, columns = heatmap.call.shape
    x0, y0 = heatmap.origin_px
    column = np.clip(((np.arange(width) - x0) / heatmap.cell_px).astype(int), -1, columns)
    row = np.clip(((np.arange(height) - y0) / heatmap.cell_px).astype(int), -1, rows)
    padded = np.zeros((rows + 2, columns + 2), np.uint8)
    padded[1:-1, 1:-1] = heatmap.call
    return padded[np.ix_(row + 1, column + 1)]


def mostly_outside(grid, shape):
    """Which px lie in the last row or column of cells whose tile has less than a quarter of its area on the slide."""
    shares = []
    for length, start in zip(shape, reversed(grid.origin_px), strict=True):
        first = start + np.floor((np.arange(length) - start) / grid.cell_px) * grid.cell_px
        last = length - grid.plan.span_px if grid.cells_per_side > 1 else first
        shares.append(np.clip((length - np.maximum(first, last)) / grid.plan.span_px, 0, 1))
    return shares[0][:, None] * shares[1][None] < 0.25


CASES = [
    (0.25, (2901, 2417), (0, 0)),
    (0.2527, (2803, 2611), (0, 0)),
    (0.4990, (1501, 1333), (0, 0)),
    (1.0, (967, 1013), (0, 0)),
    (0.5, (1501, 1333), (211, 97)),
]


@pytest.mark.parametrize("overlap", [0.0, 0.5])
@pytest.mark.parametrize(("mpp", "size", "offset"), CASES)
def test_heatmap_and_truth_agree_within_half_a_tile(mpp, size, offset, overlap):
    truth = draw(size, mpp)
    x0, y0 = offset
    truth[:y0], truth[:, :x0] = 0, 0
    downsamples = (1, 4) if mpp < 0.3 else (1,)
    bounds = (x0, y0, size[0] - x0, size[1] - y0)
    slide = ArraySlide(painted(truth), mpp, downsamples, bounds)
    oracle = Oracle()
    tissue = find_tissue(slide)
    spec = TileSpec(64, 1.0, overlap)
    grid = lay_grid(tissue, spec, slide)
    predictions = np.concatenate([oracle.predict(b.pixels).probabilities for b in stream_tiles(slide, grid)])
    heatmap = build_heatmap(grid, predictions, grid.quality == 0, mpp)

    # Every tissue px lies in a tile.
    inside = np.zeros(truth.shape, bool)
    for x, y in grid.xy:
        inside[y : y + round(grid.plan.span_px), x : x + round(grid.plan.span_px)] = True
    assert not ((truth > 0) & ~inside).any()

    # Wherever the truth is one class for half a tile around, the heatmap says that class.
    called = called_at(heatmap, truth)
    half = int(np.ceil(grid.plan.span_px / 2)) + 1
    slivers = mostly_outside(grid, truth.shape)
    square = np.ones((2 * half + 1, 2 * half + 1), np.uint8)
    for kind in (1, 2, 3):
        mask = (truth == kind).astype(np.uint8)
        well_inside = cv2.erode(mask, square, borderType=cv2.BORDER_REPLICATE) > 0
        assert well_inside.any()
        # A tile that lies by more than three quarters beyond the slide is kept, and has no say.
        assert ((called == kind) | (slivers & (called == 0)))[well_inside].all()
        # And a cell that is called so has that class within half a tile of its centre; with overlap, within half a
        # tile of the tiles that were averaged.
        reach = half if not overlap else round(half * 1.5)
        near = cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
        for row, column in np.argwhere(heatmap.call == kind):
            x, y = (round(o + (i + 0.5) * heatmap.cell_px) for o, i in zip(offset, (column, row), strict=True))
            assert near[min(y, size[1] - 1), min(x, size[0] - 1)]


class Coverage(Oracle):
    """Says tumour as far as a tile is stained: what is left of an error is one of place."""

    def predict(self, tiles):
        stain = np.clip((tiles.min(axis=3) < 205).mean(axis=(1, 2)), 0.01, 0.98)
        p = np.column_stack([stain, 1 - stain, np.zeros(len(tiles))]).astype(np.float32)
        return TilePredictions(p, np.zeros((len(tiles), 4), np.float16), np.ones(len(tiles), np.float32))


@pytest.mark.parametrize("mpp", [0.25, 0.2527, 0.499, 1.0])
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_a_slide_file_comes_back_as_drawn_in_um(tmp_path, mpp, overlap):
    """Through a real file, OpenSlide, the whole pipeline and the stored OME-Zarr coordinates: two bands of tissue, from
    the top edge to the bottom edge, one on the left edge and one on the right, glass between them."""
    w, h = 2111.0, 1733.0
    path = tmp_path / "drawn.tif"
    regions = (
        SyntheticRegion(Rectangle((0.0, 0.0), (w * 0.4, h)), "squamous_cell_carcinoma"),
        SyntheticRegion(Rectangle((w * 0.6, 0.0), (w, h)), "squamous_cell_carcinoma"),
    )
    size_px = (round(w / mpp), round(h / mpp))
    truth = write_synthetic_slide(path, size_px=size_px, mpp=mpp, regions=regions, seed=3)
    with open_slide(path) as slide:
        assert slide.spacing.source == "slide" and slide.spacing.mpp == pytest.approx(mpp)
    result = run_slide(path, "drawn", Coverage(size_px=112), RunConfig(out=tmp_path, model="coverage", overlap=overlap))
    root = zarr.open_group(store.save(result, tmp_path) / "heatmap" / "labels" / "tissue", mode="r")
    tissue = root["0"][...]
    transforms = root.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    (scale_y, scale_x), (y0, x0) = transforms[0]["scale"], transforms[1]["translation"]
    half_tile_um = result.provenance.tile.effective_mpp * 112 / 2
    compared = 0
    for row, column in np.ndindex(*tissue.shape):
        x, y = x0 + column * scale_x, y0 + row * scale_y
        if not (0 <= x < w - 1 and 0 <= y < h - 1) or min(abs(x - w * 0.4), abs(x - w * 0.6)) <= half_tile_um:
            continue
        compared += 1
        assert bool(tissue[row, column]) == (truth.label_at((x / mpp, y / mpp)) > 0), (x, y)
    assert compared > 0.7 * tissue.size
    # To a fraction of a tile: where the probability falls through one half is where the band ends.
    profile = np.nanmean(np.nan_to_num(result.heatmap.probabilities[0]), axis=0)
    centres = x0 + np.arange(len(profile)) * scale_x
    falls = np.interp(-0.5, -profile[: len(profile) // 2], centres[: len(profile) // 2])
    assert falls == pytest.approx(w * 0.4, abs=half_tile_um)
