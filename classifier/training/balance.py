"""How often each tile is drawn, where a list has several laboratories. Arrays and names in, shares out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import TileSet

# A source that has this many groups of a class, or more, weighs no more than one that has as many.
MOST_GROUPS = 12


def balanced_shares(tiles: TileSet) -> NDArray[np.float64]:
    """(n,) shares that sum to 1. Each class has the same; within it a laboratory by the root of its source groups (of
    MOST_GROUPS at most), a group like any other of its laboratory, a tile like any other of its group.

    The root lies between laboratories alike, which overworks a laboratory of one case, and groups alike, which lets the
    largest laboratory be the class.
    """
    return shares_of([(record.label, record.site, record.group) for record in tiles.records])


def shares_of(groups: Sequence[tuple[str, str, str]]) -> NDArray[np.float64]:
    """(n,) likewise, of each tile's class, laboratory and source group."""
    labs = [group[:2] for group in groups]
    groups_of_lab = Counter(group[:2] for group in set(groups))
    of_tile = 1.0 / _counts(groups)
    of_group = 1.0 / np.array([groups_of_lab[lab] for lab in labs])
    of_lab = np.sqrt([min(groups_of_lab[lab], MOST_GROUPS) for lab in labs])
    share = of_tile * of_group * of_lab
    labels = np.array([label for label, _, _ in groups])
    for label in set(labels.tolist()):
        share[labels == label] /= share[labels == label].sum()
    return np.asarray(share / share.sum(), np.float64)


def _counts(keys: Sequence[Hashable]) -> NDArray[np.float64]:
    counted = Counter(keys)
    return np.array([counted[key] for key in keys], np.float64)
