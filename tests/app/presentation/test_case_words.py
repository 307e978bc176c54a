"""The words of a case say of how many slides they speak."""

import pytest

from aggregate.case.rule import CaseSlide, call_case
from aggregate.result import SlideStatus
from app.presentation.case_words import case_title, origin_in_words, role_in_words


def negative(slide_id):
    return CaseSlide(slide_id, SlideStatus.DONE, "normal", "normal", {"adenocarcinoma": 0.1, "normal": 0.9}, 0.9)


def tumour(slide_id, mm2):
    p = {"adenocarcinoma": 0.9, "normal": 0.1}
    return CaseSlide(slide_id, SlideStatus.DONE, "adenocarcinoma", "normal", p, 0.9, tumour_mm2=mm2)


@pytest.mark.parametrize(
    ("slides", "words", "role"),
    [
        (
            [tumour("a", 1.0), tumour("b", 2.0)],
            "slide b, which has most of the tumour; the case has 2 slides.",
            "origin",
        ),
        ([negative("a"), tumour("b", 2.0)], "slide b, the only one of 2 that is called a tumour.", "origin"),
        ([tumour("b", 2.0), CaseSlide("c", SlideStatus.FAILED)], "the only one of 2 that is called", "origin"),
        ([tumour("b", 2.0)], "The case has one slide, b.", "slide of origin"),
        ([negative("b")], "The case has one slide, b.", "highest score"),
        ([negative("b"), negative("c")], "slide b is the most suspicious of them.", "highest score"),
    ],
)
def test_the_slide_of_origin_is_told_with_why_it_is_that(slides, words, role):
    told = call_case(slides)
    assert words in origin_in_words(told, len(slides)) and role in role_in_words(told, "b")


@pytest.mark.parametrize(
    ("slides", "title", "words"),
    [
        ([negative("a"), negative("b")], "Normal", "No tumour was found on 2 slides;"),
        (
            [negative("a"), CaseSlide("b", SlideStatus.FAILED), negative("c")],
            "Normal on the 2 of 3 slides that could be judged",
            "No tumour was found on the 2 of 3 slides that could be judged;",
        ),
    ],
)
def test_no_tumour_is_told_of_the_slides_that_were_judged_alone(slides, title, words):
    told = call_case(slides)
    assert case_title(told, len(slides)) == title
    assert origin_in_words(told, len(slides)).startswith(words)
