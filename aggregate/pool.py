"""From tile probabilities to slide-level probabilities. Arrays in, numbers out; the rule is stated in `pool`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A neighbourhood is a tile with those around it: nine tiles, 0.45 mm2 at 224 um.
_NEIGHBOURS = 9
_RADIUS_TILES = 2.5
# An island of fewer tiles than this counts as if the rest of it were no tumour.
_LEAST_NEIGHBOURS = 4
_TUMOUR = 0.5


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
    centres: NDArray[np.floating],
    weights: NDArray[np.floating],
    *,
    background: int,
    tile_side: float,
    tiles_per_area: float = 1.0,
) -> Pooled:
    """Pools `probabilities` (n, c) of tiles at `centres` (n, 2), in units of `tile_side`, with tissue `weights` (n,).

    The probability that there is tumour is that of the most suspicious *neighbourhood*: the largest mean, over a tile
    and the eight nearest within 2.5 tiles, of 1 - p(background). So nine tumour tiles among ten thousand normal ones
    are not diluted (the most suspicious instance decides: Campanella et al. 2019, doi 10.1038/s41591-019-0508-1), and
    a stray tile, outvoted by its neighbours, does not call cancer (regions instead of tiles: Wang et al. 2016,
    arXiv:1606.05718). An island of less than four tiles is filled up with zeros, unless the whole slide is smaller.

    Which tumour it is, is the mean over the tiles of tumour neighbourhoods alone (averaging tumour tiles: Coudray et
    al. 2018, doi 10.1038/s41591-018-0177-5), or over the hottest neighbourhood where none reaches one half.

    `tiles_per_area` is the number of tiles in the area of one: 4 at an overlap of 1/2.
    """
    n, n_classes = probabilities.shape
    if n == 0:
        nan = float("nan")
        return Pooled(np.full(n_classes, np.nan), nan, 0.0, nan, 0.0, nan, nan)
    tile_p = probabilities.astype(np.float64)
    around, shortfall = _neighbourhood_means(tile_p, centres, tile_side, tiles_per_area)
    tumour = np.clip(1.0 - around[:, background], 0.0, 1.0) * shortfall
    hottest = int(np.argmax(tumour))
    hotspot = float(tumour[hottest])

    in_tumour = tumour >= _TUMOUR
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


def normalised_entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Shannon entropy over the last axis, divided by that of equal probabilities: 0 certain, 1 undecided."""
    p = np.clip(probabilities.astype(np.float64), 1e-12, 1.0)
    return -(p * np.log(p)).sum(axis=-1) / np.log(p.shape[-1])


def _neighbourhood_means(
    tile_p: NDArray[np.float64], centres: NDArray[np.floating], tile_side: float, tiles_per_area: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, c) mean over each tile and its nearest, and (n,) the factor <= 1 that fills small islands up with zeros."""
    # SciPy takes longer to import than most of the program: only who pools pays for it.
    from scipy.spatial import cKDTree

    n = len(tile_p)
    k = min(n, round(_NEIGHBOURS * tiles_per_area))
    distance, index = cKDTree(centres).query(
        centres, k=[*range(1, k + 1)], distance_upper_bound=_RADIUS_TILES * tile_side
    )
    near = np.isfinite(distance)
    padded = np.vstack([tile_p, np.zeros(tile_p.shape[1])])  # the tree answers n where there is no neighbour
    count = near.sum(axis=1)
    means = padded[index].sum(axis=1) / count[:, None]
    least = min(n, round(_LEAST_NEIGHBOURS * tiles_per_area))
    return means, np.minimum(1.0, count / least)


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
