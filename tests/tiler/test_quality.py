import csv

import cv2
import numpy as np
import pytest

from tests.slides import stained
from tiler.quality import blur_flags, detail, details, mask_quality, out_of_focus, sharpness
from tiler.spec import TileQuality


def textured(seed=0):
    """A tile with detail at the scale of nuclei."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((224, 224)).astype(np.float32), (0, 0), 1.0)
    nuclei = (noise > np.quantile(noise, 0.7)).astype(np.float32)[..., None]
    return (nuclei * np.array([90, 60, 140]) + (1 - nuclei) * np.array([220, 160, 200])).astype(np.uint8)


def blurred(tile, sigma):
    return cv2.GaussianBlur(tile, (0, 0), sigma)


def flags_of(tiles):
    found = details(np.stack(tiles))
    return (blur_flags(found) | out_of_focus(found)).tolist()


def test_blur_is_told_from_sharp():
    sharp = [textured(seed) for seed in range(4)]
    assert blur_flags(details(np.stack(sharp))).tolist() == [0] * 4
    assert blur_flags(details(np.stack([blurred(tile, 3) for tile in sharp]))).tolist() == [int(TileQuality.BLUR)] * 4


def test_sharpness_falls_with_blur_and_not_with_contrast():
    tile = textured()
    values = [sharpness(detail(view)) for view in (tile, *(blurred(tile, sigma) for sigma in (1, 2, 4)))]
    assert values == sorted(values, reverse=True)
    pale = (255 - (255 - tile.astype(float)) * 0.3).astype(np.uint8)
    assert sharpness(detail(pale)) == pytest.approx(values[0], rel=0.1)


def test_glass_is_not_blurred():
    assert sharpness(detail(np.full((224, 224, 3), 243, np.uint8))) == float("inf")
    assert flags_of([stained(224, 224)]) == [0]


def partly(tile, sigma, share):
    """`tile` (224, 224, 3) with the upper `share` of it out of focus."""
    rows = round(share * len(tile))
    return np.vstack([blurred(tile, sigma)[:rows], tile[rows:]])


@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
def test_a_tile_that_is_out_of_focus_in_part_is_told_by_the_rest_of_the_slide(sigma):
    tiles = [textured(seed) for seed in range(30)]
    tiles[7], tiles[8] = partly(tiles[7], sigma, 0.6), partly(tiles[8], sigma, 0.1)
    assert np.flatnonzero(flags_of(tiles)).tolist() == [7]


def test_a_slide_that_is_slightly_soft_throughout_is_borne():
    assert flags_of([blurred(textured(seed), 1.0) for seed in range(30)]) == [0] * 30


def test_half_a_slide_out_of_focus_is_told_by_the_other_half():
    tiles = [textured(seed) if seed % 2 else blurred(textured(seed), 2.0) for seed in range(40)]
    assert np.flatnonzero(flags_of(tiles)).tolist() == list(range(0, 40, 2))


def test_tiles_that_are_mostly_glass_are_judged_by_what_lies_on_them():
    edge = np.full((224, 224, 3), 243, np.uint8)
    edge[:80] = textured()[:80]
    tiles = [textured(seed) for seed in range(20)] + [edge, blurred(edge, 2.0), np.full_like(edge, 243)]
    assert np.flatnonzero(flags_of(tiles)).tolist() == [21]


def test_a_single_tile_has_no_slide_to_be_measured_against():
    assert flags_of([partly(textured(), 3.0, 0.4)]) == [0]


def test_real_tissue_is_sharp_and_a_part_of_a_tile_out_of_focus_is_told(data_dir):
    folder = data_dir / "atlas_tissues"
    rows = list(csv.DictReader((folder / "tiles.csv").open()))[::30]
    tiles = [
        cv2.resize(cv2.imread(str(folder / row["file"])), (224, 224), interpolation=cv2.INTER_AREA) for row in rows
    ]
    assert not np.any(flags_of(tiles))
    for index in range(0, len(tiles), 4):
        tiles[index] = partly(tiles[index], 2.0, 0.6)
    told = np.array(flags_of(tiles)) > 0
    assert told[::4].mean() > 0.8 and not np.any(told[np.arange(len(tiles)) % 4 > 0])


@pytest.mark.parametrize(
    ("tissue", "pen", "dark", "flags"),
    [
        (1.0, 0.0, 0.0, TileQuality.GOOD),
        (0.24, 0.0, 0.0, TileQuality.EDGE),
        (0.25, 0.0, 0.0, TileQuality.GOOD),
        (1.0, 0.05, 0.0, TileQuality.PEN),
        (1.0, 0.0, 0.2, TileQuality.DARK),
        (0.1, 0.5, 0.5, TileQuality.EDGE | TileQuality.PEN | TileQuality.DARK),
    ],
)
def test_flags_follow_the_shares(tissue, pen, dark, flags):
    found = mask_quality(np.array([tissue]), np.array([pen]), np.array([dark]))
    assert found.tolist() == [int(flags)]


@pytest.mark.parametrize("shape", [(224, 224), (192, 192), (256, 128), (101, 230), (3, 3)])
@pytest.mark.parametrize("sigma", [0, 2, 6])
def test_detail_is_what_area_averages_of_the_blurs_give(shape, sigma):
    """To the last bit, whichever way the cells are added up: a tile's flags must not hang on its size."""
    tile = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), np.uint8)
    tile = blurred(tile, sigma) if sigma else tile
    grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY)
    soft, softer = cv2.blur(grey, (3, 3)), cv2.blur(grey, (9, 9))
    fine, coarse = (
        cv2.resize(cv2.absdiff(*pair).astype(np.float32), (4, 4), interpolation=cv2.INTER_AREA)
        for pair in ((grey, soft), (soft, softer))
    )
    expected = np.where(coarse > 1.0, fine / np.maximum(coarse, 1e-3), np.nan).astype(np.float32).ravel()
    np.testing.assert_array_equal(detail(tile), expected)
