"""Words: no certainty, no invisible marks, and the numbers behind each statement."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregate.result import Decision
from app.presentation import figures, words
from tests.results import make_result
from wsi.text import plain

REASON_CODES = [
    "low-margin",
    "scattered",
    "unfamiliar-tissue",
    "familiarity-unknown",
    "undetermined",
    "blur",
    "pen",
    "artefact",
    "little-tissue",
    "mpp-inferred",
    "mpp-contradicted",
    "mixed-types",
    "low-resolution",
    "unjudged-area",
    "mostly-set-aside",
    "partial-negative",
    "tumour-like-tiles",
    "several-images",
    "other-stain",
    "tinted-glass",
    "false-colours",
    "dark-background",
    "colours-righted",
    "unfamiliar-slide",
    "known-by-site",
    "slide-model-disagrees",
    "several-classes",
    "other-tumour",
]


def decision(*probabilities, call="adenocarcinoma", reasons=()):
    p = [x for x in probabilities if x > 0]
    confidence = 1 + sum(x * math.log(x) for x in p) / math.log(len(probabilities))
    first, second = sorted(probabilities, reverse=True)[:2]
    return Decision(call, probabilities, confidence, first - second, tuple(reasons))


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.5, "50%"),
        (0.9123, "91.2%"),
        (0.9994, "99.9%"),
        (0.9996, ">99.9%"),
        (1.0, ">99.9%"),
        (0.0, "<0.1%"),
        (0.0004, "<0.1%"),
        (0.0175, "1.8%"),
        (0.0996, "10%"),
        (float("nan"), figures.MISSING),
    ],
)
def test_percent(probability, text):
    assert figures.percent(probability) == text


@given(st.floats(0, 1))
def test_percent_is_never_certain_and_never_far_off(probability):
    text = figures.percent(probability)
    assert text not in ("0%", "0.0%", "100%", "100.0%")
    assert abs(float(text.strip("<>%")) / 100 - probability) <= 0.00501


def test_only_a_true_whole_is_a_whole_share():
    assert figures.share(1.0) == "100%"
    assert figures.share(0.0) == "0%"
    assert figures.share(0.99999) == ">99.9%"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("squamous_cell_carcinoma", "Squamous cell carcinoma"),
        ("normal", "Normal"),
        ("SCLC", "SCLC"),
        ("_", "Unnamed class"),
        ("a\u202eb\x00c\n d", "Abc d"),
    ],
)
def test_class_titles(name, title):
    assert words.class_title(name) == title


@given(st.text())
def test_plain_text_is_one_short_visible_line(text):
    shown = plain(text)
    assert len(shown) <= 200
    assert not any(mark < " " or mark in "\u202a\u202b\u202d\u202e\u2066\u2067\u200b\u200f" for mark in shown)


def test_every_review_reason_has_words():
    assert set(words.REASONS) == set(REASON_CODES)
    for code in REASON_CODES:
        reason = words.reason(code)
        assert reason.title and reason.explanation.endswith(".") and reason.what_to_do.endswith(".")


def test_an_unknown_reason_still_gets_a_line():
    assert words.reason("from-the-future\x07").title == "from-the-future"


def test_the_call_in_words():
    assert words.call_in_words(decision(0.9, 0.05, 0.05)) == "The model calls this slide adenocarcinoma."
    assert words.call_in_words(decision(0.9, 0.05, 0.05, call="SCLC")) == "The model calls this slide SCLC."
    assert words.call_title(decision(0.9, 0.1, call="undetermined")) == "Cannot tell"


@pytest.mark.parametrize(
    ("probabilities", "reasons", "level"),
    [
        ((0.95, 0.04, 0.01), (), "high"),
        ((0.95, 0.04, 0.01), ("pen",), "moderate"),
        ((0.95, 0.04, 0.01), ("low-margin",), "low"),
        ((0.8, 0.1, 0.1), (), "moderate"),
        ((0.5, 0.3, 0.2), (), "low"),
    ],
)
def test_confidence_level(probabilities, reasons, level):
    assert words.confidence_level(decision(*probabilities, reasons=reasons)) == level


def test_confidence_states_its_numbers_and_their_kind():
    text = words.confidence_in_words(decision(0.8, 0.15, 0.05, reasons=("pen", "blur")))
    assert text.startswith("Moderate confidence")
    assert "80%" in text and "65 percentage points" in text and "2 reasons to look again" in text
    assert "a score of 80%" in text and "not on patients" in text


def test_confidence_is_never_certainty():
    sure = words.confidence_in_words(Decision("normal", (0.0, 1.0, 0.0), 1.0, 1.0, ()))
    assert "1.00" not in sure and "100%" not in sure and ">0.99 on a scale" in sure


@pytest.mark.parametrize(("judged", "percent"), [(0.93, 93), (0.29, 29), (0.9999, 99), (1.0, None), (None, None)])
def test_a_negative_says_for_how_much_of_the_tissue_it_holds(judged, percent):
    told = "" if percent is None else f" in the {percent}% that could be judged"
    negative = Decision("normal", (0.0, 1.0, 0.0), 0.9, 0.9, (), negative=True, judged_share=judged)
    assert words.call_in_words(negative) == f"The model calls this slide normal{told}."
    assert words.call_title(negative) == f"Normal{told}"


def test_a_tumour_is_one_however_much_could_be_judged():
    tumour = Decision("adenocarcinoma", (1.0, 0.0, 0.0), 0.9, 0.9, (), judged_share=0.5)
    assert words.call_title(tumour) == "Adenocarcinoma"


def test_places_are_told_for_the_reasons_that_have_one():
    qc = {
        "unjudged_tiles": 12.0, "unjudged_x_px": 31200.4, "unjudged_y_px": 8900.0,
        "tumour_like_tiles": 1.0, "tumour_like_x_px": 5.0, "tumour_like_y_px": 6.0,
    }  # fmt: skip
    both = make_result(reasons=("unjudged-area", "tumour-like-tiles"), qc=qc)
    assert words.places_in_words(both) == [
        ("Largest area without a call", "12 tiles around x 31,200, y 8,900 px"),
        ("Look like tumour", "1 tile, the surest at x 5, y 6 px"),
    ]
    assert words.places_in_words(make_result(qc=qc)) == []
    assert words.places_in_words(make_result(reasons=("unjudged-area",), qc={})) == []


def test_no_confidence_without_a_call():
    nan = float("nan")
    text = words.confidence_in_words(Decision("undetermined", (nan, nan, nan), nan, nan, ("undetermined",)))
    assert text == "No confidence is stated, since no call is made."


def test_figures():
    assert figures.area(0.004) == "<0.01 mm²"
    assert figures.area(0.0) == "0 mm²"
    assert figures.area(12.345) == "12.3 mm²"
    assert figures.area(1234.5) == "1,234 mm²"
    assert figures.length(500) == "0.5 mm"
    assert figures.length(50) == "50 µm"
    assert figures.pixel_size(0.25268) == "0.2527 µm/px"
    assert figures.duration(200.4) == "3 min 20 s"
    assert figures.points(0.0101) == "1.0 percentage point"
    assert figures.points(0.9981) == "99.8 percentage points"
    assert figures.points(0.9999) == "more than 99.9 percentage points"
    assert words.mpp_source_in_words("objective-power") == "inferred from the objective power"
