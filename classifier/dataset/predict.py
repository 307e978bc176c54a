"""A tile model shown the labelled tiles of a list, read on threads while the network works."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import TileRecord, TileSet, read_parts, read_tile
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


def judge_tiles(
    model: TileModel, tiles: TileSet, *, view: View | None = None, progress: ProgressCallback = quiet
) -> TilePredictions:
    """One prediction a tile, in the outputs of the card: the mean of those of its parts, where it is larger than the
    model's. `view` may change the pixels of tile i's parts first. Raises DatasetError.
    """
    found: list[TilePredictions] = []
    for done, parts in in_parts(tiles, model.card.tile):
        first = len(found) * BATCH_TILES
        if view is not None:
            parts = [np.stack([view(one, first + i) for one in shown]) for i, shown in enumerate(parts)]
        found.append(mean_of_parts(model.predict(np.concatenate(parts)), [len(shown) for shown in parts]))
        progress(Progress(f"{done} of {len(tiles)} tiles", done / len(tiles)))
    return joined(found)


def mean_of_parts(predictions: TilePredictions, counts: Sequence[int]) -> TilePredictions:
    """Of tiles that were shown in `counts` parts each, in turn. How familiar a tile is, half of its parts reach."""
    if max(counts) == 1:
        return predictions
    places = np.split(np.arange(len(predictions)), np.cumsum(counts)[:-1])
    by_site = predictions.by_site
    return TilePredictions(
        np.stack([predictions.probabilities[part].mean(axis=0) for part in places]),
        np.stack([predictions.features[part].mean(axis=0, dtype=np.float32) for part in places]).astype(np.float16),
        np.array([np.median(predictions.familiarity[part]) for part in places], np.float32),
        None if by_site is None else np.array([by_site[part].mean() >= 0.5 for part in places]),
    )


def joined(found: Sequence[TilePredictions]) -> TilePredictions:
    """The predictions of all batches, in their order; at least one."""
    by_site = [one.by_site for one in found if one.by_site is not None]
    return TilePredictions(
        np.concatenate([one.probabilities for one in found]),
        np.concatenate([one.features for one in found]),
        np.concatenate([one.familiarity for one in found]),
        np.concatenate(by_site) if by_site else None,
    )


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

    def pixels_of(index: int, record: TileRecord) -> Pixels:
        pixels = read_tile(record, spec)
        return pixels if view is None else view(pixels, index)

    for done, pixels in _read_ahead(tiles, pixels_of):
        yield done, np.stack(pixels)


def in_parts(tiles: TileSet, spec: TileSpec) -> Iterator[tuple[int, list[Pixels]]]:
    """(tiles so far, the parts of each tile of the batch, (k, size, size, 3)) over the whole list."""
    return _read_ahead(tiles, lambda _, record: read_parts(record, spec))


def _read_ahead(tiles: TileSet, read_one: Callable[[int, TileRecord], Pixels]) -> Iterator[tuple[int, list[Pixels]]]:
    def read(start: int) -> list[Pixels]:
        return [read_one(i, tiles.records[i]) for i in range(start, min(start + BATCH_TILES, len(tiles)))]

    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="tiles") as pool:
        ahead: deque[tuple[int, Future[list[Pixels]]]] = deque()
        for start in range(0, len(tiles), BATCH_TILES):
            ahead.append((min(start + BATCH_TILES, len(tiles)), pool.submit(read, start)))
            if len(ahead) > BATCHES_AHEAD:
                done, future = ahead.popleft()
                yield done, future.result()
        while ahead:
            done, future = ahead.popleft()
            yield done, future.result()
