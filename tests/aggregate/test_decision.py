from dataclasses import replace

import numpy as np
import pytest

from aggregate.decision import DecisionRules, ScanFacts, TissueShares, decide
from aggregate.doubts import Doubts, Place
from aggregate.pool import Pooled

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
CLEAR = Pooled(np.array([0.96, 0.02, 0.02]), 0.98, 300.0, 0.02, 3.0, 0.0, 0.1)
CLEAN = TissueShares(tissue_mm2=50.0, voting=0.95, unfamiliar=0.03, blur=0.01, pen=0.0, dark=0.0, edge=0.02)


NO_DOUBTS, NOTHING_ODD = Doubts(), ScanFacts()
NEGATIVE = replace(CLEAR, probabilities=np.array([0.02, 0.96, 0.02]), hotspot=0.04, tumour_tiles=0.0)


OTHER = np.array([0.02, 0.02, 0.96])


def decided(pooled=CLEAR, shares=CLEAN, doubts=NO_DOUBTS, scan=NOTHING_ODD, classes=CLASSES, **rules):
    return decide(pooled, shares, doubts, classes, DecisionRules(**rules), scan, background="normal")


def test_a_clear_slide_has_a_call_and_no_reason():
    decision = decided()
    assert decision.call == "adenocarcinoma" and decision.review_reasons == ()
    assert decision.margin == pytest.approx(0.94)
    assert 0.8 < decision.confidence < 1.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pooled": replace(CLEAR, probabilities=np.array([0.55, 0.05, 0.40]))}, "low-margin"),
        ({"pooled": replace(CLEAR, scatter=0.5, disagreeing_tiles=20.0)}, "scattered"),
        ({"pooled": replace(CLEAR, second_type_share=0.2)}, "mixed-types"),
        ({"shares": replace(CLEAN, unfamiliar=0.3, voting=0.7)}, "unfamiliar-tissue"),
        ({"shares": replace(CLEAN, unfamiliar=float("nan"))}, "familiarity-unknown"),
        ({"shares": replace(CLEAN, by_site=0.2)}, "known-by-site"),
        ({"shares": replace(CLEAN, set_aside=0.6)}, "mostly-set-aside"),
        ({"shares": replace(CLEAN, blur=0.2)}, "blur"),
        ({"shares": replace(CLEAN, pen=0.05)}, "pen"),
        ({"shares": replace(CLEAN, dark=0.1)}, "artefact"),
        ({"shares": replace(CLEAN, tissue_mm2=0.2)}, "little-tissue"),
        ({"doubts": Doubts(unjudged=Place(4.0, 10.0, 20.0))}, "unjudged-area"),
        ({"scan": ScanFacts(mpp_inferred=True)}, "mpp-inferred"),
        ({"scan": ScanFacts(mpp_contradicted=True)}, "mpp-contradicted"),
        ({"scan": ScanFacts(enlarged=True)}, "low-resolution"),
        ({"scan": ScanFacts(several_images=True)}, "several-images"),
        ({"scan": ScanFacts(other_stain=True)}, "other-stain"),
        ({"scan": ScanFacts(tinted_glass=True)}, "tinted-glass"),
    ],
)
def test_each_reason_for_its_cause_alone(change, reason):
    decision = decided(**change)
    assert decision.review_reasons == (reason,)
    assert decision.call == "adenocarcinoma"


def test_an_unfamiliar_slide_is_told_where_tissue_is_refused_and_only_there():
    scan = ScanFacts(unfamiliar=True)
    assert decided(scan=scan).review_reasons == ()
    refused = replace(CLEAN, unfamiliar=0.3, voting=0.7)
    assert decided(scan=scan, shares=refused).review_reasons == ("unfamiliar-slide", "unfamiliar-tissue")
    at_the_limit = replace(CLEAN, unfamiliar=DecisionRules().unfamiliar_share, voting=0.7)
    assert "unfamiliar-slide" not in decided(scan=scan, shares=at_the_limit).review_reasons


def test_few_disagreeing_tiles_are_a_border_not_scatter():
    assert decided(pooled=replace(CLEAR, scatter=0.5, disagreeing_tiles=4.0)).review_reasons == ()


def test_a_second_type_of_a_tile_or_two_is_no_mixture():
    assert decided(pooled=replace(CLEAR, tumour_tiles=9.0, second_type_share=0.2)).review_reasons == ()


def test_mostly_unknown_tissue_is_undetermined():
    decision = decided(shares=replace(CLEAN, unfamiliar=0.6, voting=0.4))
    assert decision.call == "undetermined"
    assert decision.review_reasons == ("undetermined", "unfamiliar-tissue")
    assert decision.probabilities == pytest.approx((0.96, 0.02, 0.02))


def test_too_little_that_can_be_judged_is_undetermined():
    assert decided(shares=replace(CLEAN, blur=0.8, voting=0.2)).call == "undetermined"


@pytest.mark.parametrize("pooled", [CLEAR, NEGATIVE])
def test_no_call_is_made_from_false_colours_however_sure_the_model_is(pooled):
    decision = decided(pooled=pooled, scan=ScanFacts(false_colours=True))
    assert decision.call == "undetermined" and np.isnan(decision.confidence)
    assert decision.review_reasons == ("undetermined", "false-colours")


@pytest.mark.parametrize("pooled", [CLEAR, NEGATIVE])
def test_no_call_is_made_of_what_shines_on_black(pooled):
    decision = decided(pooled=pooled, scan=ScanFacts(dark_background=True))
    assert decision.call == "undetermined" and np.isnan(decision.confidence)
    assert decision.review_reasons == ("undetermined", "dark-background")


def test_no_vote_no_call_no_number():
    nan = float("nan")
    silent = Pooled(np.full(3, nan), nan, 0.0, nan, 0.0, nan, nan)
    decision = decided(pooled=silent, shares=replace(CLEAN, unfamiliar=0.0, voting=0.0))
    assert decision.call == "undetermined" and decision.review_reasons == ("undetermined",)
    assert np.isnan(decision.probabilities).all() and np.isnan(decision.confidence)
    lenient = decided(pooled=silent, shares=replace(CLEAN, voting=0.0), undetermined_voting_share=0.0)
    assert lenient.call == "undetermined"


def test_confidence_runs_from_undecided_to_certain():
    undecided = decided(pooled=replace(CLEAR, probabilities=np.full(3, 1 / 3)))
    certain = decided(pooled=replace(CLEAR, probabilities=np.array([0.0, 0.0, 1.0])))
    assert undecided.confidence == pytest.approx(0.0, abs=1e-9)
    assert certain.confidence == pytest.approx(1.0, abs=1e-6)
    assert certain.call == "squamous_cell_carcinoma"


def test_no_call_no_confidence():
    decision = decided(shares=replace(CLEAN, unfamiliar=0.6, voting=0.4))
    assert np.isnan(decision.confidence) and np.isnan(decision.margin) and not decision.negative


def test_a_negative_holds_for_what_was_judged():
    decision = decided(pooled=NEGATIVE, shares=replace(CLEAN, voting=0.93))
    assert decision.call == "normal" and decision.negative and decision.judged_share == 0.93
    assert decision.review_reasons == ()
    assert not decided(shares=replace(CLEAN, voting=0.93)).negative


def test_a_negative_over_part_of_the_tissue_is_told_and_a_tumour_is_not():
    partly = replace(CLEAN, voting=0.85)
    assert decided(pooled=NEGATIVE, shares=partly).review_reasons == ("partial-negative",)
    assert decided(shares=partly).review_reasons == ()


def test_tiles_that_look_like_tumour_are_named_where_they_are_outvoted():
    one = Doubts(tumour_like=Place(1.0, 5.0, 5.0))
    assert decided(pooled=NEGATIVE, doubts=one).review_reasons == ("tumour-like-tiles",)
    assert decided(doubts=one).review_reasons == ()
