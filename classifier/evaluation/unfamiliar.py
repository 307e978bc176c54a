"""What no model should recognise, made of the judged tiles themselves: the same six sets for every model and card.

Foreign tissue needs images of it; those are `foreign.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import TileSet, read_tile
from classifier.evaluation.foreign import ForeignResult, ShownTiles, TileCollector, foreign_result
from classifier.model import BATCH_TILES, TileModel
from classifier.progress import Progress, ProgressCallback, quiet

# Of so many tiles, evenly spread over the list: a set is plain enough for that.
MAX_TILES = 256
# Nuclei of 6 to 10 um melt into each other.
STRONG_BLUR_UM = 4.0
GLASS_RGB, GREY_RGB, INK_RGB = (243, 243, 244), (128, 128, 128), (25, 70, 160)
INK_SHARE, INK_OPACITY = 0.45, 0.85

Pixels = NDArray[np.uint8]
View = Callable[[Pixels, float, np.random.Generator], Pixels]


def _flat(colour: tuple[int, int, int]) -> View:
    def view(pixels: Pixels, mpp: float, rng: np.random.Generator) -> Pixels:
        noisy = np.array(colour) + rng.normal(0, 2, pixels.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    return view


def _noise(pixels: Pixels, mpp: float, rng: np.random.Generator) -> Pixels:
    return rng.integers(0, 256, pixels.shape, dtype=np.uint8)


def _blurred(pixels: Pixels, mpp: float, rng: np.random.Generator) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), STRONG_BLUR_UM / mpp), np.uint8)


def _inverted(pixels: Pixels, mpp: float, rng: np.random.Generator) -> Pixels:
    return np.asarray(255 - pixels, np.uint8)


def _inked(pixels: Pixels, mpp: float, rng: np.random.Generator) -> Pixels:
    """A marker's stroke across the tile, as wide as INK_SHARE of it."""
    size_px = pixels.shape[0]
    start, end = (round(place) for place in rng.uniform(0, size_px, 2))
    across = rng.random() < 0.5
    ends = ((0, start), (size_px, end)) if across else ((start, 0), (end, size_px))
    stroke: Any = np.zeros((size_px, size_px), np.float32)
    cv2.line(stroke, ends[0], ends[1], (INK_OPACITY,), round(INK_SHARE * size_px), cv2.LINE_AA)
    inked = pixels * (1 - stroke[..., None]) + np.array(INK_RGB, np.float32) * stroke[..., None]
    return np.clip(np.rint(inked), 0, 255).astype(np.uint8)


UNFAMILIAR: tuple[tuple[str, View], ...] = (
    ("made: blank glass", _flat(GLASS_RGB)),
    ("made: flat grey", _flat(GREY_RGB)),
    ("made: noise", _noise),
    (f"made: blur of {STRONG_BLUR_UM:g} um", _blurred),
    ("made: marker pen", _inked),
    ("made: inverted stain", _inverted),
)


def detect_unfamiliar(
    model: TileModel, tiles: TileSet, known: ShownTiles, progress: ProgressCallback = quiet
) -> tuple[ForeignResult, ...]:
    """Each set, made of `tiles`, against the `known` tiles. Raises DatasetError."""
    chosen = np.unique(np.linspace(0, len(tiles) - 1, min(MAX_TILES, len(tiles))).round().astype(int))
    collectors = [TileCollector(model) for _ in UNFAMILIAR]
    for start in range(0, len(chosen), BATCH_TILES):
        part = chosen[start : start + BATCH_TILES]
        pixels = [read_tile(tiles.records[i], model.card.tile) for i in part]
        for (_, view), collector in zip(UNFAMILIAR, collectors, strict=True):
            collector.show(np.stack(_views(view, pixels, part, model.card.tile.mpp)), tiles.groups[part])
        done = (start + len(part)) / len(chosen)
        progress(Progress(f"what no model should recognise: {done:.0%}", done))
    names = [name for name, _ in UNFAMILIAR]
    return tuple(
        foreign_result(name, len(chosen), known, collector.collected())
        for name, collector in zip(names, collectors, strict=True)
    )


def _views(view: View, pixels: Sequence[Pixels], seeds: NDArray[np.integer], mpp: float) -> list[Pixels]:
    return [view(one, mpp, np.random.default_rng(seed)) for one, seed in zip(pixels, seeds, strict=True)]
