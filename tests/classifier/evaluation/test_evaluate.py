"""Evaluation: the files that it writes, and that what they say is so."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from classifier.dataset.predict import forward_tiles
from classifier.dataset.tile_list import read_tile_set
from classifier.evaluation.baseline import colour_histogram
from classifier.evaluation.evaluate import EvaluationPlan, evaluate, evaluate_predictions
from classifier.evaluation.shifts import SHIFTS, worst_shift
from classifier.evaluation.unfamiliar import UNFAMILIAR
from classifier.model import load_model
from tests.classifier.tiles import CLASSES, tiny_model, tiny_tiles, write_csv
from wsi.errors import DatasetError, OutputUnwritableError

NO_SHIFTS = EvaluationPlan(shifts=False)


def evaluate_everything(folder):
    """With everything: shifts, three readers of the six groups, foreign noise. Written to `folder` / out."""
    groups = [(f"{label}{i}", label) for label in CLASSES for i in (6, 7)]
    calls = [(group, reader, label) for group, label in groups for reader in ("R1", "R2", "R3")]
    calls[0] = (*calls[0][:2], "dots")
    readers = write_csv(folder / "readers.csv", ("case", "reader", "call"), calls)
    (folder / "foreign" / "noise").mkdir(parents=True)
    for i in range(2):
        noise = np.random.default_rng(i).integers(0, 256, (64, 128, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "foreign" / "noise" / f"{i}.png")
    plan = EvaluationPlan(readers=readers, foreign=folder / "foreign")
    return evaluate(tiny_tiles(), load_model(tiny_model()), folder / "out", plan)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    return evaluate_everything(folder), folder / "out"


def test_the_validation_split_is_judged_beside_the_baseline(evaluated):
    evaluation, _ = evaluated
    assert (evaluation.split, evaluation.tiles, evaluation.groups) == ("val", 30, 6)
    assert evaluation.figures["accuracy"].value > 0.9
    assert evaluation.baseline is not None and set(evaluation.baseline) == set(evaluation.figures)
    assert np.array(evaluation.confusion).sum() == 30


def test_predictions_csv_repeats_the_figures(evaluated):
    evaluation, out = evaluated
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "class", "source_group", *(f"p_{name}" for name in CLASSES), "familiarity"]
    assert len(rows) == 30
    probabilities = np.array([[float(row[f"p_{name}"]) for name in CLASSES] for row in rows])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    labels = [CLASSES.index(row["class"]) for row in rows]
    assert (probabilities.argmax(axis=1) == labels).mean() == pytest.approx(evaluation.figures["accuracy"].value)


def test_metrics_json_is_strict_json(evaluated):
    evaluation, out = evaluated
    told = json.loads((out / "metrics.json").read_text(), parse_constant=lambda text: pytest.fail(text))
    assert told["figures"]["accuracy"]["value"] == pytest.approx(evaluation.figures["accuracy"].value, abs=1e-6)
    assert told["model_digest"] == evaluation.card.digest and len(told["reliability"]) == len(evaluation.reliability)
    assert [shift["name"] for shift in told["shifts"]] == [shift.name for shift in SHIFTS]
    assert told["worst_shift"] == worst_shift(evaluation.shifts).name
    assert told["readers"]["fleiss_kappa"]["value"] == pytest.approx(evaluation.readers.fleiss.value, abs=1e-6)
    assert [one["name"] for one in told["foreign"]] == [*(name for name, _ in UNFAMILIAR), "noise"]
    assert len(told["reporting_items"]) == 44 + 52 and len(told["coverage"]["rows"]) == 5 and len(told["roc"]) == 3


def test_readers_are_judged_on_the_groups(evaluated):
    study = evaluated[0].readers
    assert (study.kind, study.cases, study.complete_cases) == ("source groups", 6, 6)
    assert [reader.accuracy.value for reader in study.readers] == pytest.approx([5 / 6, 1, 1])


def test_what_was_not_asked_for_is_not_judged(tmp_path):
    evaluation = evaluate(tiny_tiles(), load_model(tiny_model()), tmp_path, NO_SHIFTS)
    assert (evaluation.shifts, evaluation.foreign, evaluation.readers) == ((), (), None)
    assert json.loads((tmp_path / "metrics.json").read_text())["worst_shift"] is None


def test_training_may_judge_by_itself():
    model, listed = load_model(tiny_model()), read_tile_set(tiny_tiles())
    chosen = listed.of_split("val")
    evaluation = evaluate_predictions(model, listed, chosen, "val", model.predictions_of(*forward_tiles(model, chosen)))
    assert evaluation.figures["accuracy"].value > 0.9 and evaluation.interval_over == "source_group"


def with_columns(tmp_path, **columns):
    """The tiny tiles, each with further columns that a function makes of its source group and split."""
    with tiny_tiles().open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update({name: made(row["source_group"], row["split"]) for name, made in columns.items()})
    (tmp_path / "tiles").mkdir()
    for row in rows:
        (tmp_path / "tiles" / row["file"]).hardlink_to(tiny_tiles().parent / row["file"])
    return write_csv(tmp_path / "tiles" / "tiles.csv", list(rows[0]), [list(row.values()) for row in rows])


def test_intervals_over_patients_or_sites(tmp_path):
    tiles = with_columns(
        tmp_path,
        patient=lambda group, split: f"Jane Doe {split} {group[-1]}",
        site=lambda group, split: "A" if group[-1] in "0246" else "B",
    )
    model = load_model(tiny_model())
    by_group = evaluate(tiles, model, tmp_path / "g", NO_SHIFTS)
    by_patient = evaluate(tiles, model, tmp_path / "p", EvaluationPlan(interval_over="patient", shifts=False))
    by_site = evaluate(tiles, model, tmp_path / "s", EvaluationPlan(interval_over="site", shifts=False))
    assert (by_group.units, by_patient.units, by_site.units) == (6, 2, 2)
    assert by_patient.figures["accuracy"].value == by_group.figures["accuracy"].value
    assert any(warning.startswith("Only 2 groups were judged") for warning in by_site.warnings)
    assert not any("patients judged" in warning for warning in by_patient.warnings)
    for path in (tmp_path / "p").iterdir():
        assert "Doe" not in path.read_text()


def test_a_patient_in_both_splits_is_a_warning_without_a_name(tmp_path):
    tiles = with_columns(tmp_path, patient=lambda group, split: f"Doe {group[:-1]}")
    evaluation = evaluate(tiles, load_model(tiny_model()), tmp_path / "out", NO_SHIFTS)
    [warning] = [warning for warning in evaluation.warnings if "patients judged" in warning]
    assert warning.startswith("3 of 3 patients") and "Doe" not in warning


def test_units_that_the_list_does_not_have(tmp_path):
    model = load_model(tiny_model())
    with pytest.raises(DatasetError, match="has no patient; add a column patient"):
        evaluate(tiny_tiles(), model, tmp_path, EvaluationPlan(interval_over="patient"))
    with pytest.raises(DatasetError, match="use one of source_group, patient, site"):
        EvaluationPlan(interval_over="colour")


def test_a_wrong_readers_csv_is_told_before_any_work(tmp_path):
    plan = EvaluationPlan(readers=tmp_path / "none.csv", foreign=tmp_path)
    told = []
    with pytest.raises(DatasetError, match=r"none.csv cannot be read"):
        evaluate(tiny_tiles(), load_model(tiny_model()), tmp_path / "out", plan, told.append)
    assert told == [] and not (tmp_path / "out").exists()


def test_without_splits_every_tile_is_judged_and_hostile_names_stay_inert(tmp_path):
    for i, name in enumerate(("=cmd.png", "b.png")):
        Image.fromarray(np.full((64, 64, 3), 100 * i, np.uint8)).save(tmp_path / name)
    rows = [("=cmd.png", "checks", "<script>alert(1)</script>"), ("b.png", "dots", "g")]
    tiles = write_csv(tmp_path / "t.csv", ("file", "class", "source_group"), rows)
    evaluation = evaluate(tiles, load_model(tiny_model()), tmp_path / "out", NO_SHIFTS)
    assert (evaluation.split, evaluation.tiles, evaluation.baseline) == ("", 2, None)
    assert "'=cmd.png" in (tmp_path / "out" / "predictions.csv").read_text()


def test_a_class_that_the_model_does_not_know(tmp_path):
    tiles = write_csv(
        tiny_tiles().parent / "foreign.csv", ("file", "class"), [("dots-0-0.png", "dots"), ("dots-0-1.png", "moss")]
    )
    with pytest.raises(DatasetError, match="class moss, the model knows"):
        evaluate(tiles, load_model(tiny_model()), tmp_path)


def test_a_split_that_is_empty_and_an_output_that_cannot_be_written(tmp_path):
    model = load_model(tiny_model())
    with pytest.raises(DatasetError, match="no tiles of split test"):
        evaluate(tiny_tiles(), model, tmp_path, EvaluationPlan(split="test"))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputUnwritableError):
        evaluate(tiny_tiles(), model, tmp_path / "file" / "out", NO_SHIFTS)


def test_a_colour_histogram_holds_all_pixels_and_no_place():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    histogram = colour_histogram(pixels)
    assert (histogram**2).sum() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(histogram, colour_histogram(pixels[::-1, ::-1]))
    one_colour = colour_histogram(np.full((4, 4, 3), (255, 0, 32), np.uint8))
    assert one_colour[7 * 64 + 0 * 8 + 1] == pytest.approx(1.0)
