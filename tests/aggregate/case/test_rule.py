"""The rule of a case against cases whose answer is known."""

import math
from dataclasses import replace

import pytest

from aggregate.case.rule import CaseSlide, call_case
from aggregate.result import UNDETERMINED, SlideStatus

DONE, FAILED = SlideStatus.DONE, SlideStatus.FAILED
AD, SCC, NORMAL = "adenocarcinoma", "squamous_cell_carcinoma", "normal"


def slide(slide_id, call=NORMAL, *, mm2=None, score=None, reasons=()):
    tumour = call not in (NORMAL, UNDETERMINED)
    score = (0.98 if tumour else 0.03) if score is None else score
    probabilities = {NORMAL: 1 - score, **({call: score} if tumour else {AD: score})}
    mm2 = (20.0 if tumour else 0.0) if mm2 is None else mm2
    return CaseSlide(slide_id, DONE, call, NORMAL, probabilities, 0.8, reasons, mm2)


def failed(slide_id):
    return CaseSlide(slide_id, FAILED)


def test_a_case_of_one_slide_is_that_slide():
    told = call_case([slide("a", AD)])
    assert (told.call, told.origin, told.review_reasons, told.status) == (AD, "a", (), DONE)


def test_one_small_tumour_among_many_slides_is_the_case_s_and_is_told():
    told = call_case([slide("a"), slide("b"), slide("c", AD, mm2=0.6, score=0.7), slide("d"), slide("e")])
    assert (told.call, told.origin, told.without_tumour) == (AD, "c", ("a", "b", "d", "e"))
    assert told.review_reasons == ("tumour-on-one-slide",) and told.status is SlideStatus.REVIEW
    assert call_case([slide("a", AD), slide("b", AD), slide("c")]).review_reasons == ()


def test_the_slide_of_origin_is_the_one_with_most_tumour_not_the_one_with_the_highest_score():
    told = call_case([slide("a", SCC, mm2=0.5, score=0.999), slide("b", AD, mm2=80.0, score=0.97)])
    assert (told.call, told.origin, told.discordant) == (AD, "b", ("a",))
    assert told.review_reasons == ("slides-disagree",)


@pytest.mark.parametrize("area", [0.0, math.nan])
def test_of_equal_areas_the_more_suspicious_is_the_origin_and_then_the_first(area):
    one, other = slide("b", AD, mm2=area, score=0.9), slide("a", SCC, mm2=area, score=0.8)
    assert call_case([one, other]).origin == call_case([other, one]).origin == "b"
    assert call_case([one, replace(one, slide_id="a")]).origin == "a"


def test_a_negative_case_is_as_sure_as_its_most_suspicious_slide():
    told = call_case([slide("a", score=0.01), slide("b", score=0.3), slide("c", score=0.1)])
    assert (told.call, told.origin, told.negative, told.review_reasons) == (NORMAL, "b", True, ())


def test_a_slide_that_says_nothing_is_told_and_takes_nothing_away():
    told = call_case([slide("a"), failed("b"), slide("c", UNDETERMINED)])
    assert (told.call, told.origin, told.silent) == (NORMAL, "a", ("b", "c"))
    assert told.review_reasons == ("slide-failed", "slide-undetermined")
    tumour = call_case([slide("a", AD), failed("b")])
    assert tumour.call == AD and tumour.review_reasons == ("slide-failed",)


@pytest.mark.parametrize("slides", [[failed("a")], [slide("a", UNDETERMINED)], [failed("a"), slide("b", UNDETERMINED)]])
def test_without_a_judged_slide_there_is_no_call(slides):
    told = call_case(slides)
    assert (told.call, told.origin, told.negative) == (UNDETERMINED, "", False)
    assert told.review_reasons[0] == UNDETERMINED


def test_a_slide_to_look_at_again_makes_the_case_one():
    told = call_case([slide("a", AD), slide("b", AD, reasons=("pen",))])
    assert told.review_reasons == ("slide-to-review",)


def test_slides_of_models_with_other_backgrounds_are_called_by_their_own():
    alveoli = CaseSlide("a", DONE, "alveoli", "alveoli", {"alveoli": 0.9, AD: 0.1}, 0.5)
    told = call_case([alveoli, slide("b")])
    assert told.negative and told.origin == "a" and told.call == "alveoli"
