"""The bootstrap: pairing, groups drawn whole, and intervals whose answer is known."""

import numpy as np
import pytest

from classifier.evaluation.intervals import BOOTSTRAP_ROUNDS, Figure, difference, drawn_sums, draws, share_with_interval

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
    assert str(difference(RIGHT, RIGHT, GROUPS)) == "0.000 (no interval: the same in all 40 groups)"
    found, alone = difference(other, RIGHT, GROUPS), share_with_interval(RIGHT, GROUPS)
    assert found.value == pytest.approx(other.mean() - RIGHT.mean())
    assert found.high - found.low < (alone.high - alone.low) / 2


def test_one_group_gives_no_interval():
    found = share_with_interval(RIGHT, np.repeat("g", 200))
    assert found.value == RIGHT.mean() and np.isnan([found.low, found.high]).all()
    assert str(found).endswith("(no interval: only 1 group)") and found.to_dict()["low"] is None
    assert list(draws(np.repeat("g", 5))) == [] and len(drawn_sums(np.ones((5, 1)), GROUPS[:5])) == 0
    assert len(list(draws(GROUPS))) == BOOTSTRAP_ROUNDS


def shares(right_groups, groups, tiles=4):
    """A share over `groups` groups of which the first `right_groups` are right throughout."""
    names = np.repeat([f"g{i:03}" for i in range(groups)], tiles)
    return share_with_interval(np.repeat(np.arange(groups) < right_groups, tiles), names)


@pytest.mark.parametrize("groups", [2, 3, 9])
@pytest.mark.parametrize("wrong", [0, 1])
def test_under_ten_groups_there_is_no_interval_however_many_tiles(groups, wrong):
    found = shares(groups - wrong, groups, tiles=400)
    assert str(found) == f"{1 - wrong / groups:.3f} (no interval: only {groups} groups)"
    assert found.to_dict() == {"value": round(1 - wrong / groups, 6), "low": None, "high": None, "groups": groups}


@pytest.mark.parametrize("groups", [10, 30, 93])
def test_where_all_are_right_the_exact_bound_is_told(groups):
    """Clopper and Pearson: with this share of right groups, none wrong would be seen one time in twenty."""
    found = shares(groups, groups)
    assert found.low**groups == pytest.approx(0.05) and found.high == found.value == 1.0
    assert found.low == pytest.approx(1 - 3 / groups, abs=0.05) and str(found) == f"1.000 (at least {found.low:.3f})"
    none = shares(0, groups)
    assert (none.value, none.low, none.high) == (0.0, 0.0, pytest.approx(1 - found.low))
    assert str(none) == f"0.000 (at most {none.high:.3f})"


def test_ten_groups_with_an_error_have_a_bootstrap_interval():
    found = shares(9, 10)
    assert not found.is_bound and found.low < 0.9 < found.high and str(found) == "0.900 (0.700 to 1.000)"


def test_a_share_among_some_rests_on_their_groups():
    among = np.isin(GROUPS, ["g0", "g1", "g2"])
    found = share_with_interval(np.ones(200, bool), GROUPS, among)
    assert found.groups == 3 and str(found) == "1.000 (no interval: only 3 groups)"


@pytest.mark.parametrize(
    "figure", [Figure(0.5, 0.4, 0.6, 12), Figure(1.0, 0.7, 1.0, 10), Figure(0.5, groups=3), Figure(float("nan"))]
)
def test_a_figure_comes_back_from_a_card_as_it_was(figure):
    assert str(Figure.from_dict(figure.to_dict())) == str(figure)


def test_a_figure_of_an_older_card_is_told_as_it_was():
    assert str(Figure.from_dict({"value": 0.967, "low": 0.935, "high": 0.995})) == "0.967 (0.935 to 0.995)"
    assert str(Figure.from_dict({"value": 0.967, "low": None, "high": None})) == "0.967 (no interval)"
