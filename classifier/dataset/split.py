"""Who learns and who judges: splits by whole source groups, never by single tiles, since near copies leak."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from classifier.dataset.tile_list import TileRecord

TRAIN, VALIDATION, TEST = SPLITS = ("train", "val", "test")
VALIDATION_SHARE = 0.2


def split_groups(records: Sequence[TileRecord], seed: int) -> tuple[TileRecord, ...]:
    """`records` with VALIDATION_SHARE of each class's groups in ``val``, the others in ``train``."""
    held = hold_out_groups(records, VALIDATION_SHARE, seed)
    return tuple(replace(record, split=VALIDATION if record.group in held else TRAIN) for record in records)


def hold_out_groups(records: Sequence[TileRecord], share: float, seed: int) -> frozenset[str]:
    """Names of groups, `share` of each class's (at least one where a class has two), drawn by `seed`.

    A group that holds several classes counts for the first of them.
    """
    class_of: dict[str, str] = {}
    for record in records:
        class_of.setdefault(record.group, record.label)
    groups_of: dict[str, list[str]] = defaultdict(list)
    for group, label in sorted(class_of.items()):
        groups_of[label].append(group)
    rng = np.random.default_rng(seed)
    held: set[str] = set()
    for label in sorted(groups_of):
        groups = groups_of[label]
        count = min(max(1, round(share * len(groups))), len(groups) - 1)
        held.update(groups[i] for i in rng.permutation(len(groups))[:count])
    return frozenset(held)
