"""A stream of tile batches: read on threads ahead of the consumer, in order, with bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from tiler.quality import blur_flags
from tiler.spec import Grid, TileBatch
from wsi.slide import Slide

BATCH_SIZE = 32


def stream_tiles(slide: Slide, grid: Grid, *, batch_size: int = BATCH_SIZE, threads: int = 2) -> Iterator[TileBatch]:
    """The tiles of `grid` in its order. At most `threads` + 2 batches exist at a time, whatever the slide's size.

    Each thread reads on a handle of its own. Raises what the reader raises (CorruptSlideError) at the batch it hit.
    """
    readers = _Readers(slide)
    starts = range(0, len(grid), batch_size)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tiles")
    pending: deque[Future[TileBatch]] = deque()
    try:
        for start in starts:
            pending.append(pool.submit(_read_batch, readers, grid, start, min(start + batch_size, len(grid))))
            if len(pending) > threads + 1:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        pool.shutdown(wait=True)
        readers.close()


def read_tile(slide: Slide, grid: Grid, index: int) -> NDArray[np.uint8]:
    """Tile `index`, (size, size, 3): stored pixels, or the area average (enlarged where the slide is coarser)."""
    plan = grid.plan
    x, y = (int(v) for v in grid.level_xy[index])
    region = slide.read_region((x, y), plan.level, (plan.read_px, plan.read_px))
    if plan.read_px == plan.tile_px:
        return region
    method = cv2.INTER_LINEAR if plan.enlarged else cv2.INTER_AREA
    return cv2.resize(region, (plan.tile_px, plan.tile_px), interpolation=method).astype(np.uint8, copy=False)


def _read_batch(readers: _Readers, grid: Grid, start: int, stop: int) -> TileBatch:
    slide = readers.mine()
    pixels = np.stack([read_tile(slide, grid, index) for index in range(start, stop)])
    return TileBatch(start, pixels, grid.quality[start:stop] | blur_flags(pixels))


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
