"""The slides before and after one are those of the worklist that nobody signed."""

import pytest

from app.ledger.records import SlideRow, write_rows
from app.review.records import ReviewState, ReviewStatus
from app.viewer.gate.visitors import THE_ONE
from app.viewer.pages.slide import around
from app.viewer.pages.slide.around import Around, first_to_review, neighbours
from app.viewer.site import default_site
from tests.results import CLASSES

ROWS = [
    SlideRow("broken", "", "failed", error_code="corrupt-slide"),
    SlideRow("calm", "", "done", "normal", confidence=0.9),
    SlideRow("slide-10", "", "review", "normal", confidence=0.5),
    SlideRow("slide-9", "", "review", "normal", confidence=0.5),
    SlideRow("tumour", "", "done", "adenocarcinoma", confidence=0.9),
    SlideRow("unsure", "", "review", "normal", confidence=0.2),
]
ORDER = ["unsure", "slide-9", "slide-10", "tumour", "calm"]


@pytest.fixture
def site(tmp_path):
    write_rows(tmp_path / "slides.csv", ROWS, CLASSES)
    return default_site(tmp_path, ())


def test_the_order_is_that_of_the_worklist(site):
    found, here = [], "unsure"
    while here:
        found.append(here)
        here = neighbours(site, here, THE_ONE).next
    assert found == ORDER
    assert neighbours(site, "unsure", THE_ONE).previous is None and neighbours(site, "calm", THE_ONE) == Around(
        "tumour", None
    )
    assert neighbours(site, "nobody", THE_ONE) == Around()
    assert neighbours(site, "broken", THE_ONE) == Around("slide-10", "tumour")


def test_what_is_signed_is_passed_over_save_the_slide_itself(site, monkeypatch):
    monkeypatch.setattr(around, "is_signed", lambda entry, review: True)
    signed = {name: ReviewState(name, ReviewStatus.SIGNED) for name in ("slide-9", "tumour")}
    monkeypatch.setattr(type(site.reviews), "states", lambda self, **asked: signed)
    found = {name: neighbours(site, name, THE_ONE) for name in ("unsure", "slide-9", "slide-10", "tumour")}
    assert found["unsure"].next == "slide-10" and found["slide-10"].next == "calm"
    # Who has just signed goes on from where they were, and not from where signed ones stand.
    assert found["tumour"] == Around("slide-10", "calm") and found["slide-9"] == Around("unsure", "slide-10")
    assert first_to_review(site, THE_ONE) == "unsure"
