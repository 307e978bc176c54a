"""The laboratory battery: the same for everybody, farther where it says so, its white balance undone by who sets it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from classifier.colour.stain import STAIN_VECTORS
from classifier.dataset.tile_list import read_tile_set
from classifier.evaluation.laboratories import (
    MILD,
    STRONG,
    Laboratory,
    by_kind,
    laboratories,
    laboratory_battery,
)
from classifier.model import load_model
from tests.classifier.tiles import pattern, tiny_model, tiny_tiles


def laboratory(**changes):
    neutral = {
        "name": "mild-x",
        "kind": MILD,
        "gain": np.ones(3),
        "vectors": STAIN_VECTORS,
        "white": np.ones(3),
        "exponent": 1.0,
        "factor": 1.0,
        "sharpen": 0.0,
        "quality": 100,
    }
    return Laboratory(**{**neutral, **changes})


@pytest.fixture(scope="module")
def judged():
    listed = read_tile_set(tiny_tiles())
    return listed.of_split("val")


def test_sixteen_are_near_and_eight_are_far_and_they_are_always_the_same():
    first, again = laboratories(), laboratories()
    assert [one.kind for one in first] == [MILD] * 16 + [STRONG] * 8
    assert len({one.name for one in first}) == 24
    tile = pattern("dots", np.random.default_rng(0), 96)
    for one, other in zip(first, again, strict=True):
        shown = one.view(tile)
        assert shown.shape == tile.shape and shown.dtype == np.uint8
        assert (shown == other.view(tile)).all()


def test_the_far_ones_change_more():
    tile = cv2.GaussianBlur(pattern("dots", np.random.default_rng(0), 96), (0, 0), 3.0)
    changed = {kind: [] for kind in (MILD, STRONG)}
    for one in laboratories():
        changed[one.kind].append(np.abs(one.view(tile).astype(float) - tile).mean())
    assert np.median(changed[STRONG]) > 1.5 * np.median(changed[MILD])


def test_a_laboratory_that_changes_nothing_costs_nothing(judged):
    [result] = laboratory_battery(load_model(tiny_model()), judged, chosen=[laboratory()])
    assert result.difference.value == 0.0


def test_white_balance_is_undone_where_the_model_wants_white_set(judged):
    plain = load_model(tiny_model())
    setting = plain.with_card(replace(plain.card, white=245.0), plain.familiarity)
    blue = laboratory(white=np.array([0.83, 0.9, 1.0]))
    [with_white] = laboratory_battery(setting, judged, chosen=[blue])
    [without] = laboratory_battery(plain, judged, chosen=[blue])
    [untouched] = laboratory_battery(setting, judged, chosen=[laboratory()])
    assert with_white.not_recognised == pytest.approx(untouched.not_recognised, abs=0.05)
    assert with_white.difference.value == pytest.approx(0.0, abs=0.05)
    assert without.not_recognised > with_white.not_recognised + 0.2


def test_results_are_told_by_kind(judged):
    results = laboratory_battery(
        load_model(tiny_model()), judged, chosen=[laboratory(), laboratory(name="strong-1", kind=STRONG)]
    )
    assert {kind: [one.name for one in members] for kind, members in by_kind(results).items()} == {
        MILD: ["mild-x"],
        STRONG: ["strong-1"],
    }
