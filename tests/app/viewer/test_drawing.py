"""What a browser says that it drew, as the page takes it: kept once, refused where it is no region, hidden where it
must be. Without a browser, and without Streamlit's own session."""

import json

import pytest
import streamlit as st

from aggregate import store
from app.review.people import Person, Role
from app.review.records import Verdict
from app.review.reviews import open_reviews
from app.viewer.pages import people
from app.viewer.pages.slide.drawing import Board, acts, case_of
from tests.results import make_result

ANNA, BERT = Person("Anna"), Person("Bert")
SQUARE = [[[10, 20], [110, 20], [110, 90], [10, 90]]]
REGION, FIRST, SECOND = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")


class Page:
    """A page that is drawn anew for every message, for who sits there then."""

    def __init__(self, reviews, case, result):
        self.reviews, self.case, self.result = reviews, case, result

    def drawn(self):
        return Board(self.reviews, self.case, self.result, people.current())

    def keep(self, told):
        self.drawn().keep(told)

    def facts(self, told):
        return self.drawn().facts(told)


@pytest.fixture
def seat(monkeypatch):
    """Who sits before the page: `seat(ANNA)`; the session is forgotten, save with `same`."""
    there = [None]
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(people, "current", lambda: there[0])

    def sit(who, same=False):
        there[0] = who
        if not same:
            st.session_state.clear()

    return sit


@pytest.fixture
def result(tmp_path):
    result = make_result("one")
    store.save(result, tmp_path)
    return result


@pytest.fixture
def board(tmp_path, result):
    return Page(open_reviews(tmp_path), case_of(result, store.result_path(tmp_path, "one")), result)


def told(*sent, view="one"):
    return {"view": view, "acts": list(sent)}


def keep(act_id=FIRST, **changed):
    fresh = {"shape": "rectangle", "rings": SQUARE, "name": "normal", "comment": "scar"}
    return {"id": act_id, "act": "keep", "region": REGION, "seen": 0, **fresh, **changed}


def drawn(board):
    return [one for reading in board.reviews.record("one").readings for one in reading.regions]


def test_an_act_is_kept_once_however_often_it_is_sent(board, result, seat):
    seat(ANNA)
    for _ in range(3):
        board.keep(told(keep()))
    facts = board.facts(told(keep()))
    [region] = drawn(board)
    assert (region.region_id, region.version, region.class_name, region.by) == (REGION, 1, "normal", ANNA)
    assert facts["answered"] == {FIRST: ""} and facts["may"] and [one["mine"] for one in facts["regions"]] == [True]
    # Another session that is sent the same again refuses it: nothing is kept twice.
    seat(ANNA)
    board.keep(told(keep()))
    assert "meanwhile" in board.facts(told(keep()))["answered"][FIRST] and len(drawn(board)) == 1


def test_a_region_is_changed_and_taken_away_in_one_message(board, result, seat):
    seat(ANNA)
    changed = keep(SECOND, seen=1, name="adenocarcinoma")
    board.keep(told(keep(), changed))
    assert [(one.version, one.class_name) for one in drawn(board)] == [(2, "adenocarcinoma")]
    board.keep(told({"id": REGION, "act": "remove", "region": REGION, "seen": 2}))
    assert drawn(board) == []


def test_without_a_name_it_waits_and_is_kept_with_the_name(board, result, seat):
    board.keep(told(keep()))
    facts = board.facts(told(keep()))
    assert drawn(board) == [] and facts["answered"] == {} and "Tell your name" in facts["nameless"]
    seat(ANNA, same=True)
    board.keep(told(keep()))
    assert board.facts(told(keep()))["nameless"] == "" and len(drawn(board)) == 1


def test_what_a_page_named_another_for_is_not_kept(board, result, seat):
    seat(ANNA)
    page = board.drawn()
    seat(BERT, same=True)
    page.keep(told(keep()))
    assert "not Anna's any more" in page.facts(told(keep()))["answered"][FIRST] and drawn(board) == []


def test_what_is_signed_is_locked(board, result, seat):
    seat(ANNA)
    board.keep(told(keep()))
    board.reviews.decide(board.case, Verdict.AGREE, ANNA)
    seen = board.reviews.record("one").final.content_sha256
    board.reviews.sign(board.case, ANNA, content_sha256=seen, screen={})
    late = keep(SECOND, seen=1, comment="later")
    board.keep(told(late))
    facts = board.facts(told(late))
    assert "is signed" in facts["answered"][SECOND] and not facts["may"] and "locked" in facts["why"]
    assert [one["mine"] for one in facts["regions"]] == [False] and drawn(board)[0].version == 1


def test_who_only_looks_draws_nothing(board, result, seat):
    seat(Person("Carl", Role.READER))
    board.keep(told(keep()))
    facts = board.facts(told(keep()))
    assert "looks" in facts["answered"][FIRST] and not facts["may"] and drawn(board) == []


def test_the_second_reader_sees_no_region_of_the_first(tmp_path, result, seat):
    case = case_of(result, store.result_path(tmp_path, "one"))
    board = Page(open_reviews(tmp_path, second_reading=True), case, result)
    seat(ANNA)
    board.keep(told(keep()))
    assert len(board.facts(None)["regions"]) == 1
    for who in (BERT, None):
        seat(who)
        assert board.facts(None)["regions"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"rings": [[[0, 0], [5, 5]]]},
        {"rings": [[[0, 0], ["a", 5], [3, 3]]]},
        {"rings": [[[0, 0], [float("nan"), 5], [3, 3]]]},
        {"rings": ["abc"]},
        {"rings": "abc"},
        {"rings": [[[-9, -9], [-5, -9], [-5, -5], [-9, -5]]]},
        {"shape": "circle"},
        {"shape": "rectangle", "rings": [[[0, 0], [50, 10], [50, 60], [0, 50]]]},
        {"comment": "x" * 2001},
        {"comment": None},
        {"name": 5},
        {"seen": "0"},
        {"region": "../../etc"},
        {"act": "sign"},
    ],
    ids=lambda wrong: json.dumps(wrong)[:40],
)
def test_what_is_no_region_is_refused_in_plain_words(board, result, seat, wrong):
    seat(ANNA)
    act = keep(**wrong)
    board.keep(told(act))
    answer = board.facts(told(act))["answered"][FIRST]
    assert answer and "Traceback" not in answer and drawn(board) == []


@pytest.mark.parametrize(
    "sent", [None, 5, "x", {}, told(view="other"), told(5, "x", {}), told({"id": "1"}), {"view": "one", "acts": 3}]
)
def test_what_is_no_message_is_passed_over(board, result, seat, sent):
    seat(ANNA)
    board.keep(sent)
    assert acts(sent, "one") == [] and drawn(board) == [] and people.current() == ANNA


def test_a_file_of_qupath_is_brought_in_once_and_nonsense_is_told(board, result, seat):
    seat(ANNA)
    ring = [[10, 20], [110, 20], [110, 90], [10, 20]]
    polygon = {"type": "Feature", "id": REGION, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    text = json.dumps({"features": [{**polygon, "properties": {"classification": {"name": "Normal"}}}]})
    for act_id in (FIRST, SECOND):
        board.keep(told({"id": act_id, "act": "bring", "text": text}))
    assert [(one.class_name, one.version) for one in drawn(board)] == [("normal", 1)]
    for number, wrong in enumerate(("{", "5", '{"features": [5]}', '{"features": []}')):
        act = {"id": REGION[:-1] + str(number + 1), "act": "bring", "text": wrong}
        board.keep(told(act))
        assert "this file" in board.facts(told(act))["answered"][act["id"]]
    assert len(drawn(board)) == 1


def test_classes_and_tissues_are_offered_by_their_titles(board, result, seat):
    offered = board.facts(None)["classes"]
    assert [one["title"] for one in offered] == ["Adenocarcinoma", "Normal", "Squamous cell carcinoma"]
    assert all(one["colour"].startswith("#") for one in offered)
