"""The Deep Zoom pyramid against known pixels: its tiles put together are the slide."""

import cv2
import numpy as np
import pytest

from app.viewer.tiles.pyramid import MAX_READ_PX, TILE_PX, lay_pyramid, read_tile
from tests.slides import ArraySlide
from tests.tiffs import LONG, jpeg_tiles, level_tags, write_tiff
from wsi import open_slide
from wsi.readers.tiled.jpeg_tiff import TiffJpegReader
from wsi.spacing import Level
from wsi.synthetic.tissue import paint_tissue


def noise(width, height, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def assembled(slide, pyramid, level):
    columns, rows = pyramid.grid(level)
    return np.vstack([np.hstack([read_tile(slide, pyramid, level, c, r) for c in range(columns)]) for r in range(rows)])


@pytest.mark.parametrize("size", [(1, 1), (256, 256), (257, 255), (1000, 613), (600, 1025)])
def test_the_last_level_is_the_slide_to_the_pixel(size):
    pixels = noise(*size)
    slide = ArraySlide(pixels)
    pyramid = lay_pyramid(slide.levels)
    assert np.array_equal(assembled(slide, pyramid, pyramid.max_level), pixels)


def test_every_level_has_its_size_and_lower_ones_are_area_averages():
    pixels = noise(1024, 768)
    slide = ArraySlide(pixels)
    pyramid = lay_pyramid(slide.levels)
    assert pyramid.min_level == 0
    for level in range(pyramid.max_level + 1):
        width, height = pyramid.level_size_px(level)
        assert assembled(slide, pyramid, level).shape == (height, width, 3)
    quarter = assembled(slide, pyramid, pyramid.max_level - 2)
    assert np.array_equal(quarter, cv2.resize(pixels, (256, 192), interpolation=cv2.INTER_AREA))


def test_a_stored_level_is_served_as_it_is():
    slide = ArraySlide(noise(2048, 1024), downsamples=(1, 4))
    pyramid = lay_pyramid(slide.levels)
    assert np.array_equal(assembled(slide, pyramid, pyramid.max_level - 2), slide.read_region((0, 0), 1, (512, 256)))


def test_a_mark_stays_in_its_place_on_every_level_of_an_odd_pyramid():
    pixels = np.zeros((1536, 2050, 3), np.uint8)
    pixels[700:800, 1300:1400] = 255
    slide = ArraySlide(pixels)
    pyramid = lay_pyramid(slide.levels)
    for level in range(pyramid.max_level - 5, pyramid.max_level + 1):
        rows, columns = np.nonzero(assembled(slide, pyramid, level)[..., 0] > 127)
        step = pyramid.downsample(level)
        assert abs((columns.min() + columns.max() + 1) / 2 * step - 1350) <= step
        assert abs((rows.min() + rows.max() + 1) / 2 * step - 750) <= step


def tiff(path, levels):
    tags = []
    for number, pixels in enumerate(levels):
        tiles = jpeg_tiles(pixels, 256)
        tags.append((level_tags(pixels.shape[1::-1], 256, tiles) | ({254: (LONG, [1])} if number else {}), tiles))
    return write_tiff(path, tags)


def painted(path, size, downsamples):
    """A TIFF of drawn tissue."""
    pixels = paint_tissue("adenocarcinoma", size, 0.5, 3)
    sizes = [(size[0] // downsample, size[1] // downsample) for downsample in downsamples]
    return tiff(path, [cv2.resize(pixels, one, interpolation=cv2.INTER_AREA) for one in sizes])


@pytest.fixture
def halved(monkeypatch):
    """The regions that came halved."""
    regions, asked = [], TiffJpegReader.half_region

    def half_region(*words):
        half = asked(*words)
        regions.extend([] if half is None else [words[1:]])
        return half

    monkeypatch.setattr(TiffJpegReader, "half_region", half_region)
    return regions


class Whole:
    """A slide whose reader halves nothing."""

    def __init__(self, slide):
        self.levels, self.size_px, self.read_region = slide.levels, slide.size_px, slide.read_region


@pytest.mark.parametrize(("size", "downsamples"), [((1024, 768), (1, 4)), ((1507, 1130), (1, 4)), ((1301, 999), (1,))])
def test_tiles_between_two_stored_levels_look_as_if_they_had_been_averaged(tmp_path, halved, size, downsamples):
    """Decoded at half their size: nothing is moved, nothing of what lies beyond the edge is seen, no seam comes in."""
    with open_slide(painted(tmp_path / "slide.tif", size, downsamples), mpp=0.5) as slide:
        pyramid = lay_pyramid(slide.levels)
        for level in range(pyramid.min_level, pyramid.max_level + 1):
            seen, averaged = (assembled(one, pyramid, level).astype(int) for one in (slide, Whole(slide)))
            assert seen.shape == averaged.shape
            apart = np.abs(seen - averaged)
            assert max(apart.mean(), apart[:, -2:].mean(), apart[-2:].mean()) < 2.0, level
        assert halved
        last = pyramid.max_level
        assert np.array_equal(assembled(slide, pyramid, last), assembled(Whole(slide), pyramid, last))


def test_a_square_of_a_tiff_lies_in_its_place_on_every_level(tmp_path, halved):
    pixels = np.full((1131, 1507, 3), 240, np.uint8)
    pixels[400:500, 900:1000] = 20
    with open_slide(tiff(tmp_path / "square.tif", [pixels]), mpp=0.25) as slide:
        pyramid = lay_pyramid(slide.levels)
        for level in range(pyramid.max_level - 5, pyramid.max_level + 1):
            rows, columns = np.nonzero(assembled(slide, pyramid, level)[..., 0] < 128)
            step = pyramid.downsample(level)
            assert abs((columns.min() + columns.max() + 1) / 2 * step - 950) <= step
            assert abs((rows.min() + rows.max() + 1) / 2 * step - 450) <= step
        assert halved


@pytest.mark.parametrize(
    "place", [(-1, 0, 0), (12, 0, 0), (11, -1, 0), (11, 0, -1), (11, 8, 0), (11, 0, 6), (11, 10**9, 0)]
)
def test_no_tile_lies_outside(place):
    pyramid = lay_pyramid([Level((2048, 1536), 1.0)])
    assert pyramid.max_level == 11
    assert not pyramid.holds(*place)
    assert pyramid.holds(11, 7, 5)


def test_one_tile_of_a_flat_giant_reads_a_bounded_area():
    flat = [Level((200_000, 150_000), 1.0)]
    pyramid = lay_pyramid(flat)
    assert (TILE_PX * pyramid.downsample(pyramid.min_level)) ** 2 <= MAX_READ_PX
    with_levels = lay_pyramid([*flat, Level((12_500, 9_375), 16.0), Level((1_562, 1_172), 128.0)])
    assert with_levels.min_level == 0
