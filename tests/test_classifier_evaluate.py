"""Evaluation: the files that it writes, and that what they say is so."""

import csv
import json
from html.parser import HTMLParser

import numpy as np
import pytest

from classifier.baseline import colour_histogram
from classifier.evaluate import evaluate
from classifier.model import load_model
from tests.classifier_tiles import CLASSES, tiny_model, tiny_tiles, write_csv
from wsi.errors import DatasetError, OutputUnwritableError


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    return evaluate(tiny_tiles(), load_model(tiny_model()), out), out


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
    assert told["model_digest"] == evaluation.model_digest and len(told["reliability"]) == len(evaluation.reliability)


def test_the_report_stands_alone(evaluated):
    _, out = evaluated
    tags = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attributes):
            tags.append((tag, dict(attributes)))

    page = (out / "report.html").read_text()
    Tags().feed(page)
    assert not any(tag in ("script", "link", "img", "iframe") for tag, _ in tags)
    assert not any("src" in attributes or "href" in attributes for _, attributes in tags)
    assert "Research use only" in page and sum(tag == "table" for tag, _ in tags) == 3


def test_without_splits_every_tile_is_judged_and_hostile_names_stay_inert(tmp_path):
    from PIL import Image

    for i, name in enumerate(("=cmd.png", "b.png")):
        Image.fromarray(np.full((64, 64, 3), 100 * i, np.uint8)).save(tmp_path / name)
    rows = [("=cmd.png", "checks", "<script>alert(1)</script>"), ("b.png", "dots", "g")]
    tiles = write_csv(tmp_path / "t.csv", ("file", "class", "source_group"), rows)
    evaluation = evaluate(tiles, load_model(tiny_model()), tmp_path / "out")
    assert (evaluation.split, evaluation.tiles, evaluation.baseline) == ("", 2, None)
    assert "'=cmd.png" in (tmp_path / "out" / "predictions.csv").read_text()
    assert "<script>" not in (tmp_path / "out" / "report.html").read_text()


def test_a_class_that_the_model_does_not_know(tmp_path):
    tiles = write_csv(
        tiny_tiles().parent / "foreign.csv", ("file", "class"), [("dots-0-0.png", "dots"), ("dots-0-1.png", "moss")]
    )
    with pytest.raises(DatasetError, match="class moss, the model knows"):
        evaluate(tiles, load_model(tiny_model()), tmp_path)


def test_a_split_that_is_empty_and_an_output_that_cannot_be_written(tmp_path):
    model = load_model(tiny_model())
    with pytest.raises(DatasetError, match="no tiles of split test"):
        evaluate(tiny_tiles(), model, tmp_path, split="test")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputUnwritableError):
        evaluate(tiny_tiles(), model, tmp_path / "file" / "out")


def test_a_colour_histogram_holds_all_pixels_and_no_place():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    histogram = colour_histogram(pixels)
    assert (histogram**2).sum() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(histogram, colour_histogram(pixels[::-1, ::-1]))
    one_colour = colour_histogram(np.full((4, 4, 3), (255, 0, 32), np.uint8))
    assert one_colour[7 * 64 + 0 * 8 + 1] == pytest.approx(1.0)
