"""A slide's tiles as regions that a person could look at: how unsure, how unlike, how worthwhile each is. Arrays alone.

A region is a square of tiles: small enough to be looked at in one glance, large enough that a single tile decides
nothing. Only tiles of good quality count: blur and pen teach nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aggregate.result import TileTable
from tiler.spec import TileQuality

TILES_A_SIDE = 5
LEAST_TILES = 4
# Of one slide: its neighbours look alike, and ten thousand slides must fit into memory.
MOST_A_SLIDE = 12
# What one disagreement adds: it is of the whole slide, and says less of a region than the region's own tiles.
DISAGREEMENT = 0.5

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Regions:
    """n regions of one slide. `box` (n, 4) is x, y, width, height in level-0 px; `features` (n, d) and `told` (n, c)
    are means over the region's tiles, `unsure` (n,) the mean closeness of their two likeliest outputs, `unlike` (n,)
    the share that is not recognised; both 0 to 1. `tiles` (n,) are counted."""

    box: Floats
    features: Floats
    told: Floats
    unsure: Floats
    unlike: Floats
    tiles: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.box)

    def worth(self, disagreements: int = 0) -> Floats:
        """(n,) 0 to 1: that any of the reasons holds, each taken for a chance of its own."""
        calm = (1 - self.unsure) * (1 - self.unlike) * (1 - DISAGREEMENT) ** disagreements
        return np.asarray(1 - calm, np.float32)

    def best(self, count: int, disagreements: int = 0) -> Regions:
        """The `count` of most worth, the most first; of equals the upper, then the left one."""
        worth = np.round(self.worth(disagreements), 6)
        return self.of(np.lexsort((self.box[:, 0], self.box[:, 1], -worth))[:count])

    def of(self, chosen: NDArray[np.integer]) -> Regions:
        """Those of these indices, in their order."""
        return Regions(**{name: values[chosen] for name, values in vars(self).items()})


def regions_of(tiles: TileTable, side_px: float, threshold: float) -> Regions:
    """The regions of a slide whose tiles are `side_px` level-0 px wide; under `threshold` of familiarity a tile is not
    recognised (NaN: it is not known, and counts as recognised). In reading order; none where too few tiles are good."""
    good = np.flatnonzero(tiles.quality == TileQuality.GOOD)
    place = np.floor(tiles.xy[good] / (side_px * TILES_A_SIDE)).astype(np.int64)
    squares, of_tile = np.unique(place[:, ::-1], axis=0, return_inverse=True)
    of_tile, counts = of_tile.reshape(-1), np.bincount(of_tile.reshape(-1), minlength=len(squares))
    told = np.asarray(tiles.probabilities[good], np.float64)
    means = {
        "features": _mean(np.asarray(tiles.features[good], np.float64), of_tile, counts),
        "told": _mean(told, of_tile, counts),
        "unsure": _mean(_closeness(told)[:, None], of_tile, counts)[:, 0],
        "unlike": _mean((tiles.familiarity[good] < threshold)[:, None].astype(float), of_tile, counts)[:, 0],
    }
    box = np.concatenate(
        [squares[:, ::-1] * side_px * TILES_A_SIDE, np.full_like(squares, 1) * side_px * TILES_A_SIDE], 1
    )
    found = Regions(box=box.astype(np.float32), tiles=counts, **_as_floats(means))
    return found.of(np.flatnonzero(counts >= LEAST_TILES))


def _closeness(told: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) 1 where the two likeliest outputs are equally likely, 0 where one has it all."""
    if told.shape[1] < 2:
        return np.zeros(len(told))
    two = np.partition(told, -2, axis=1)[:, -2:]
    return np.clip(1 - (two[:, 1] - two[:, 0]), 0, 1)


def _mean(values: NDArray[np.float64], of: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.zeros((len(counts), values.shape[1]))
    np.add.at(total, of, values)
    return total / np.maximum(counts, 1)[:, None]


def _as_floats(values: Mapping[str, NDArray[np.float64]]) -> dict[str, Floats]:
    return {name: np.asarray(array, np.float32) for name, array in values.items()}
