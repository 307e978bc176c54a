"""Deciding, drawing, signing, adding: what is kept, what is refused, and that two at once lose nothing."""

import os
import stat
import threading
from dataclasses import replace

import pytest
from sqlalchemy import text

from app.review.people import Person, Role
from app.review.records import OTHER, ReadingName, ReviewStatus, Shape, Verdict
from app.review.reviews import open_reviews
from tests.app.review.conftest import ANNA, BERT, case
from wsi.errors import NotAllowedError, ReviewConflictError, ReviewError, SignedError, UsageError

FIRST = ReadingName.FIRST
SQUARE = [[(10, 10), (30, 10), (30, 30), (10, 30)]]


def sign(reviews, by=ANNA, of=None, **screen):
    of = of or case()
    reading = reviews.record(of.slide_id, of.result_sha256).reading(
        reviews.turn(reviews.record(of.slide_id, of.result_sha256), by) or FIRST
    )
    return reviews.sign(of, by, content_sha256=reading.content_sha256, screen=screen)


def test_nothing_is_there_before_anybody_decided(reviews, tmp_path):
    assert reviews.states() == {} and reviews.record("slide-1").readings == ()
    assert list(tmp_path.iterdir()) == []  # looking leaves nothing behind


def test_a_decision_is_kept_in_every_version(reviews):
    reviews.decide(case(), Verdict.AGREE, ANNA)
    reviews.decide(case(), Verdict.CHANGED, ANNA, call="normal", comment_text="scar, no tumour", seen=1)
    reviews.decide(case(), Verdict.CANNOT_TELL, ANNA, seen=2)
    kept = reviews.record("slide-1").reading(FIRST)
    assert [(one.version, one.verdict, one.call, one.comment) for one in kept.decisions] == [
        (1, "agree", "adenocarcinoma", ""),
        (2, "changed", "normal", "scar, no tumour"),
        (3, "cannot-tell", "undetermined", ""),
    ]
    assert {one.by for one in kept.decisions} == {ANNA}
    state = reviews.states(["slide-1", "slide-2"])
    assert list(state) == ["slide-1"]
    assert (state["slide-1"].status, state["slide-1"].call) == (ReviewStatus.DECIDED, "undetermined")


@pytest.mark.parametrize("call", ["", "adenocarcinoma", "melanoma", "undetermined"])
def test_a_changed_call_is_another_one_of_the_slide(reviews, call):
    with pytest.raises(UsageError):
        reviews.decide(case(), Verdict.CHANGED, ANNA, call=call)
    assert reviews.states() == {}


def test_a_tumour_that_the_model_does_not_know_can_be_called(reviews):
    reviews.decide(case(), Verdict.CHANGED, ANNA, call=OTHER, comment_text="metastasis of a colon carcinoma")
    assert reviews.states()["slide-1"].call == OTHER


def test_a_signature_holds_what_was_decided_and_what_was_seen(reviews):
    reviews.decide(case(), Verdict.AGREE, ANNA, comment_text="typical")
    before = reviews.record("slide-1").reading(FIRST)
    made = sign(reviews, layer="call", place=[1, 2], zoom=20.0)
    kept = reviews.record("slide-1").reading(FIRST)
    assert kept.signature == made and kept.status is ReviewStatus.SIGNED
    assert made.by == ANNA and made.at.endswith("+00:00")
    assert (made.slide_sha256, made.result_sha256, made.model_sha256) == ("5e" * 32, "1a" * 32, "3f" * 32)
    assert made.screen == '{"layer":"call","place":[1,2],"zoom":20.0}'
    assert made.content_sha256 == before.content_sha256 == kept.content_sha256
    state = reviews.states()["slide-1"]
    assert (state.status, state.by, state.verdict, state.at) == ("signed", "Anna Reader", "agree", made.at)


def test_a_signed_reading_takes_an_addendum_and_nothing_else(reviews):
    reviews.decide(case(), Verdict.AGREE, ANNA)
    region = reviews.add_region(case(), ANNA, Shape.RECTANGLE, SQUARE)
    sign(reviews)
    before = reviews.record("slide-1")
    with pytest.raises(SignedError, match=r"Anna Reader signed on .*addendum"):
        reviews.decide(case(), Verdict.CANNOT_TELL, ANNA, seen=1)
    with pytest.raises(SignedError):
        reviews.decide(case(), Verdict.CANNOT_TELL, BERT, seen=1)
    with pytest.raises(SignedError):
        reviews.add_region(case(), ANNA, Shape.RECTANGLE, SQUARE)
    with pytest.raises(SignedError):
        reviews.remove_region(case(), ANNA, region.region_id, seen=1)
    with pytest.raises(SignedError):
        sign(reviews)
    assert reviews.record("slide-1") == before
    added = reviews.add_addendum(case(), BERT, "immunohistochemistry: p40 positive", call="squamous_cell_carcinoma")
    after = reviews.record("slide-1")
    assert replace(after.readings[0], addenda=()) == before.readings[0]
    assert after.final.addenda == (added,) and after.final.call == "squamous_cell_carcinoma"
    assert added.previous == before.final.signature.digest == added.signature
    state = reviews.states()["slide-1"]
    assert (state.call, state.addenda, state.by) == ("squamous_cell_carcinoma", 1, "Anna Reader")


@pytest.mark.parametrize(("words", "call"), [("", ""), ("  \n ", "normal"), ("a word", "melanoma")])
def test_an_addendum_says_something(reviews, words, call):
    reviews.decide(case(), Verdict.AGREE, ANNA)
    sign(reviews)
    with pytest.raises(UsageError):
        reviews.add_addendum(case(), ANNA, words, call=call)


def test_nothing_can_be_added_to_what_is_not_signed(reviews):
    with pytest.raises(SignedError, match="nothing signed"):
        reviews.add_addendum(case(), ANNA, "a word")
    reviews.decide(case(), Verdict.AGREE, ANNA)
    with pytest.raises(SignedError, match="nothing signed"):
        reviews.add_addendum(case(), ANNA, "a word")


TAMPERING = [
    "UPDATE decisions SET call = 'normal'",
    "DELETE FROM decisions",
    "UPDATE signatures SET reviewer = 'Somebody Else'",
    "DELETE FROM signatures",
    "UPDATE addenda SET text = 'nothing'",
    "DELETE FROM addenda",
    "UPDATE seals SET digest = previous",
    "DELETE FROM seals",
    "UPDATE regions SET removed = (1 = 1)",
    "DELETE FROM regions",
    "INSERT INTO decisions (id, slide_id, result_sha256, reading, version, verdict, call, comment, reviewer, role, "
    "identity, subject, at) SELECT 99, slide_id, result_sha256, reading, 2, verdict, 'normal', comment, reviewer, "
    "role, identity, subject, at FROM decisions",
]


@pytest.mark.parametrize("statement", TAMPERING)
def test_the_database_itself_refuses_to_change_a_record(reviews, statement):
    reviews.decide(case(), Verdict.AGREE, ANNA)
    reviews.add_region(case(), ANNA, Shape.POLYGON, SQUARE)
    sign(reviews)
    reviews.add_addendum(case(), ANNA, "a word")
    before = reviews.record("slide-1")
    with pytest.raises(ReviewError, match=r"added, never changed|is signed"), reviews.database.writing() as connection:
        connection.execute(text(statement))
    assert reviews.record("slide-1") == before


def test_postgresql_refuses_to_empty_a_table(tmp_path, new_database):
    reviews = open_reviews(tmp_path, new_database)
    reviews.decide(case(), Verdict.AGREE, ANNA)
    with pytest.raises(ReviewError, match="never changed"), reviews.database.writing() as connection:
        connection.execute(text("TRUNCATE decisions CASCADE"))
    assert reviews.states()["slide-1"].by == "Anna Reader"


def test_the_later_of_two_is_told_what_the_first_decided(reviews):
    reviews.decide(case(), Verdict.CHANGED, ANNA, call="squamous_cell_carcinoma")
    with pytest.raises(ReviewConflictError, match=r"Anna Reader decided meanwhile \(..:.. UTC\): Squamous cell carcin"):
        reviews.decide(case(), Verdict.AGREE, BERT)
    assert len(reviews.record("slide-1").final.decisions) == 1


def test_many_at_once_lose_nothing(reviews):
    """Eight people press at the same moment, each having seen nothing: one is kept, seven are told."""
    people, told, ready = [Person(f"Reader {n}") for n in range(8)], [], threading.Barrier(8)

    def press(who):
        ready.wait()
        try:
            told.append(reviews.decide(case(), Verdict.AGREE, who))
        except ReviewConflictError as error:
            told.append(error)

    threads = [threading.Thread(target=press, args=(who,)) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [one for one in told if not isinstance(one, Exception)]
    assert len(told) == 8 and len(kept) == 1
    assert reviews.record("slide-1").final.decisions == tuple(kept)


def test_a_signature_is_not_put_under_what_was_not_seen(reviews):
    reviews.decide(case(), Verdict.AGREE, ANNA)
    seen = reviews.record("slide-1").final.content_sha256
    reviews.add_region(case(), BERT, Shape.POLYGON, SQUARE)
    with pytest.raises(ReviewConflictError, match="look again"):
        reviews.sign(case(), ANNA, content_sha256=seen, screen={})
    reviews.decide(case(), Verdict.CANNOT_TELL, BERT, seen=1)
    with pytest.raises(ReviewConflictError, match="Bert Reviewer decided meanwhile"):
        reviews.sign(case(), ANNA, content_sha256=seen, screen={})
    with pytest.raises(UsageError, match="the decision of Bert"):
        sign(reviews, ANNA)
    assert reviews.states()["slide-1"].status == "decided"


def test_nothing_is_signed_before_it_is_decided(reviews):
    with pytest.raises(UsageError, match="decide first"):
        sign(reviews)


def test_a_reader_looks_and_does_not_decide(reviews):
    reader = Person("Rita", Role.READER)
    for attempt in (
        lambda: reviews.decide(case(), Verdict.AGREE, reader),
        lambda: reviews.add_region(case(), reader, Shape.POLYGON, SQUARE),
        lambda: sign(reviews, reader),
        lambda: reviews.add_addendum(case(), reader, "a word"),
    ):
        with pytest.raises(NotAllowedError):
            attempt()
    assert reviews.states() == {}


def test_a_new_result_of_a_slide_is_decided_anew(reviews):
    reviews.decide(case(), Verdict.AGREE, ANNA)
    old = sign(reviews)
    other = case(result="2b", call="normal")
    assert reviews.record("slide-1", other.result_sha256).earlier == (old,)
    reviews.decide(other, Verdict.AGREE, BERT)
    state = reviews.states()["slide-1"]
    assert (state.status, state.call, state.result_sha256) == ("decided", "normal", "2b" * 32)
    assert reviews.record("slide-1", "1a" * 32).final.signature == old


def test_a_region_has_versions_and_is_taken_away_by_one(reviews):
    drawn = reviews.add_region(case(), ANNA, Shape.POLYGON, SQUARE, class_name="Tumour", comment_text="solid")
    moved = reviews.add_region(
        case(), ANNA, Shape.POLYGON, [[(0, 0), (9, 0), (9, 9)]], region_id=drawn.region_id, seen=1, class_name="Tumour"
    )
    assert reviews.record("slide-1").reading(FIRST).regions == (moved,)
    with pytest.raises(ReviewConflictError):
        reviews.remove_region(case(), BERT, drawn.region_id, seen=1)
    reviews.remove_region(case(), BERT, drawn.region_id, seen=2)
    kept = reviews.record("slide-1").reading(FIRST)
    assert kept.regions == () and [one.version for one in kept.drawn] == [1, 2, 3]
    with pytest.raises((ReviewConflictError, UsageError)):
        reviews.remove_region(case(), BERT, drawn.region_id, seen=3)


def test_a_comment_is_kept_as_it_was_written_or_refused(reviews):
    words = "Zwei Zeilen:\n<b>möglich</b> =1+1 \u202egnitrid\x1b[31m"
    kept = reviews.decide(case(), Verdict.AGREE, ANNA, comment_text=words)
    assert kept.comment == "Zwei Zeilen:\n<b>möglich</b> =1+1 gnitrid[31m"
    assert reviews.record("slide-1").final.decision == kept
    with pytest.raises(UsageError, match="2001 characters"):
        reviews.decide(case(), Verdict.AGREE, ANNA, comment_text="x" * 2001, seen=1)


def test_only_its_owner_may_read_the_file(tmp_path):
    before = os.umask(0)
    try:
        open_reviews(tmp_path).decide(case(), Verdict.AGREE, ANNA)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "reviews.sqlite").stat().st_mode) == 0o600


def test_a_list_tells_how_many_regions_stand_and_who_drew_them(reviews):
    assert reviews.listed() == {}
    for by in (ANNA, ANNA, BERT):
        last = reviews.add_region(case(), by, Shape.RECTANGLE, SQUARE)
    state = reviews.listed()["slide-1"]
    assert (state.regions, state.drawn_by, state.status) == (3, ("Anna Reader", "Bert Reviewer"), "unreviewed")
    changed = reviews.add_region(
        case(), ANNA, Shape.RECTANGLE, SQUARE, class_name="tumour", region_id=last.region_id, seen=1
    )
    assert reviews.listed()["slide-1"].drawn_by == ("Anna Reader",)
    reviews.remove_region(case(), ANNA, last.region_id, seen=changed.version)
    reviews.decide(case(), Verdict.AGREE, BERT)
    state = reviews.listed()["slide-1"]
    assert (state.regions, state.status, state.by) == (2, "decided", "Bert Reviewer")
    # Regions of another result are not told beside what was decided of this one.
    reviews.add_region(case(result="2b"), ANNA, Shape.RECTANGLE, SQUARE)
    assert reviews.listed()["slide-1"].regions == 2
    assert reviews.states()["slide-1"].regions == 0


def test_thousands_of_slides_are_told_at_once(reviews):
    times = (f"2026-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}+00:00" for n in range(10_000))
    rows = [{"n": f"s{number:05}", "at": at} for number, at in enumerate(times)]
    reviews.decide(case("one"), Verdict.AGREE, ANNA)
    with reviews.database.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO decisions (slide_id, result_sha256, reading, version, verdict, call, comment, reviewer, "
                "role, identity, subject, at) VALUES (:n, '1a', 'first', 1, 'agree', 'normal', '', 'Anna', "
                "'reviewer', 'stated', '', :at)"
            ),
            rows,
        )
    states = reviews.states()
    assert len(states) == 10_001 and states["s09999"].by == "Anna"
    assert set(reviews.states([f"s{n:05}" for n in range(0, 10_000, 2)])) == {f"s{n:05}" for n in range(0, 10_000, 2)}
