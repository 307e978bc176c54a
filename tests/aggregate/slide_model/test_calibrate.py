"""Calibration: the method that held-out patients choose, and probabilities that mean what they say."""

import json

import numpy as np
import pytest

from aggregate.slide_model.calibrate import BIASED, ISOTONIC, NONE, TEMPERATURE, Calibration, fit_calibration
from classifier.calibrate import softmax
from classifier.evaluation.metrics import expected_calibration_error
from wsi.errors import ModelError


def _drawn(count, sharpness, bias=0.0, seed=0, spread=1.5):
    """Logits (n, 2), `sharpness` times too sure and off by `bias`, labels as the true ones say, a patient a slide. The
    wider the `spread` of the true ones, the better slides are told apart."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=count) * spread
    labels = (rng.random(count) < 1 / (1 + np.exp(-true))).astype(np.int64)
    logits = np.stack([np.zeros(count), sharpness * true + bias], axis=1)
    return logits, labels, [f"p{i}" for i in range(count)]


def test_logits_that_are_right_are_left_alone():
    calibration, losses = fit_calibration(*_drawn(300, 1.0))
    assert calibration == Calibration() and set(losses) == {NONE, TEMPERATURE, BIASED, ISOTONIC}


def test_sure_logits_get_a_temperature():
    calibration, _ = fit_calibration(*_drawn(300, 4.0))
    assert calibration.method == TEMPERATURE and 3.0 < calibration.temperature < 5.5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sharpness", [0.3, 3.0])
def test_sixty_slides_that_are_well_told_apart_get_their_temperature(sharpness, seed):
    calibration, _ = fit_calibration(*_drawn(60, sharpness, seed=seed, spread=6.0), methods=(TEMPERATURE,))
    assert calibration.temperature == pytest.approx(sharpness, rel=0.35)
    fresh, truth, _ = _drawn(4000, sharpness, seed=99, spread=6.0)
    assert expected_calibration_error(calibration.apply(fresh), truth) < 0.035


def test_a_bias_is_taken_out():
    logits, labels, patients = _drawn(400, 3.0, bias=4.0)
    calibration, losses = fit_calibration(logits, labels, patients)
    assert calibration.method in (BIASED, ISOTONIC) and losses[TEMPERATURE] > losses[BIASED] + 0.05
    biased, _ = fit_calibration(logits, labels, patients, methods=(BIASED,))
    assert biased.temperature == pytest.approx(3.0, rel=0.25)
    assert biased.bias[0] - biased.bias[1] == pytest.approx(4 / 3, rel=0.25)
    fresh, truth, _ = _drawn(2000, 3.0, bias=4.0, seed=8)
    before = expected_calibration_error(softmax(fresh), truth)
    assert expected_calibration_error(calibration.apply(fresh), truth) < 0.05 < before


@pytest.mark.parametrize("bias", [-15.0, 0.0, 15.0])
def test_logits_that_all_lie_to_one_side_are_calibrated_on_sixty_slides(bias):
    """As those of a second laboratory may. The bias was held to 5, and drawn to 0."""
    errors = []
    for seed in range(10):
        calibration, _ = fit_calibration(*_drawn(60, 1.0, bias=bias, seed=seed, spread=8.0), methods=(BIASED,))
        fresh, truth, _ = _drawn(4000, 1.0, bias=bias, seed=99, spread=8.0)
        errors.append(expected_calibration_error(calibration.apply(fresh), truth))
    assert np.mean(errors) < 0.035


def test_a_bent_scale_is_straightened_by_isotonic_regression():
    logits, labels, patients = _drawn(1500, 1.0)
    bent = np.stack([logits[:, 0], np.sign(logits[:, 1]) * np.minimum(abs(logits[:, 1]), 0.3) * 20], axis=1)
    calibration, _ = fit_calibration(bent, labels, patients, methods=(NONE, ISOTONIC))
    assert calibration.method == ISOTONIC
    p = calibration.apply(bent)
    assert np.allclose(p.sum(axis=1), 1.0) and p.min() > 0
    assert expected_calibration_error(p, labels) < expected_calibration_error(softmax(bent), labels)


def test_few_slides_of_a_class_rule_out_what_needs_many():
    logits, labels, patients = _drawn(30, 1.0)
    labels[:] = 0
    labels[:3] = 1
    _, losses = fit_calibration(logits, labels, patients)
    assert set(losses) == {NONE, TEMPERATURE}


def test_separable_logits_of_few_slides_do_not_become_certain():
    logits = np.repeat([[2.0, 0.0], [0.0, 2.0]], 10, axis=0)
    labels = np.repeat([0, 1], 10)
    calibration, _ = fit_calibration(logits, labels, [f"p{i}" for i in range(20)])
    assert calibration.apply(logits).max() < 0.999


@pytest.mark.parametrize("method", [NONE, TEMPERATURE, BIASED, ISOTONIC])
def test_json_and_back(method):
    logits, labels, patients = _drawn(200, 2.0)
    calibration, _ = fit_calibration(logits, labels, patients, methods=(method,))
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())), 2)
    assert again == calibration and np.array_equal(again.apply(logits), calibration.apply(logits))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "magic"},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"bias": [1.0]},
        {"bias": [1.0, float("inf")]},
        {"method": ISOTONIC},
        {"method": ISOTONIC, "knots": [[[0.5, 0.2], [0.0, 1.0]], [[0.1], [0.2]]]},
        {"knots": None},
    ],
)
def test_what_is_no_calibration_is_refused(change):
    with pytest.raises(ModelError):
        Calibration.from_dict({**Calibration().to_dict(), **change}, 2)
