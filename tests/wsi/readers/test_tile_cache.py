"""The cache of decoded tiles: bounded, filled once, memory handed on, failures forgotten."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wsi.readers.tiled.cache import TileCache

SHAPE = (4, 4, 3)


def read(cache, key, fill=None):
    with cache.tile(key, SHAPE, fill or (lambda into: into.fill(key))) as tile:
        return tile.copy()


def test_a_tile_is_filled_once_while_it_stays():
    filled = []
    cache = TileCache(10 * 48)
    for key in (1, 2, 1, 2, 1):
        tile = read(cache, key, lambda into, key=key: (filled.append(key), into.fill(key)))
        assert (tile == key).all()
    assert filled == [1, 2]


def test_what_was_longest_unused_goes_first_and_leaves_its_memory():
    cache = TileCache(2 * 48)
    with cache.tile(1, SHAPE, lambda into: into.fill(1)) as first:
        pass
    read(cache, 2)
    with cache.tile(3, SHAPE, lambda into: into.fill(3)) as third:
        assert np.shares_memory(first, third)
    filled = []
    read(cache, 2, lambda into: filled.append(2))
    read(cache, 1, lambda into: filled.append(1))
    assert filled == [1]


def test_a_tile_in_use_is_never_overwritten():
    cache = TileCache(48)
    with cache.tile(1, SHAPE, lambda into: into.fill(1)) as first:
        for key in range(2, 9):
            read(cache, key)
        assert (first == 1).all()


def test_a_failure_is_heard_and_forgotten():
    cache = TileCache(1000)

    def broken(into):
        raise RuntimeError("damaged")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            read(cache, 1, broken)
    assert (read(cache, 1) == 1).all()


def test_threads_share_one_filling_and_always_see_a_whole_tile():
    cache = TileCache(5 * 48)
    filled = []
    lock = threading.Lock()

    def fill(key):
        def write(into):
            into[:2] = key
            into[2:] = key
            with lock:
                filled.append(key)

        return write

    def work(seed):
        for key in np.random.default_rng(seed).integers(0, 12, 400):
            assert (read(cache, int(key), fill(int(key))) == key).all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert 12 <= len(filled) < 2400
