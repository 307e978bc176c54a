"""Predicting tiles: CPU per 224 px tile of the packaged int8 network and of the float32 network under TensorFlow.

`python -m benchmarks.predicting` prints medians of interleaved rounds, and what a second thread brings.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from benchmarks.rounds import Call, arguments, interleaved, median_ratio, show_ratio
from classifier.model import BATCH_TILES, TileModel, load_model

BATCHES = 6


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    int8, float32 = load_model(runtime="litert-int8"), load_model(runtime="tensorflow", threads=1)
    size_px = int8.card.tile.size_px
    tiles = np.random.default_rng(0).integers(0, 256, (BATCH_TILES, size_px, size_px, 3), np.uint8)
    contenders: dict[str, Callable[[], Call]] = {
        "int8, 1 thread": lambda: partial(_predict, int8, tiles, 1),
        "int8, 2 threads": lambda: partial(_predict, int8, tiles, 2),
        "float32 under TensorFlow, 1 thread": lambda: partial(_predict, float32, tiles, 1),
    }
    costs = interleaved(contenders, options.rounds)
    for name, found in costs.items():
        milliseconds = 1000 * statistics.median(cost.cpu_s for cost in found) / (BATCHES * BATCH_TILES)
        print(f"{name:<64} {milliseconds:6.2f} ms CPU a tile")
    one = costs["int8, 1 thread"]
    float_cpu = [cost.cpu_s for cost in costs["float32 under TensorFlow, 1 thread"]]
    show_ratio("CPU of float32 / int8", median_ratio(float_cpu, [cost.cpu_s for cost in one]))
    two_wall = [cost.wall_s for cost in costs["int8, 2 threads"]]
    show_ratio("wall of 1 thread / 2 threads, int8", median_ratio([cost.wall_s for cost in one], two_wall))


def _predict(model: TileModel, tiles: np.ndarray, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(model.predict, [tiles] * BATCHES))


if __name__ == "__main__":
    main()
