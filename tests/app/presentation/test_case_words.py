"""The words of a case say of how many slides they speak."""

import pytest

from aggregate.case.rule import CaseSlide, call_case
from aggregate.result import SlideStatus
from app.presentation.case_words import case_title, origin_in_words


def negative(slide_id):
    return CaseSlide(slide_id, SlideStatus.DONE, "normal", "normal", {"adenocarcinoma": 0.1, "normal": 0.9}, 0.9)


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
