"""Both sides of every threshold, at the default rules: what holds just below, at, and just above each edge."""

from dataclasses import replace

import numpy as np
import pytest

from aggregate.decision import ScanFacts, TissueShares, decide
from aggregate.doubts import Doubts, Place
from aggregate.pool import Pooled
from aggregate.result import Decision
from aggregate.thresholds import DecisionRules
from app.presentation.words import confidence_level

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
POOLED = Pooled(np.array([0.96, 0.02, 0.02]), 0.98, 300.0, 0.02, 3.0, 0.0, 0.1)
SHARES = TissueShares(tissue_mm2=50.0, voting=0.95, unfamiliar=0.03, blur=0.01, pen=0.0, dark=0.0, edge=0.02)


NO_DOUBTS, RULES = Doubts(), DecisionRules()
NEGATIVE = replace(POOLED, probabilities=np.array([0.02, 0.96, 0.02]))


def reasons(pooled, shares, doubts=NO_DOUBTS, rules=RULES):
    decision = decide(pooled, shares, doubts, CLASSES, rules, ScanFacts(), background="normal")
    return decision.review_reasons


def tissue(**shares):
    return POOLED, replace(SHARES, **shares)


def tumour(**figures):
    return replace(POOLED, **figures), SHARES


def unjudged(tiles):
    return POOLED, SHARES, Doubts(unjudged=Place(tiles, 1.0, 1.0))


def margin(value):
    return tumour(probabilities=np.array([0.5 + value / 2, 0.0, 0.5 - value / 2]))


# The figure at its edge, what is told of it, and whether the edge itself is; above the edge for `more`, else below it.
EDGES = [
    (lambda v: tissue(unfamiliar=v), 0.20, "unfamiliar-tissue", "more"),
    (lambda v: tissue(unfamiliar=v), 0.50, "undetermined", "more"),
    (lambda v: tissue(voting=v), 0.25, "undetermined", "less"),
    (lambda v: tissue(set_aside=v), 0.50, "mostly-set-aside", "more"),
    (lambda v: tissue(blur=v), 0.10, "blur", "more"),
    (lambda v: (NEGATIVE, replace(SHARES, voting=v)), 0.90, "partial-negative", "less"),
    (unjudged, 4.0, "unjudged-area", "from"),
    (lambda v: tissue(dark=v), 0.05, "artefact", "more"),
    (lambda v: tissue(tissue_mm2=v), 0.50, "little-tissue", "less"),
    (lambda v: tumour(scatter=v, disagreeing_tiles=5.0), 0.30, "scattered", "more"),
    (lambda v: tumour(scatter=0.31, disagreeing_tiles=v), 5.0, "scattered", "from"),
    (lambda v: tumour(second_type_share=v), 0.10, "mixed-types", "from"),
    (lambda v: tumour(second_type_share=0.5, tumour_tiles=2 * v), 4.0, "mixed-types", "from"),
]


@pytest.mark.parametrize(
    ("of", "edge", "reason", "side"), EDGES, ids=lambda value: "" if callable(value) else str(value)
)
def test_each_reason_begins_at_its_edge(of, edge, reason, side):
    below, above = np.nextafter(edge, 0.0), np.nextafter(edge, 100.0)
    told = [reason in reasons(*of(value)) for value in (below, edge, above)]
    assert told == {"more": [False, False, True], "less": [True, False, False], "from": [False, True, True]}[side]


def test_a_margin_of_the_threshold_is_wide_enough():
    assert "low-margin" in reasons(*margin(0.399)) and "low-margin" not in reasons(*margin(0.401))
    at_a_half = DecisionRules(low_margin=0.5)
    assert [reasons(*margin(value), rules=at_a_half) for value in (0.5 - 2**-40, 0.5)] == [("low-margin",), ()]


def test_any_tissue_under_pen_is_told():
    assert ["pen" in reasons(*tissue(pen=share)) for share in (0.0, 1e-6, 0.01)] == [False, True, True]


def test_the_tumour_of_a_second_type_is_counted_in_tiles_not_in_shares():
    assert "mixed-types" not in reasons(*tumour(second_type_share=0.5, tumour_tiles=7.9))
    assert "mixed-types" in reasons(*tumour(second_type_share=0.10, tumour_tiles=40.0))
    assert "mixed-types" not in reasons(*tumour(second_type_share=0.09, tumour_tiles=4000.0))


@pytest.mark.parametrize(
    ("confidence", "level"),
    [
        (np.nextafter(0.3, 0.0), "low"),
        (0.3, "moderate"),
        (np.nextafter(0.6, 0.0), "moderate"),
        (0.6, "high"),
        (1.0, "high"),
    ],
)
def test_the_words_for_confidence_begin_at_their_edges(confidence, level):
    assert confidence_level(Decision("normal", (0.1, 0.8, 0.1), float(confidence), 0.7, ())) == level
