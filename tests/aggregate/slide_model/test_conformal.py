"""Prediction sets: the bounds by hand, what they promise by simulation, and what they cannot promise."""

import numpy as np
import pytest

from aggregate.slide_model.conformal import (
    EVERYTHING,
    PredictionSets,
    fit_sets,
    least_patients,
    outcome_of,
)
from wsi.errors import ModelError


def _two(own, labels):
    """Probabilities (n, 2) under which slide i gives its own class `own[i]`."""
    p = np.empty((len(own), 2))
    rows = np.arange(len(own))
    p[rows, labels], p[rows, 1 - labels] = own, 1 - np.asarray(own)
    return p


def _names(count):
    return [f"p{i}" for i in range(count)]


def test_it_takes_19_patients_for_95_percent_and_9_for_90():
    assert (least_patients(0.95), least_patients(0.9), least_patients(0.8)) == (19, 9, 4)


@pytest.mark.parametrize(("count", "promised"), [(18, False), (19, True)])
def test_with_fewer_patients_a_class_is_never_left_out_and_that_is_told(count, promised):
    labels = np.zeros(count, np.int64)
    sets = fit_sets(_two(np.linspace(0.6, 0.99, count), labels), labels, _names(count))
    bound = sets.bounds["0.95"][0]
    assert bound.is_promised is promised and bound.patients == count
    assert bound.from_p == (pytest.approx(0.6) if promised else EVERYTHING)
    told = " ".join(sets.unpromised(("normal", "tumour")))
    assert ("95% cannot be promised for normal" in told) is not promised
    assert "95% cannot be promised for tumour: 0 patients, it takes 19" in told
    assert 1 in sets.sets_of((1.0, 0.0))["0.95"]  # tumour, of which nobody was seen


def test_the_bound_is_the_quantile_of_the_class_alone():
    labels = np.repeat([0, 1], 39)
    own = np.concatenate([np.linspace(0.02, 0.96, 39), np.full(39, 0.9)])
    sets = fit_sets(_two(own, labels), labels, _names(78))
    assert sets.bounds["0.95"][0].from_p == pytest.approx(sorted(own[:39])[1])  # floor(40 * 0.05) = 2nd smallest
    assert sets.bounds["0.9"][0].from_p == pytest.approx(sorted(own[:39])[3])
    assert sets.bounds["0.95"][1].from_p == pytest.approx(0.9)


def test_a_patient_counts_once_with_the_slide_that_does_worst():
    labels = np.zeros(40, np.int64)
    own = np.full(40, 0.9)
    own[::2] = 0.4
    patients = [f"p{i // 2}" for i in range(40)]
    sets = fit_sets(_two(own, labels), labels, patients)
    assert sets.bounds["0.95"][0].patients == 20 and sets.bounds["0.95"][0].from_p == pytest.approx(0.4)


def test_the_loosest_site_bounds_a_class_and_small_sites_are_told():
    labels = np.zeros(45, np.int64)
    own = np.concatenate([np.full(20, 0.9), np.full(20, 0.3), np.full(5, 0.99)])
    sites = ["site 1"] * 20 + ["site 2"] * 20 + ["site 3"] * 5
    bound = fit_sets(_two(own, labels), labels, _names(45), sites).bounds["0.95"][0]
    assert bound.from_p == pytest.approx(0.3)
    assert (bound.sites, bound.unpromised) == (("site 1", "site 2"), ("site 3",))


@pytest.mark.parametrize("level", ["0.9", "0.95"])
def test_new_slides_are_covered_as_promised_and_not_by_holding_everything(level):
    rng = np.random.default_rng(5)
    held, sizes = [], []
    for _ in range(200):
        labels = np.repeat([0, 1], 60)
        score = rng.normal(labels * 2.0 - 1.0)
        p = 1 / (1 + np.exp(-2 * score))
        probabilities = np.stack([1 - p, p], axis=1)
        known = np.arange(120) % 2 == 0
        sets = fit_sets(probabilities[known], labels[known], _names(60))
        found = [sets.sets_of(row)[level] for row in probabilities[~known]]
        held.append([label in one for label, one in zip(labels[~known], found, strict=True)])
        sizes += [len(one) for one in found]
    by_class = np.array(held).mean(axis=0).reshape(2, 30).mean(axis=1)
    assert (by_class >= float(level) - 0.01).all() and (by_class <= float(level) + 0.045).all()
    assert 0.9 < np.mean(sizes) < 1.8


def test_sets_name_the_likeliest_first_and_outcomes_say_what_they_are():
    labels = np.repeat([0, 1, 2], 20)
    p = np.full((60, 3), 0.2)
    p[np.arange(60), labels] = 0.6
    sets = fit_sets(p, labels, _names(60))
    assert sets.sets_of((0.61, 0.1, 0.7))["0.95"] == (2, 0)
    assert [outcome_of(one, refused=False) for one in ((), (1,), (2, 0))] == ["none", "single", "several"]
    assert outcome_of((1,), refused=True) == "refused"


def test_json_and_back_and_nothing_else():
    labels = np.zeros(20, np.int64)
    sets = fit_sets(_two(np.full(20, 0.8), labels), labels, _names(20), ["site 1"] * 20)
    told = sets.to_dict()
    assert PredictionSets.from_dict(told, 2) == sets
    for broken in (
        {**told, "0.95": told["0.95"][:1]},
        {**told, "2": told["0.95"]},
        {"0.95": [{"from_p": 7.0, "patients": 1, "sites": [], "unpromised": []}] * 2},
        {"0.95": [{"from_p": 0.5}] * 2},
        {"0.95": 5},
    ):
        with pytest.raises(ModelError):
            PredictionSets.from_dict(broken, 2)
