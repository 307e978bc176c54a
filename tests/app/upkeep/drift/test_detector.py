"""A sequential test: uniform ranks where nothing changes, few false alarms, and changes found soon."""

import numpy as np
import pytest

from app.upkeep.drift.detector import _bets, conformal_ranks, watch


def keys(n, seed=0):
    return [f"{seed} {index}" for index in range(n)]


def test_ranks_are_uniform_and_independent_where_nothing_changes():
    values = np.random.default_rng(1).lognormal(0, 2, 4000).tolist()
    ranks = conformal_ranks(values, keys(4000))[200:]
    counts, _ = np.histogram(ranks, 10, (0, 1))
    assert counts.sum() == 3800
    # 10 cells of 380 each: their standard deviation is about 18.
    assert np.abs(counts - 380).max() < 4 * 18.5
    assert abs(np.corrcoef(ranks[:-1], ranks[1:])[0, 1]) < 4 / np.sqrt(3800)


def test_equal_numbers_are_ranked_by_their_keys_the_same_way_each_time():
    ranks = conformal_ranks([0.0] * 500, keys(500))
    assert 0.45 < ranks.mean() < 0.55 and len(set(ranks)) == 500
    np.testing.assert_array_equal(ranks, conformal_ranks([0.0] * 500, keys(500)))
    assert (ranks != conformal_ranks([0.0] * 500, keys(500, seed=1))).all()


def test_the_largest_so_far_has_the_least_rank():
    ranks = conformal_ranks([1.0, 2.0, 3.0, 0.0], keys(4))
    assert ranks[1] < 1 / 2 and ranks[2] < 1 / 3 and ranks[3] > 3 / 4


def test_bets_are_fair():
    middle = (np.arange(200_000) + 0.5) / 200_000
    means = _bets(middle).mean(axis=1)
    # The midpoint rule misses a little of the spike at 0.
    np.testing.assert_allclose(means, 1.0, atol=0.07)
    assert (means < 1.0 + 1e-6).all()


@pytest.mark.parametrize(
    ("changed", "higher"),
    [(lambda rng: rng.normal(2, 1, 60), True), (lambda rng: rng.normal(-2, 1, 60), False)],
    ids=["up", "down"],
)
def test_a_change_of_two_standard_deviations_is_found_within_forty_numbers(changed, higher):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        values = [*rng.normal(0, 1, 160).tolist(), *changed(rng).tolist()]
        verdict = watch(values, keys(220, seed), 60, 400_000)
        assert verdict.at is not None and 100 <= verdict.at < 140, seed
        assert verdict.higher is higher and verdict.judged == 160 and abs(verdict.since - 100) < 10


def test_a_wider_spread_about_the_same_middle_is_a_change_too():
    rng = np.random.default_rng(4)
    values = [*rng.normal(0, 1, 200).tolist(), *rng.normal(0, 5, 200).tolist()]
    assert watch(values, keys(400), 60, 20_000).at is not None


def test_yes_and_no_are_watched_as_well():
    rng = np.random.default_rng(5)
    before, after = (rng.random(300) < 0.95), (rng.random(300) < 0.5)
    steady = watch([float(v) for v in before], keys(300), 60, 20_000)
    fallen = watch([float(v) for v in (*before, *after)], keys(600), 60, 20_000)
    assert steady.at is None and fallen.at is not None and not fallen.higher


def test_false_alarms_are_rarer_than_promised():
    """120 streams of 500 numbers; a mean run length of at least 2,000 allows 30 alarms in them, and 4 more at
    random."""
    alarms = 0
    for seed in range(120):
        values = np.random.default_rng(seed).standard_cauchy(530).tolist()
        alarms += watch(values, keys(530, seed), 30, 2000).at is not None
    assert alarms <= 34


def test_what_nobody_can_judge_yet():
    assert watch([1.0] * 10, keys(10), 10, 100).judged == 0


def test_a_change_that_lasts_for_ever_does_not_overflow():
    verdict = watch([*[0.0] * 50, *np.arange(1, 4001).tolist()], keys(4050), 50, 1e6)
    assert verdict.at is not None and np.isfinite(verdict.evidence)
