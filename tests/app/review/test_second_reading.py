"""A second reading: whose turn it is, what each may see, when a consensus is wanted."""

import pytest

from app.review.people import Person, Role
from app.review.records import ReadingName, Shape, Verdict
from tests.app.review.conftest import ANNA, BERT, CARL, case
from wsi.errors import SignedError

FIRST, SECOND, CONSENSUS = ReadingName
SQUARE = [[(10, 10), (30, 10), (30, 30), (10, 30)]]


def read(reviews, who, verdict=Verdict.AGREE, call=""):
    record = reviews.record("slide-1")
    name = reviews.turn(record, who)
    reviews.decide(case(), verdict, who, call=call, comment_text=f"words of {who.name}")
    reading = reviews.record("slide-1").reading(name)
    return reviews.sign(case(), who, content_sha256=reading.content_sha256, screen={})


def seen(reviews, who):
    return reviews.seen_by(reviews.record("slide-1"), who)


def test_each_of_two_sees_nothing_of_the_other_before_signing(double):
    double.add_region(case(), ANNA, Shape.POLYGON, SQUARE, comment_text="of Anna")
    read(double, ANNA)
    for other in (BERT, CARL, None):
        assert seen(double, other).readings == ()
        assert double.states(seen_by=other)["slide-1"].status == "unreviewed"
        assert "Anna" not in repr(double.states(seen_by=other)) + repr(seen(double, other))
    assert double.turn(double.record("slide-1"), BERT) is SECOND
    state = double.states(seen_by=ANNA)["slide-1"]
    assert (state.status, state.awaits, state.by) == ("signed", "second", "Anna Reader")
    double.decide(case(), Verdict.CANNOT_TELL, BERT)
    assert [one.name for one in seen(double, BERT).readings] == [SECOND]
    assert double.states(seen_by=BERT)["slide-1"].call == "undetermined"


def test_a_list_tells_nobody_where_another_drew(double):
    double.add_region(case(), ANNA, Shape.POLYGON, SQUARE)
    assert double.listed(seen_by=ANNA)["slide-1"].regions == 1
    for other in (BERT, CARL, None):
        assert "slide-1" not in double.listed(seen_by=other)
    read(double, ANNA)
    assert double.listed(seen_by=BERT)["slide-1"].regions == 0


def test_two_who_agree_need_no_consensus(double):
    read(double, ANNA), read(double, BERT)
    record = seen(double, BERT)
    assert [one.name for one in record.readings] == [FIRST, SECOND] and not record.differ
    assert {double.turn(record, who) for who in (ANNA, BERT, CARL)} == {None}
    assert double.states(seen_by=CARL)["slide-1"].awaits == ""
    with pytest.raises(SignedError):
        double.decide(case(), Verdict.CANNOT_TELL, CARL)


def test_two_who_differ_need_a_consensus_which_counts(double):
    read(double, ANNA), read(double, BERT, Verdict.CHANGED, "normal")
    assert double.record("slide-1").differ
    assert {double.turn(double.record("slide-1"), who) for who in (ANNA, BERT, CARL)} == {CONSENSUS}
    assert double.states(seen_by=CARL)["slide-1"].awaits == "consensus"
    read(double, CARL, Verdict.CHANGED, "squamous_cell_carcinoma")
    assert double.record("slide-1").final.call == "squamous_cell_carcinoma"
    state = double.states(seen_by=ANNA)["slide-1"]
    assert (state.call, state.by, state.awaits) == ("squamous_cell_carcinoma", "Carl Third", "")


def test_both_begin_at_once_and_each_has_a_reading_of_their_own(double):
    double.decide(case(), Verdict.AGREE, ANNA)
    double.decide(case(), Verdict.CANNOT_TELL, BERT)
    record = double.record("slide-1")
    assert [(one.name, one.owner) for one in record.readings] == [(FIRST, ANNA), (SECOND, BERT)]
    assert [one.name for one in seen(double, ANNA).readings] == [FIRST]
    with pytest.raises(SignedError, match="both readings are taken"):
        double.decide(case(), Verdict.AGREE, CARL)


def test_who_is_blind_adds_nothing_to_what_they_cannot_see(double):
    read(double, ANNA)
    with pytest.raises(SignedError, match="sign your own reading first"):
        double.add_addendum(case(), BERT, "a word")
    double.add_addendum(case(), ANNA, "a word")


def test_who_only_looks_has_no_turn_and_sees(double):
    read(double, ANNA)
    reader = Person("Rita", Role.READER)
    assert double.turn(double.record("slide-1"), reader) is None
    assert [one.name for one in seen(double, reader).readings] == [FIRST]
