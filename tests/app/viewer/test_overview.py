"""The tiles that show most of a slide at once: as they would be read, from a picture that is read but once."""

import cv2
import numpy as np
import pytest

from app.viewer.tiles.encoded import encoded_tile
from app.viewer.tiles.overview import overview_tile
from app.viewer.tiles.pyramid import lay_pyramid, read_tile
from tests.slides import ArraySlide
from wsi.errors import CorruptSlideError


class Counting(ArraySlide):
    """Counts what is read of it; `damaged`: nothing that holds the level's first px can be."""

    def __init__(self, pixels, downsamples=(1,), damaged=False):
        super().__init__(pixels, downsamples=downsamples)
        self.reads, self.damaged = [], damaged

    def read_region(self, level_xy, level, size_px):
        self.reads.append((level, size_px))
        if self.damaged and level == len(self.levels) - 1 and level_xy == (0, 0):
            raise CorruptSlideError("a tile is damaged")
        return super().read_region(level_xy, level, size_px)


def smooth(width, height):
    small = np.random.default_rng(2).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def places(pyramid):
    for level in range(pyramid.min_level, pyramid.max_level + 1):
        columns, rows = pyramid.grid(level)
        yield from ((level, column, row) for column in range(columns) for row in range(rows))


@pytest.mark.parametrize("size", [(3000, 2000), (2999, 1777), (700, 3001)])
@pytest.mark.parametrize("downsamples", [(1,), (1, 2), (1, 4)])
def test_each_tile_shows_what_would_be_read(size, downsamples):
    slide = Counting(smooth(*size), downsamples)
    pyramid, served = lay_pyramid(slide.levels), set()
    for place in places(pyramid):
        tile = overview_tile(slide, pyramid, *place)
        if tile is None:
            continue
        served.add(place[0])
        read = read_tile(slide, pyramid, *place)
        assert tile.shape == read.shape and tile.dtype == np.uint8
        # At an odd edge the last px stands for fewer of the finer ones, either way.
        assert np.abs(tile.astype(int) - read).mean() < 3
    finest = pyramid.max_level - int(np.log2(downsamples[-1])) - 1
    assert served == set(range(pyramid.min_level, finest + 1))


def test_the_coarsest_level_is_read_once_for_all_of_them():
    slide = Counting(smooth(3000, 2000), (1, 4))
    pyramid = lay_pyramid(slide.levels)
    coarse = [place for place in places(pyramid) if pyramid.downsample(place[0]) >= 8]
    assert len(coarse) > 8
    for place in coarse * 2:
        held, encoded = encoded_tile(slide, *place)
        assert held and encoded.startswith(b"\xff\xd8")
    assert slide.reads == [(1, (750, 500))]


def test_a_damaged_part_does_not_take_the_sound_ones_with_it():
    slide = Counting(smooth(3000, 2000), (1, 4), damaged=True)
    pyramid = lay_pyramid(slide.levels)
    level = pyramid.max_level - 3
    assert pyramid.grid(level) == (2, 1)
    with pytest.raises(CorruptSlideError):
        encoded_tile(slide, level, 0, 0)
    assert encoded_tile(slide, level, 1, 0)[0]


def test_a_large_level_is_not_decoded_whole_for_one_tile():
    slide = Counting(smooth(4000, 3000))
    pyramid = lay_pyramid(slide.levels)
    assert all(overview_tile(slide, pyramid, *place) is None for place in places(pyramid)) and slide.reads == []
