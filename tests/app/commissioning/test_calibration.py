"""Calibration and sets on slides whose true probabilities are known: drawn, then told too surely."""

import numpy as np
import pytest

from app.commissioning.calibration import study_meaning

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")


def drawn(slides, sharper, seed=0):
    """True probabilities (n, 3) raised to the power `sharper`, labels drawn from the true ones, and patients."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet([0.7, 0.7, 0.7], slides)
    labels = np.array([rng.choice(3, p=row) for row in true])
    told = np.maximum(true, 1e-6) ** sharper
    return told / told.sum(axis=1, keepdims=True), labels, np.arange(slides).astype(str)


def test_what_was_told_too_surely_is_told_better_after():
    calibration, _ = study_meaning(*drawn(400, 3.0), CLASSES, (0.9,))
    assert calibration.ece.value > 0.1 and calibration.ece_after.value < 0.6 * calibration.ece.value
    assert calibration.brier_after.value < calibration.brier.value and "(method: " in calibration.told
    assert calibration.ece_after.low < calibration.ece_after.value < calibration.ece_after.high


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_sets_hold_the_truth_as_often_as_they_say(level):
    [found] = [one for one in study_meaning(*drawn(500, 1.0), CLASSES, (level,))[1] if one.level == level]
    assert level - 0.03 <= found.coverage.value and 1 < found.mean_size < 3 and found.told == ""


def test_too_few_of_a_class_is_told_and_it_is_in_every_set():
    probabilities, labels, patients = drawn(60, 1.0)
    few = (labels != 2) | (np.cumsum(labels == 2) <= 5)
    [found] = study_meaning(probabilities[few], labels[few], patients[few], CLASSES, (0.95,))[1]
    assert "squamous_cell_carcinoma" in found.told and found.mean_size >= 1


@pytest.mark.parametrize("slides", [0, 8])
def test_from_a_handful_nothing_is_fitted(slides):
    calibration, coverage = study_meaning(*drawn(slides, 1.0), CLASSES, (0.9,))
    assert np.isnan(calibration.ece_after.value) and coverage == ()
    assert calibration.told.startswith(
        "No slide" if not slides else "Not calibrated on these slides: under 10 patients"
    )


def test_where_nothing_helps_that_is_told():
    calibration, _ = study_meaning(*drawn(120, 1.0), CLASSES, (0.9,))
    assert "no calibration was better than none" in calibration.told
    assert calibration.ece_after.value == pytest.approx(calibration.ece.value)
