import threading

import cv2
import numpy as np
import pytest

from tests.slides import ArraySlide, stained
from tiler.grid import lay_grid
from tiler.spec import TileSpec
from tiler.stream import map_tiles, read_tile_at, stream_tiles
from tiler.tissue import find_tissue
from wsi.errors import CorruptSlideError


@pytest.fixture
def slide():
    pixels = np.full((1200, 1500, 3), 245, np.uint8)
    pixels[100:1100, 80:1500] = stained(1000, 1420)
    return ArraySlide(pixels, mpp=0.5)


@pytest.mark.parametrize(("threads", "batch_size"), [(1, 1), (2, 7), (4, 64)])
def test_the_tiles_are_the_slides_own_pixels_in_order(slide, threads, batch_size):
    grid = lay_grid(find_tissue(slide), TileSpec(64, 0.5), slide)
    batches = list(stream_tiles(slide, grid, batch_size=batch_size, threads=threads))
    assert [batch.start for batch in batches] == list(range(0, len(grid), batch_size))
    tiles = np.concatenate([batch.pixels for batch in batches])
    for (x, y), tile in zip(grid.xy, tiles, strict=True):
        assert np.array_equal(tile, slide.read_region((x, y), 0, (64, 64)))


def test_coarser_tiles_are_area_averages(slide):
    grid = lay_grid(find_tissue(slide), TileSpec(64, 1.0), slide)
    tile = next(stream_tiles(slide, grid)).pixels[0]
    x, y = grid.xy[0]
    expected = cv2.resize(slide.read_region((x, y), 0, (128, 128)), (64, 64), interpolation=cv2.INTER_AREA)
    assert np.array_equal(tile, expected)


@pytest.mark.parametrize("spec", [TileSpec(64, 0.5), TileSpec(48, 0.73, overlap=2 / 3), TileSpec(32, 1.0, overlap=0.5)])
def test_a_tile_read_alone_is_the_one_that_was_streamed(slide, spec):
    grid = lay_grid(find_tissue(slide), spec, slide)
    tiles = np.concatenate([batch.pixels for batch in stream_tiles(slide, grid)])
    for index in range(0, len(grid), 37):
        x, y = grid.xy[index].tolist()
        assert np.array_equal(read_tile_at(slide, (x, y), spec), tiles[index])


def test_each_thread_reads_on_a_handle_of_its_own_and_closes_it(slide):
    grid = lay_grid(find_tissue(slide), TileSpec(64, 0.5), slide)
    list(stream_tiles(slide, grid, batch_size=4, threads=3))
    own = slide.handles[1:]
    assert 1 <= len(own) <= 3
    assert all(handle.closed for handle in own) and not slide.closed


def test_a_consumer_that_stops_leaves_no_handle_open(slide):
    grid = lay_grid(find_tissue(slide), TileSpec(64, 0.5), slide)
    stream = stream_tiles(slide, grid, batch_size=4, threads=2)
    next(stream)
    stream.close()
    assert all(handle.closed for handle in slide.handles[1:])


def test_few_batches_exist_at_a_time(slide):
    grid = lay_grid(find_tissue(slide), TileSpec(64, 0.5), slide)
    read = []
    original = slide.read_region
    slide.read_region = lambda *args: read.append(1) or original(*args)
    stream = stream_tiles(slide, grid, batch_size=4, threads=2)
    next(stream)
    assert len(read) <= 4 * (2 + 2) < len(grid)
    stream.close()


def test_a_reader_that_breaks_is_heard(slide):
    grid = lay_grid(find_tissue(slide), TileSpec(64, 0.5), slide)

    def broken(*args):
        raise CorruptSlideError("array.tif: tile 7 cannot be decoded")

    slide.read_region = broken
    with pytest.raises(CorruptSlideError):
        list(stream_tiles(slide, grid))
    assert all(handle.closed for handle in slide.handles[1:])


def test_work_is_done_on_the_reading_threads_and_comes_in_order(slide):
    grid = lay_grid(find_tissue(slide), TileSpec(64, 0.5), slide)
    names = set()

    def work(batch):
        names.add(threading.current_thread().name)
        return batch.start

    starts = list(map_tiles(slide, grid, work, batch_size=8, threads=3))
    assert starts == list(range(0, len(grid), 8))
    assert all(name.startswith("tiles") for name in names)


def test_work_that_fails_is_heard(slide):
    grid = lay_grid(find_tissue(slide), TileSpec(64, 0.5), slide)

    def work(batch):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(map_tiles(slide, grid, work, batch_size=8))
    assert all(handle.closed for handle in slide.handles[1:])


@pytest.mark.parametrize(("mpp", "overlap"), [(0.5, 0.5), (1.0, 0.5), (0.9, 0.75), (0.4, 2 / 3)])
def test_overlapping_tiles_equal_those_read_one_by_one(slide, mpp, overlap):
    grid = lay_grid(find_tissue(slide), TileSpec(64, mpp, overlap), slide)
    tiles = np.concatenate([batch.pixels for batch in stream_tiles(slide, grid)])
    side, method = grid.plan.read_px, cv2.INTER_LINEAR if grid.plan.enlarged else cv2.INTER_AREA
    for (x, y), tile in zip(grid.level_xy, tiles, strict=True):
        region = slide.read_region((x, y), grid.plan.level, (side, side))
        assert np.array_equal(tile, region if side == 64 else cv2.resize(region, (64, 64), interpolation=method))


def test_overlapping_neighbours_are_read_as_one_region(slide):
    grid = lay_grid(find_tissue(slide), TileSpec(64, 0.5, 0.75), slide)
    sizes = []
    original = slide.read_region
    slide.read_region = lambda xy, level, size: sizes.append(size) or original(xy, level, size)
    list(stream_tiles(slide, grid))
    read = sum(width * height for width, height in sizes)
    assert read < len(grid) * 64 * 64 / 2
