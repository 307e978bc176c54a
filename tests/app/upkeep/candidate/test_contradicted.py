"""What the candidate tells otherwise than it was taught: found by claim, told by name, and past the gate only with a
second person's."""

import numpy as np
import pytest

from app.commands.upkeep.learning import judge_candidate
from app.upkeep.candidate.contradicted import contradictions, too_many
from app.upkeep.candidate.gate import read_gate
from app.upkeep.candidate.retrain import RetrainRequest, retrain
from tests.app.upkeep.candidate.foreign import LABELS, foreign_stripes, locked_list
from tests.app.upkeep.candidate.foreign import learned as learned_set
from tests.classifier.tiles import pattern, tiny_model, tiny_tiles
from wsi.errors import UsageError


def found(told, known, signed, claims):
    return contradictions(np.array(told), np.array(known, bool), np.array(signed), claims)


def test_a_claim_is_contradicted_where_half_of_its_recognised_tiles_are_one_other_class():
    assert found([1, 1, 0, 0], [1, 1, 1, 1], [0] * 4, ["a"] * 4) == {"a": 1}
    assert found([1, 0, 0, 0], [1, 1, 1, 1], [0] * 4, ["a"] * 4) == {}
    assert found([1, 2, 0, 0], [1, 1, 1, 1], [0] * 4, ["a"] * 4) == {}  # no one class
    assert found([1, 1, 0, 0], [1, 0, 1, 1], [0] * 4, ["a"] * 4) == {}  # what is not recognised says nothing
    assert found([1, 0, 2, 1], [1] * 4, [1, 1, 2, 2], ["a", "a", "b", "b"]) == {"a": 0, "b": 1}
    assert found([], [], [], []) == {}


def test_one_slip_stops_nobody_and_a_share_does():
    assert not too_many(1, 2) and too_many(2, 50) and not too_many(3, 100) and too_many(4, 100)


@pytest.fixture(scope="module")
def slipped(tmp_path_factory):
    """Of 40 slides of foreign stripes three were signed as checks or dots; the model trained on them; locked tiles."""
    folder = tmp_path_factory.mktemp("slipped")
    learning = learned_set(folder / "learning", slides=40, wrong=0.075, seed=3)
    retrain(RetrainRequest(str(tiny_model()), learning, tiny_tiles(), folder / "candidate"))
    drawn = {label: lambda rng, label=label: pattern(label, rng) for label in LABELS[:2]}
    locked = locked_list(folder / "locked", {**drawn, "stripes": foreign_stripes})
    return folder, learning, locked


def gate(slipped, out, **more):
    folder, learning, locked = slipped
    report = judge_candidate(
        candidate=folder / "candidate", base=str(tiny_model()), locked=locked, learning=learning, out=out, **more
    )
    [check] = [check for check in report.checks if check.name == "contradicted"]
    return report, check


def test_corrections_that_the_candidate_contradicts_need_a_second_persons_name(slipped, tmp_path):
    report, check = gate(slipped, tmp_path / "gate.json")
    assert not check.passed and not report.passed
    assert "3 of 40" in check.words and "Anna Reader signed 2 as checks, told as stripes" in check.words
    assert "foreign-0" in check.words and "a second person should look" in check.words
    with pytest.raises(UsageError, match="signed some of them"):
        gate(slipped, tmp_path / "own.json", looked_at="anna  reader")
    _, check = gate(slipped, tmp_path / "second.json", looked_at="B. Reader")
    assert check.passed and check.words.endswith("looked at by B. Reader")
    assert "looked at by B. Reader" in str(read_gate(tmp_path / "second.json")["checks"])
