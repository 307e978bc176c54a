"""From tile probabilities to slide-level probabilities. Arrays in, numbers out; the rule is stated in `pool`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aggregate.thresholds import LEAST_NEIGHBOURS, NEIGHBOURS, RADIUS_TILES, TUMOUR


@dataclass(frozen=True)
class Pooled:
    """Slide-level figures over the n tiles that voted.

    `probabilities` is (c,), sums to 1, NaN if n is 0. `hotspot` is the largest neighbourhood tumour probability.
    `tumour_tiles` and `disagreeing_tiles` count tiles of no overlap (they are fractions where tiles overlap).
    """

    probabilities: NDArray[np.float64]
    hotspot: float
    tumour_tiles: float  # tiles in neighbourhoods that are more tumour than not
    scatter: float  # of the tiles that touch on tumour, the share that differs from its neighbourhood
    disagreeing_tiles: float
    second_type_share: float  # of the tumour tiles, those in neighbourhoods of the second most frequent tumour class
    entropy: float  # mean over tiles, 0 to 1


def pool(
    probabilities: NDArray[np.floating],
    cells: NDArray[np.integer],
    weights: NDArray[np.floating],
    *,
    background: int,
    cells_per_side: int = 1,
) -> Pooled:
    """Pools `probabilities` (n, c) of tiles that start in different grid `cells` (n, 2) and hold tissue `weights` (n,).

    The probability that there is tumour is that of the most suspicious *neighbourhood*: the largest mean, over a tile
    and the eight nearest within 2.5 tiles, of 1 - p(background). So nine tumour tiles among ten thousand normal ones
    are not diluted (the most suspicious instance decides: Campanella et al. 2019, doi 10.1038/s41591-019-0508-1), and
    a stray tile, outvoted by its neighbours, does not call cancer (regions instead of tiles: Wang et al. 2016,
    arXiv:1606.05718). An island of less than four tiles is filled up with zeros, unless the whole slide is smaller.

    Which tumour it is, is the mean over the tiles of tumour neighbourhoods alone (averaging tumour tiles: Coudray et
    al. 2018, doi 10.1038/s41591-018-0177-5), or over the hottest neighbourhood where none reaches one half.

    Distances are those of the grid. Tiles that are equally near share the places that are left among the nine, so
    the order of tiles and the way the glass was laid do not matter. A tile is `cells_per_side` cells wide, which is 2
    at an overlap of 1/2; a neighbourhood then has as many more tiles.
    """
    n, n_classes = probabilities.shape
    if n == 0:
        nan = float("nan")
        return Pooled(np.full(n_classes, np.nan), nan, 0.0, nan, 0.0, nan, nan)
    tile_p = probabilities.astype(np.float64)
    tiles_per_area = cells_per_side**2
    around, shortfall = _neighbourhood_means(tile_p, cells, cells_per_side)
    tumour = np.clip(1.0 - around[:, background], 0.0, 1.0) * shortfall
    hottest = int(np.argmax(tumour))
    hotspot = float(tumour[hottest])

    in_tumour = tumour >= TUMOUR
    voters = in_tumour if in_tumour.any() else np.arange(n) == hottest
    source = tile_p if in_tumour.any() else around
    types = _tumour_types(source[voters], weights[voters], background)
    pooled = hotspot * types
    pooled[background] = 1.0 - hotspot
    differs, touches = _disagreement(tile_p, around, background)
    return Pooled(
        probabilities=pooled,
        hotspot=hotspot,
        tumour_tiles=float(in_tumour.sum()) / tiles_per_area,
        scatter=float(differs.sum() / touches.sum()) if touches.any() else 0.0,
        disagreeing_tiles=float(differs.sum()) / tiles_per_area,
        second_type_share=_second_share(around[in_tumour], background),
        entropy=float(normalised_entropy(tile_p).mean()),
    )


def outvoted(
    probabilities: NDArray[np.floating], cells: NDArray[np.integer], *, background: int, cells_per_side: int = 1
) -> NDArray[np.bool_]:
    """(n,): the tiles that `Pooled.disagreeing_tiles` counts; arguments as in `pool`, of one tile at least."""
    tile_p = probabilities.astype(np.float64)
    around, _ = _neighbourhood_means(tile_p, cells, cells_per_side)
    return _disagreement(tile_p, around, background)[0]


def normalised_entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Shannon entropy over the last axis, divided by that of equal probabilities: 0 certain, 1 undecided.

    (..., c) gives (...).
    """
    p = np.clip(probabilities.astype(np.float64), 1e-12, 1.0)
    return -(p * np.log(p)).sum(axis=-1) / np.log(p.shape[-1])


def _neighbourhood_means(
    tile_p: NDArray[np.float64], cells: NDArray[np.integer], cells_per_side: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, c) mean over each tile and its nearest, and (n,) the factor <= 1 that fills small islands up with zeros."""
    n, n_classes = tile_p.shape
    rings, reach = _rings(RADIUS_TILES * cells_per_side)
    first = cells.min(axis=0) - reach
    rows, columns = cells.max(axis=0) + reach + 1 - first
    at = (cells[:, 0] - first[0]) * columns + cells[:, 1] - first[1]
    # The last layer counts tiles, so that sums and counts are taken alike.
    layers = np.zeros((n_classes + 1, rows * columns))
    layers[:-1, at], layers[-1, at] = tile_p.T, 1.0
    wanted = min(n, NEIGHBOURS * cells_per_side**2)
    sums = np.zeros((n_classes + 1, n))
    for ring in rings:
        found = np.zeros_like(sums)
        for down, right in ring:
            found += layers[:, at + (down * columns + right)]
        places = np.maximum(0.0, wanted - sums[-1])
        sums += found * np.minimum(1.0, places / np.maximum(1.0, found[-1]))
    least = min(n, LEAST_NEIGHBOURS * cells_per_side**2)
    return (sums[:-1] / sums[-1]).T, np.minimum(1.0, sums[-1] / least)


def _rings(radius: float) -> tuple[list[list[tuple[int, int]]], int]:
    """Steps (rows, columns) to all cells nearer than `radius`, those of one distance together, the nearest first; and
    the longest step."""
    reach = int(radius)
    by_distance: dict[int, list[tuple[int, int]]] = {}
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if (square := down * down + right * right) < radius * radius:
                by_distance.setdefault(square, []).append((down, right))
    return [by_distance[square] for square in sorted(by_distance)], reach


def _tumour_types(
    probabilities: NDArray[np.float64], weights: NDArray[np.floating], background: int
) -> NDArray[np.float64]:
    """(c,) shares of the tumour classes, 0 for the background; sums to 1."""
    mass = np.maximum(weights, 1e-6) @ probabilities
    mass[background] = 0.0
    if mass.sum() <= 0.0:
        mass = np.ones_like(mass)
        mass[background] = 0.0
    return mass / mass.sum()


def _disagreement(
    tile_p: NDArray[np.float64], around: NDArray[np.float64], background: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    own, theirs = tile_p.argmax(axis=1), around.argmax(axis=1)
    touches = (own != background) | (theirs != background)
    return touches & (own != theirs), touches


def _second_share(around_tumour: NDArray[np.float64], background: int) -> float:
    if len(around_tumour) == 0:
        return 0.0
    types = np.delete(around_tumour, background, axis=1)
    if types.shape[1] < 2:
        return 0.0
    counts = np.sort(np.bincount(types.argmax(axis=1), minlength=types.shape[1]))
    return float(counts[-2] / counts.sum())
