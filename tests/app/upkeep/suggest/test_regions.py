"""Regions of a slide and the choice among many, against answers that can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from app.upkeep.suggest.choose import choose
from app.upkeep.suggest.regions import DISAGREEMENT, MOST_A_SLIDE, regions_of
from tests.results import make_result

SIDE = 100.0
# Two squares of five by five tiles: in the left one two tiles of nine are unknown, the right one has four good tiles.
CELLS = """
000..00bbb
0u0..00bbb
00u..bbbbb
.....bbbbb
.....bbbbb
"""


def tiles(cells=CELLS, **changes):
    made = make_result(cells=cells, cell_px=SIDE).tiles
    return replace(made, **changes)


def test_a_region_is_a_square_of_good_tiles():
    left, right = (regions_of(tiles(), SIDE, 0.5).of(np.array([i])) for i in (0, 1))
    assert left.box.tolist() == [[0, 0, 500, 500]] and right.box.tolist() == [[500, 0, 500, 500]]
    assert (left.tiles[0], right.tiles[0]) == (9, 4)
    assert left.unlike[0] == pytest.approx(2 / 9) and right.unlike[0] == 0


def test_too_few_tiles_are_no_region():
    assert len(regions_of(tiles("00\n0b"), SIDE, 0.5)) == 0
    assert len(regions_of(tiles("b"), SIDE, 0.5)) == 0


def test_closeness_of_the_two_likeliest_is_what_unsure_means():
    made = tiles("00\n00")
    told = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.6, 0.2, 0.2]], np.float32)
    (unsure,) = regions_of(replace(made, probabilities=told), SIDE, 0.5).unsure
    assert unsure == pytest.approx((1 + 1 + 0 + 0.6) / 4)


def test_a_model_that_knows_no_familiarity_says_nothing_of_it():
    made = tiles("00\n00", familiarity=np.full(4, np.nan, np.float32))
    assert regions_of(made, SIDE, 0.5).unlike.tolist() == [0]


def test_any_reason_makes_it_worthwhile():
    regions = regions_of(tiles("00\n00"), SIDE, 0.5)
    unsure = regions.unsure[0]
    assert regions.worth()[0] == pytest.approx(unsure)
    assert regions.worth(1)[0] == pytest.approx(1 - (1 - unsure) * (1 - DISAGREEMENT))


def test_the_best_are_few_and_in_a_fixed_order():
    many = regions_of(tiles("\n".join(["0" * 50] * 10)), SIDE, 0.5)
    assert len(many) == 20 > MOST_A_SLIDE
    assert many.best(MOST_A_SLIDE).box[:, :2].tolist()[:3] == [[0, 0], [500, 0], [1000, 0]]


def chosen(points, worth=None, groups=None, known=(), count=3):
    features = np.array(points, np.float32).reshape(len(points), -1)
    anchors = np.array(known, np.float32).reshape(-1, features.shape[1])
    weight = np.ones(len(points), np.float32) if worth is None else np.array(worth, np.float32)
    of = np.arange(len(points)) if groups is None else np.array(groups)
    return [one.index for one in choose(features, weight, of, anchors, count)]


def test_what_lies_farthest_is_taken_in_turn():
    assert chosen([0.0, 1.0, 10.0, 11.0], worth=[0.5, 0.6, 0.5, 0.5]) == [1, 3, 2]


def test_what_was_signed_is_kept_away_from():
    assert chosen([0.0, 5.0, 10.0], known=[10.0], count=1) == [0]


def test_worth_weighs_distance():
    assert chosen([0.0, 9.0, 10.0], worth=[0.1, 1.0, 0.1], known=[5.0], count=1) == [1]


def test_a_slide_is_taken_once():
    assert chosen([0.0, 20.0, 1.0], groups=[7, 7, 8], worth=[1, 0.9, 0.9]) == [0, 2]


def test_nothing_to_choose_from():
    assert choose(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), np.zeros(0, int), np.zeros((0, 3)), 4) == []


def test_like_regions_do_not_divide_by_nothing():
    assert chosen([2.0, 2.0, 2.0], count=2) == [0, 1]
