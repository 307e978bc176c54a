"""The figures of a proof from slides whose fate is written out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from aggregate.result import SlideStatus
from app.commissioning.findings import find
from app.commissioning.given.criteria import FIGURES, Criterion
from app.commissioning.outcomes import Opinion, Outcome

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
POSITIVE = ("adenocarcinoma", "squamous_cell_carcinoma")


def slide(number, label, call, *, p=0.9, patient=None, scanner="A", seconds=2.0):
    judged = call in CLASSES
    rest = (1 - p) / 2
    return Outcome(
        slide_id=f"s{number}",
        label=label,
        patient=patient or f"p{number}",
        scanner=scanner,
        stain="H&E",
        status=SlideStatus.FAILED if call == "failed" else SlideStatus.REVIEW,
        call=call if judged else "",
        judged=judged,
        probabilities={name: p if name == call else rest for name in CLASSES} if judged else {},
        reasons=("low-margin",) if number % 2 else (),
        seconds=float("nan") if call == "failed" else seconds,
        error_code="corrupt-slide" if call == "failed" else "",
    )


def twenty():
    """Ten with tumour: 7 found (one as the wrong type), 1 missed, 1 refused, 1 failed. Ten without: 8 right, 1 alarm, 1
    refused."""
    calls = ["adenocarcinoma"] * 6 + ["squamous_cell_carcinoma", "normal", "undetermined", "failed"]
    with_tumour = [slide(i, "adenocarcinoma", call) for i, call in enumerate(calls)]
    calls = ["normal"] * 8 + ["adenocarcinoma", "undetermined"]
    return [*with_tumour, *(slide(10 + i, "normal", call) for i, call in enumerate(calls))]


def test_judged_slides_and_all_slides_are_told_apart():
    figures = find(twenty(), CLASSES, POSITIVE).figures
    values = {name: figures[name].value for name in figures}
    assert values["sensitivity"] == pytest.approx(7 / 8) and values["sensitivity_of_all"] == pytest.approx(7 / 10)
    assert values["specificity"] == pytest.approx(8 / 9) and values["specificity_of_all"] == pytest.approx(8 / 10)
    assert values["agreement"] == pytest.approx(14 / 17) and values["agreement_of_all"] == pytest.approx(14 / 20)
    assert values["refused_share"] == pytest.approx(2 / 20) and values["failed_share"] == pytest.approx(1 / 20)
    assert (values["slides"], values["positives"], values["negatives"]) == (20, 10, 10)
    assert values["sensitivity:adenocarcinoma"] == pytest.approx(6 / 8)
    assert np.isnan(values["sensitivity:squamous_cell_carcinoma"])


def test_the_table_has_every_slide_in_one_cell():
    found = find(twenty(), CLASSES, POSITIVE)
    assert found.confusion == ((6, 1, 1, 1, 1), (1, 8, 0, 1, 0), (0, 0, 0, 0, 0))
    assert found.reasons == {"low-margin": 10} and found.errors == {"corrupt-slide": 1}


def test_patients_are_the_unit():
    several = [slide(i, "adenocarcinoma", "adenocarcinoma", patient=f"p{i // 4}") for i in range(40)]
    figures = find(several, CLASSES, POSITIVE).figures
    assert figures["patients"].value == 10 and figures["sensitivity"].groups == 10
    assert figures["sensitivity"].low == pytest.approx(0.05 ** (1 / 10))
    few = find(several[:36], CLASSES, POSITIVE).figures["sensitivity"]
    assert np.isnan(few.low) and few.doubt == "no interval: only 9 groups"


def test_a_criterion_of_one_scanner_asks_of_its_slides():
    outcomes = [slide(i, "adenocarcinoma", "adenocarcinoma") for i in range(12)]
    outcomes += [slide(20 + i, "adenocarcinoma", "normal", scanner="B") for i in range(3)]
    found = find(outcomes, CLASSES, POSITIVE)
    asked = {name: found.asked(Criterion("sensitivity", at_least=0.9, scanner=name)) for name in ("A", "B", "C")}
    assert asked["A"]["value"] == 1 and asked["B"]["value"] == 0 and asked["C"] is None
    assert found.asked(Criterion("slides", at_least=1, scanner="B"))["value"] == 3
    refused = find([*outcomes, slide(30, "normal", "undetermined", scanner="C")], CLASSES, POSITIVE)
    assert refused.asked(Criterion("slides", at_least=1, scanner="C"))["value"] == 1
    assert np.isnan(refused.asked(Criterion("sensitivity", at_least=0.5, scanner="C"))["value"])
    assert found.asked(Criterion("sensitivity", at_least=0.9))["value"] == pytest.approx(12 / 15)


def test_nothing_judged_is_told_as_nothing():
    found = find([slide(0, "normal", "failed"), slide(1, "adenocarcinoma", "undetermined")], CLASSES, POSITIVE)
    assert np.isnan(found.figures["sensitivity"].value) and found.figures["sensitivity_of_all"].value == 0
    assert found.asked(Criterion("auc", at_least=0.5)) is None and found.net_benefit == () == found.roc


def opinion(call, p=0.8, members=None):
    rest = (1 - p) / 2
    told = {name: p if name == call else rest for name in CLASSES} if call else dict.fromkeys(CLASSES)
    return Opinion.of_summary(
        {"call": call, "probabilities": told, "sets": {"0.95": members or ([call] if call else [])}}
    )


def test_a_slide_model_is_judged_beside_the_rule():
    """It finds the tumour that the rule missed and refuses the two slides that the rule refused."""
    outcomes = [
        replace(one, opinion=opinion("" if one.call == "" else one.label, members=["adenocarcinoma", "normal"]))
        for one in twenty()
        if one.status is not SlideStatus.FAILED
    ]
    figures = find(outcomes, CLASSES, POSITIVE).figures
    values = {name.removeprefix("slide_model_"): one.value for name, one in figures.items() if "slide_model" in name}
    assert values.pop("auc_minus_rule") == pytest.approx(1 - figures["auc"].value)
    assert values.pop("refused_share") == pytest.approx(2 / 19)
    assert values == dict.fromkeys(("agreement", "sensitivity", "specificity", "auc", "coverage_95"), 1.0)
    assert {name for name in figures if "slide_model" in name} <= set(FIGURES)


def test_without_a_slide_model_or_with_other_classes_there_is_no_figure_of_one():
    assert not [name for name in find(twenty(), CLASSES, POSITIVE).figures if "slide_model" in name]
    other = Opinion("tumour", {"tumour": 0.9, "none": 0.1}, ("tumour",))
    outcomes = [replace(one, opinion=other) for one in twenty()]
    assert not [name for name in find(outcomes, CLASSES, POSITIVE).figures if "slide_model" in name]
