"""Bags: what stays in memory, and that features of two sources are never taken for one."""

import numpy as np
import pytest

from aggregate.slide_model.bags import Bag, FeatureSource, Shelf, one_source
from wsi.errors import DatasetError


def shelf_of(*bags, max_bytes=1 << 20):
    """A shelf, and which bags were read, in order."""
    read = []

    def reader(number):
        def take():
            read.append(number)
            return bags[number]

        return take

    return Shelf([reader(number) for number in range(len(bags))], max_bytes), read


def bag(name="s", columns=4, encoder=""):
    return Bag(name, np.zeros((10, columns), np.float16), FeatureSource(columns, encoder))


def test_bags_that_fit_are_read_once_and_the_others_as_often_as_they_are_asked_for():
    shelf, read = shelf_of(bag(), bag(), bag())
    for index in (0, 1, 2, 0, 1, 2):
        assert len(shelf[index]) == 10
    assert read == [0, 1, 2] and len(shelf) == 3
    small, again = shelf_of(bag(), bag(), bag(), max_bytes=2 * 10 * 4 * 2)  # room for two
    for index in (0, 1, 0, 2, 0, 1):
        small[index]
    assert again == [0, 1, 2, 1]  # the one that was asked for longest ago goes


def test_a_bag_larger_than_the_shelf_is_still_given():
    shelf, read = shelf_of(bag(), bag(), max_bytes=1)
    assert [len(shelf[i]) for i in (0, 0, 1)] == [10, 10, 10] and read == [0, 1]


def test_features_of_one_source_only():
    assert one_source(shelf_of(bag(), bag())[0]) == FeatureSource(4)
    with pytest.raises(DatasetError, match="another length"):
        one_source(shelf_of(bag("a"), bag("b", columns=5))[0])
    with pytest.raises(DatasetError, match="another model or encoder"):
        one_source(shelf_of(bag("a", encoder="x"), bag("b", encoder="y"))[0])
