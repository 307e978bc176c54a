"""Of many regions a few that are worthwhile and unlike each other: greedy farthest point, weighed. Arrays alone.

Picking the most uncertain alone gives the same tissue ten times. The greedy choice of k centres (Gonzalez 1985; as a
core set for learning: Sener and Savarese 2018, arXiv:1708.00489) takes what lies farthest from all that is known or
taken; here each distance is weighed by what the region is worth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# A feature that hardly varies among the regions says nothing of how they differ.
_SPREAD_FLOOR = 1e-3
# What lies so many medians away is far; farther is mostly an artefact, and counts no more.
_FARTHEST = 3.0


@dataclass(frozen=True)
class Choice:
    """`index` of a region, and how far it lay, when it was taken, from the nearest known or taken one: 1 is the median
    over all regions at the start, and what is told where nothing was known or taken yet."""

    index: int
    distance: float


def choose(features: Floats, worth: Floats, groups: NDArray[np.integer], known: Floats, count: int) -> list[Choice]:
    """At most `count` of the n regions with features (n, d) and worth (n,), in the order in which they are taken; of a
    group (n,), a slide, one. `known` (k, d) are features that are labelled already. No chance takes part: of equals the
    first is taken."""
    if not len(features):
        return []
    spread = np.maximum(np.std(features, axis=0), _SPREAD_FLOOR)
    placed, anchors = (features / spread).astype(np.float32), (known / spread).astype(np.float32)
    far = np.full(len(placed), np.inf, np.float32)
    for anchor in anchors:
        far = np.minimum(far, _distances(placed, anchor))
    return list(_taken(placed, worth, groups, far, count))


def _taken(placed: Floats, worth: Floats, groups: NDArray[np.integer], far: Floats, count: int) -> Iterator[Choice]:
    scale = _median(far)
    free = np.ones(len(placed), np.bool_)
    for _ in range(min(count, len(np.unique(groups)))):
        distance = far / scale if scale else np.ones(len(placed), np.float32)
        score = np.where(free, worth * np.minimum(distance, _FARTHEST), -1)
        index = int(np.argmax(score))
        yield Choice(index, float(distance[index]))
        free &= groups != groups[index]
        far = np.minimum(far, _distances(placed, placed[index]))
        scale = scale or _median(far)


def _median(far: Floats) -> float:
    """0 where nothing is known to be far from."""
    return float(np.median(far)) if np.isfinite(far).all() else 0.0


def _distances(placed: Floats, anchor: Floats) -> Floats:
    return np.asarray(np.sqrt(((placed - anchor) ** 2).sum(axis=1)), np.float32)
