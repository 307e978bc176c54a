"""A stream of tile batches: read on threads, in order, with bounded memory; and, where asked, worked on where read.

Working on a batch in the thread that read it keeps every core busy without a second crew of threads to hold back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from tiler.grid import level_xy_of
from tiler.quality import blur_flags, details
from tiler.spec import Grid, TileBatch, TileSpec
from wsi.slide import Slide
from wsi.spacing import ReadPlan, plan_read

BATCH_SIZE = 32
# Overlapping neighbours are cut from one region of at most this size: 3 MB, which stays in a core's cache.
_REGION_PIXELS = 1 << 20

Result = TypeVar("Result")


def stream_tiles(slide: Slide, grid: Grid, *, batch_size: int = BATCH_SIZE, threads: int = 2) -> Iterator[TileBatch]:
    """The tiles of `grid` in its order. At most `threads` + 2 batches exist at a time, whatever the slide's size.

    Each thread reads on a handle of its own. Raises what the reader raises (CorruptSlideError) at the batch it hit.
    """
    return map_tiles(slide, grid, lambda batch: batch, batch_size=batch_size, threads=threads)


def map_tiles(
    slide: Slide,
    grid: Grid,
    work: Callable[[TileBatch], Result],
    *,
    batch_size: int = BATCH_SIZE,
    threads: int = 2,
) -> Iterator[Result]:
    """`work(batch)` of each batch that `stream_tiles` would give, in order, carried out on the `threads` that read.

    `work` is called from several threads at once; what it raises comes out at its batch.
    """
    readers = _Readers(slide)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tiles")
    pending: deque[Future[Result]] = deque()
    try:
        for start in range(0, len(grid), batch_size):
            stop = min(start + batch_size, len(grid))
            pending.append(pool.submit(lambda a, b: work(_read_batch(readers, grid, a, b)), start, stop))
            if len(pending) > threads + 1:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        pool.shutdown(wait=True)
        readers.close()


def read_tiles(slide: Slide, grid: Grid, start: int, stop: int) -> NDArray[np.uint8]:
    """Tiles `start` to `stop`, (n, size, size, 3): stored pixels, or the area average (enlarged where the slide is
    coarser). Neighbours that overlap are cut from one region, so that no reader decodes their common part twice."""
    plan = grid.plan
    tiles = _empty_tiles(plan, stop - start)
    for first, last in _runs(grid, start, stop):
        x, y = (int(value) for value in grid.level_xy[first])
        width = int(grid.level_xy[last - 1, 0]) - x + plan.read_px
        region = slide.read_region((x, y), plan.level, (width, plan.read_px))
        for index in range(first, last):
            left = int(grid.level_xy[index, 0]) - x
            _fit(region[:, left : left + plan.read_px], plan, tiles[index - start])
    return tiles


def read_tile_at(slide: Slide, xy: tuple[int, int], spec: TileSpec) -> NDArray[np.uint8]:
    """The one tile of a grid of `spec` whose top-left corner is level-0 px `xy`: (size, size, 3), as it was streamed.

    Raises MppTooCoarseError if the slide cannot give `spec.mpp`, CorruptSlideError where it cannot be read.
    """
    plan = plan_read(slide.levels, slide.spacing, spec.size_px, spec.mpp)
    x, y = level_xy_of(np.array(xy), slide.levels[plan.level].downsample).tolist()
    [tile] = _empty_tiles(plan, 1)
    _fit(slide.read_region((x, y), plan.level, (plan.read_px, plan.read_px)), plan, tile)
    return tile


def _empty_tiles(plan: ReadPlan, count: int) -> NDArray[np.uint8]:
    return np.empty((count, plan.tile_px, plan.tile_px, 3), np.uint8)


def _fit(pixels: NDArray[np.uint8], plan: ReadPlan, tile: NDArray[np.uint8]) -> None:
    """Writes `pixels` into `tile`, at the tile's size."""
    if plan.read_px == plan.tile_px:
        tile[:] = pixels
    else:
        method = cv2.INTER_LINEAR if plan.enlarged else cv2.INTER_AREA
        cv2.resize(pixels, (plan.tile_px, plan.tile_px), dst=tile, interpolation=method)


def _runs(grid: Grid, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """[first, last) of overlapping neighbours in one row whose common region is small enough; else tile by tile."""
    read_px = grid.plan.read_px
    widest = max(read_px, _REGION_PIXELS // read_px)
    first = start
    for index in range(start + 1, stop + 1):
        if index < stop:
            (x0, y0), (x, y), (before, _) = (grid.level_xy[i] for i in (first, index, index - 1))
            if y == y0 and x < before + read_px and x + read_px - x0 <= widest:
                continue
        yield first, index
        first = index


def _read_batch(readers: _Readers, grid: Grid, start: int, stop: int) -> TileBatch:
    pixels = read_tiles(readers.mine(), grid, start, stop)
    found = details(pixels)
    return TileBatch(start, pixels, grid.quality[start:stop] | blur_flags(found), found)


class _Readers:
    """One slide handle a thread, all closed together."""

    def __init__(self, slide: Slide) -> None:
        self._slide = slide
        self._local = threading.local()
        self._opened: list[Slide] = []
        self._lock = threading.Lock()

    def mine(self) -> Slide:
        if not hasattr(self._local, "slide"):
            self._local.slide = self._slide.reopen()
            with self._lock:
                self._opened.append(self._local.slide)
        return self._local.slide

    def close(self) -> None:
        for slide in self._opened:
            slide.close()
