"""The bootstrap: pairing, groups drawn whole, and intervals whose answer is known."""

import numpy as np
import pytest

from classifier.evaluation.intervals import BOOTSTRAP_ROUNDS, difference, drawn_sums, draws, share_with_interval

GROUPS = np.repeat([f"g{i}" for i in range(40)], 5)
RIGHT = np.random.default_rng(0).random(200) < 0.7


def test_groups_are_drawn_whole():
    for chosen in draws(GROUPS, rounds=20):
        counts = np.bincount(chosen, minlength=200).reshape(40, 5)
        assert (counts == counts[:, :1]).all() and counts[:, 0].sum() == 40


def test_sums_are_those_of_the_same_draws():
    values = np.column_stack([RIGHT, np.arange(200)])
    slow = [values[chosen].sum(axis=0) for chosen in draws(GROUPS, rounds=30, seed=4)]
    np.testing.assert_allclose(drawn_sums(values, GROUPS, rounds=30, seed=4), slow)


def test_the_share_of_independent_tiles_has_the_binomial_interval():
    alone = np.arange(2000).astype(str)
    right = np.arange(2000) < 1400
    found = share_with_interval(right, alone)
    half = 1.96 * np.sqrt(0.7 * 0.3 / 2000)
    assert found.value == 0.7
    assert found.low == pytest.approx(0.7 - half, abs=0.003) and found.high == pytest.approx(0.7 + half, abs=0.003)


def test_a_share_among_some_counts_only_those():
    among = np.arange(200) < 50
    assert share_with_interval(RIGHT, GROUPS, among).value == pytest.approx(RIGHT[:50].mean())
    assert np.isnan(share_with_interval(RIGHT, GROUPS, np.zeros(200, bool)).value)


def test_a_paired_difference_is_surer_than_two_shares():
    other = RIGHT.copy()
    other[::50] = ~other[::50]
    assert difference(RIGHT, RIGHT, GROUPS).low == difference(RIGHT, RIGHT, GROUPS).high == 0
    found, alone = difference(other, RIGHT, GROUPS), share_with_interval(RIGHT, GROUPS)
    assert found.value == pytest.approx(other.mean() - RIGHT.mean())
    assert found.high - found.low < (alone.high - alone.low) / 2


def test_one_group_gives_no_interval():
    found = share_with_interval(RIGHT, np.repeat("g", 200))
    assert found.value == RIGHT.mean() and np.isnan([found.low, found.high]).all()
    assert str(found).endswith("(no interval)") and found.to_dict()["low"] is None
    assert list(draws(np.repeat("g", 5))) == [] and len(drawn_sums(np.ones((5, 1)), GROUPS[:5])) == 0
    assert len(list(draws(GROUPS))) == BOOTSTRAP_ROUNDS
