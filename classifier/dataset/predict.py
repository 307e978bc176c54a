"""A tile model shown the labelled tiles of a list, read on threads while the network works."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import TileRecord, TileSet, read_tile
from classifier.dataset.whites import with_whites
from classifier.model import BATCH_TILES, TileModel, TilePredictions, fold_tissues
from classifier.progress import Progress, ProgressCallback, quiet
from tiler.spec import TileSpec

READ_THREADS = 2
BATCHES_AHEAD = 4

Pixels = NDArray[np.uint8]
View = Callable[[Pixels, int], Pixels]


def forward_tiles(
    model: TileModel, tiles: TileSet, *, view: View | None = None, progress: ProgressCallback = quiet
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (n, c) and features (n, d) in the order of `tiles`; `view` may change tile i's pixels first."""
    logits, features = [], []
    for done, pixels in batches(tiles, model.card.tile, view):
        batch_logits, batch_features = model.forward(pixels)
        logits.append(batch_logits)
        features.append(batch_features)
        progress(Progress(f"{done} of {len(tiles)} tiles", done / len(tiles)))
    return np.concatenate(logits), np.concatenate(features)


def as_shown(model: TileModel, tiles: TileSet) -> TileSet:
    """The list as `model` wants to see it: with each source group's white set, or as it is."""
    return with_whites(tiles) if model.card.white else tiles


def told_as(model: TileModel, tiles: TileSet, predictions: TilePredictions) -> TilePredictions:
    """`predictions` in the classes of `tiles`: those of a model with tissues count as its background where the list
    knows no tissues."""
    if tiles.classes == model.card.outputs:
        return predictions
    return replace(predictions, probabilities=fold_tissues(predictions.probabilities, model.card))


def batches(tiles: TileSet, spec: TileSpec, view: View | None = None) -> Iterator[tuple[int, Pixels]]:
    """(tiles so far, pixels (b, size, size, 3)) over the whole list, a few batches read ahead."""

    def read(start: int) -> Pixels:
        return np.stack([pixels_of(i, tiles.records[i]) for i in range(start, min(start + BATCH_TILES, len(tiles)))])

    def pixels_of(index: int, record: TileRecord) -> Pixels:
        pixels = read_tile(record, spec)
        return pixels if view is None else view(pixels, index)

    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="tiles") as pool:
        ahead: deque[tuple[int, Future[Pixels]]] = deque()
        for start in range(0, len(tiles), BATCH_TILES):
            ahead.append((min(start + BATCH_TILES, len(tiles)), pool.submit(read, start)))
            if len(ahead) > BATCHES_AHEAD:
                done, future = ahead.popleft()
                yield done, future.result()
        while ahead:
            done, future = ahead.popleft()
            yield done, future.result()
