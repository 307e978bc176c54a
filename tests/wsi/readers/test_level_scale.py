"""Downsamples by size where it tells, by pixels where it does not; levels of other pictures are left out."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.slides import stained
from tests.tiffs import jpeg_tiles, level_tags, write_tiff
from tiler import find_tissue
from wsi import open_slide
from wsi.readers.level_scale import StoredLevel, scale_levels


def section(width, height, seed=0):
    """Glass with tissue at the right and bottom, where a wrong downsample loses it."""
    pixels = np.full((height, width, 3), 244, np.uint8)
    top, left = height * 5 // 9, width * 5 // 9
    coarse = stained((height - top) // 12 + 1, (width - left) // 12 + 1, seed).repeat(12, axis=0).repeat(12, axis=1)
    pixels[top:, left:] = coarse[: height - top, : width - left]
    pixels[height - 30 :, :] = pixels[:, width - 30 :] = 244
    return pixels


def reduced(pixels, x, y):
    size = (pixels.shape[1] // x, pixels.shape[0] // y)
    return cv2.resize(pixels[: size[1] * y, : size[0] * x], size, interpolation=cv2.INTER_AREA)


def filled(pixels, tile, value=255):
    below, right = (-side % tile for side in pixels.shape[:2])
    return np.pad(pixels, ((0, below), (0, right), (0, 0)), constant_values=value)


def scaled(pictures, tile, **options):
    """What `scale_levels` makes of pictures, with OpenSlide's figures for their downsamples."""
    height, width = pictures[0].shape[:2]
    stored = [
        StoredLevel((p.shape[1], p.shape[0]), (width / p.shape[1] + height / p.shape[0]) / 2, (tile, tile))
        for p in pictures
    ]

    def read(level, corner, size):
        (x, y), part = corner, pictures[level]
        assert x + size[0] <= part.shape[1] and y + size[1] <= part.shape[0]
        return part[y : y + size[1], x : x + size[0]]

    return scale_levels(stored, read, **options)


@pytest.mark.parametrize("tile", [128, 240, 512])
@pytest.mark.parametrize("factors", [(2, 4, 8), (4, 16), (3, 9)])
@pytest.mark.parametrize("size", [(1900, 1300), (1111, 2003)])
@pytest.mark.parametrize("value", [255, 244, 0])
def test_levels_filled_up_to_whole_tiles(tile, factors, size, value) -> None:
    picture = section(*size)
    levels = [picture] + [filled(reduced(picture, f, f), tile, value) for f in factors]
    found = scaled(levels, tile)
    assert [level.downsample for level in found.levels] == [1.0, *map(float, factors)]
    for level, factor in zip(found.levels, (1, *factors), strict=True):
        assert level.size_px == (-(-size[0] // factor), -(-size[1] // factor))


def test_a_padded_level_that_looks_like_another_whole_downsample() -> None:
    """768 px by 4 are 192, filled up to 256: a third of 768."""
    picture = section(768, 768)
    found = scaled([picture, filled(reduced(picture, 4, 4), 256)], 256)
    assert found.levels[1].downsample == 4.0
    found = scaled([picture, reduced(picture, 3, 3)], 256)
    assert found.levels[1].downsample == 3.0


def test_an_uneven_level_is_left_out() -> None:
    picture = section(1600, 1200)
    found = scaled([picture, reduced(picture, 4, 2), reduced(picture, 8, 8)], 256)
    assert [level.downsample for level in found.levels] == [1.0, 8.0]
    assert found.stored == (0, 2)
    assert found.left_out == 1


def test_the_level_of_another_picture_is_left_out() -> None:
    picture, other = section(1600, 1200), section(1600, 1200, seed=5)[::-1, ::-1]
    found = scaled([picture, reduced(picture, 4, 4), reduced(other, 4, 4)], 256, compare_all=True)
    assert found.stored == (0, 1)


def test_a_blank_padded_level_is_left_out_and_a_blank_whole_one_kept() -> None:
    picture = np.full((1300, 1900, 3), 244, np.uint8)
    found = scaled([picture, reduced(picture, 4, 4), filled(reduced(picture, 8, 8), 256)], 256, compare_all=True)
    assert found.stored == (0, 1)


@pytest.mark.parametrize("reader", ["tiff-jpeg", "openslide"])
def test_tissue_of_a_padded_slide_is_that_of_an_exact_one(tmp_path: Path, reader: str) -> None:
    picture = section(1900, 1300)
    areas = []
    for name, fill in (("exact.tif", False), ("padded.tif", True)):
        levels = [picture] + [reduced(picture, f, f) for f in (4, 16)]
        if fill:
            levels = [picture] + [filled(level, 256) for level in levels[1:]]
        written = []
        for number, level in enumerate(levels):
            tiles = jpeg_tiles(level, 256, "444")
            tags = level_tags((level.shape[1], level.shape[0]), 256, tiles, subsampling="444")
            if number:
                tags[254] = (4, [1])
            written.append((tags, tiles))
        write_tiff(tmp_path / name, written)
        with open_slide(tmp_path / name, mpp=0.5, reader=reader) as slide:
            assert [level.downsample for level in slide.levels] == [1.0, 4.0, 16.0]
            areas.append(find_tissue(slide).tissue_mm2)
            with slide.reopen() as other:
                assert other.levels == slide.levels
    assert areas[1] == pytest.approx(areas[0], rel=0.05)
    assert areas[0] == pytest.approx(0.85e3 * 0.58e3 / 4e6, rel=0.3)
