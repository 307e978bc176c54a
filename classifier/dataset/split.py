"""Who learns and who judges: splits by whole source groups, never by single tiles, since near copies leak."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

TRAIN, VALIDATION, TEST = SPLITS = ("train", "val", "test")
VALIDATION_SHARE = 0.2


def hold_out_groups(groups: Sequence[str], labels: Sequence[str], share: float, seed: int) -> frozenset[str]:
    """Names of groups, `share` of each class's (at least one where a class has two), drawn by `seed`.

    `groups` and `labels` are (n,), one a tile. A group that holds several classes counts for the first of them.
    """
    class_of: dict[str, str] = {}
    for group, label in zip(groups, labels, strict=True):
        class_of.setdefault(group, label)
    groups_of: dict[str, list[str]] = defaultdict(list)
    for group, label in sorted(class_of.items()):
        groups_of[label].append(group)
    rng = np.random.default_rng(seed)
    held: set[str] = set()
    for label in sorted(groups_of):
        names = groups_of[label]
        count = min(max(1, round(share * len(names))), len(names) - 1)
        held.update(names[i] for i in rng.permutation(len(names))[:count])
    return frozenset(held)
