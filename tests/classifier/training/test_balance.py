"""How often a tile is drawn where a list has several laboratories."""

from pathlib import Path

import numpy as np
import pytest

from classifier.dataset.tile_list import TileRecord, TileSet
from classifier.training.balance import MOST_GROUPS, balanced_shares


def tiles(*kinds):
    """`kinds` are (label, site, groups, tiles a group)."""
    records = [
        TileRecord(Path("x"), f"{label}-{site}-{group}-{i}", label, f"{site}-{group}", "train", 1.0, site=site)
        for label, site, groups, count in kinds
        for group in range(groups)
        for i in range(count)
    ]
    return TileSet(tuple(records), tuple(sorted({record.label for record in records})))


def share_of(listed, **wanted):
    chosen = [all(getattr(record, key) == value for key, value in wanted.items()) for record in listed.records]
    return balanced_shares(listed)[np.array(chosen)].sum()


def test_classes_are_drawn_alike():
    listed = tiles(("rare", "a", 2, 3), ("common", "a", 40, 10))
    assert balanced_shares(listed).sum() == pytest.approx(1.0)
    assert share_of(listed, label="rare") == pytest.approx(0.5)


def test_a_laboratory_weighs_by_the_root_of_its_groups_up_to_a_limit():
    listed = tiles(("tumour", "large", 4 * MOST_GROUPS, 5), ("tumour", "small", 3, 50), ("normal", "large", 1, 1))
    of_tumour = share_of(listed, label="tumour", site="small") / share_of(listed, label="tumour")
    assert of_tumour == pytest.approx(1 / (1 + (MOST_GROUPS / 3) ** 0.5))


def test_a_group_of_many_tiles_weighs_no_more_than_one_of_few():
    listed = TileSet((*tiles(("t", "a", 1, 100)).records, *tiles(("t", "a", 3, 2)).records[2:]), ("t",))
    assert share_of(listed, group="a-1") == pytest.approx(share_of(listed, group="a-0"))


def test_without_sites_groups_alone_count():
    listed = tiles(("t", "", 2, 10), ("n", "", 5, 1))
    assert balanced_shares(listed)[0] == pytest.approx(0.5 / 20)
