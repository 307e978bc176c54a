"""A head trained on an imported encoder is a model like any other: it learns, repeats itself, knows what it knows."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from aggregate import store
from classifier.evaluation.evaluate import EvaluationPlan, evaluate
from classifier.model import load_model
from classifier.model_folder.card import NETWORK_FILE
from classifier.model_folder.encoder import read_encoder
from classifier.model_folder.files import read_card, read_folder
from classifier.runtimes import onnx as runtime
from classifier.training.base import read_base
from classifier.training.encoder.head import PENALTIES, fit_head
from classifier.training.request import TrainRequest
from classifier.training.train import train
from tests.classifier.onnx_files import FEATURES, encoder, import_folder
from tests.classifier.tiles import CLASSES, SIZE_PX, pattern, tiny_tiles, write_tiles
from tests.conftest import REPOSITORY
from wsi.errors import ModelDigestError, ModelError, ModelNotFoundError, UsageError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """An encoder, and a model trained on it by the command line."""
    folder = tmp_path_factory.mktemp("head")
    import_folder(encoder(), folder / "enc", name="tiny-encoder", licence="CC BY-NC 4.0")
    words = ["train", str(tiny_tiles()), "--encoder", str(folder / "enc"), "--out", str(folder / "m")]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *words, "--background", "checks", "--seed", "3"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(autouse=True)
def no_trial(monkeypatch):
    monkeypatch.setattr(runtime, "memory_is_limited", lambda: True)


@pytest.fixture(scope="module")
def tiles():
    rng = np.random.default_rng(99)
    return np.stack([pattern(label, rng) for label in CLASSES for _ in range(15)])


def test_it_has_learned_the_patterns_and_knows_what_is_none(folders, tiles):
    model = load_model(folders / "m")
    found = model.predict(tiles)
    assert model.runtime == "onnx" and found.features.shape == (45, FEATURES)
    assert (found.probabilities.argmax(axis=1) == np.repeat(np.arange(3), 15)).mean() > 0.9
    noise = np.random.default_rng(0).integers(0, 256, (10, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    assert (model.predict(noise).familiarity < model.card.familiarity_threshold).all()
    assert np.median(found.familiarity) > model.card.familiarity_threshold


def test_the_card_tells_of_encoder_recipe_and_figures(folders):
    card, made = read_card(folders / "m"), read_encoder(folders / "enc")[0]
    told = card.training["encoder"]
    assert (told["name"], told["licence"], told["sha256"]) == ("tiny-encoder", "CC BY-NC 4.0", made.files[NETWORK_FILE])
    assert told["card_sha256"] == made.digest and card.files[NETWORK_FILE] == told["sha256"]
    assert any("tiny-encoder" in line and "CC BY-NC 4.0" in line for line in card.limits)
    assert card.training["recipe"]["penalty_c"] in PENALTIES and "epochs" not in card.training["recipe"]
    assert card.metrics["val"]["figures"]["accuracy"]["value"] > 0.9 and card.metrics["val"]["foreign"]
    assert card.knows_familiarity and card.training["seed"] == 3
    assert set(read_folder(folders / "m").contents) == {"network.onnx", "weights.npz", "familiarity.npz"}


def test_the_same_tiles_and_seed_give_the_same_model(folders, tmp_path):
    options = {"encoder": folders / "enc", "name": "m", "background": "checks", "seed": 3}
    card = train(TrainRequest.from_options(tiny_tiles(), tmp_path / "m", **options))
    assert dict(card.files) == dict(read_card(folders / "m").files)


def test_a_model_of_two_classes(folders, tmp_path, tiles):
    path = write_tiles(tmp_path)
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row[1] != "dots"]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    train(TrainRequest.from_options(path, tmp_path / "m", encoder=folders / "enc", background="checks"))
    found = load_model(tmp_path / "m").predict(tiles[np.r_[0:15, 30:45]])
    assert (found.probabilities.argmax(axis=1) == np.repeat([0, 1], 15)).mean() > 0.9


def test_what_makes_variance_one_is_folded_in():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    features = rng.normal(0, 1, (300, 5)) * [1e-3, 1, 1e3, 1, 0] + np.eye(3, 5)[labels] * [4e-3, 4, 4e3, 0, 0] + 7
    for classes, chosen in ((3, labels >= 0), (2, labels < 2)):
        head = fit_head(features[chosen], labels[chosen], classes, 1.0)
        scores = features[chosen] @ head["logits/kernel"] + head["logits/bias"]
        assert scores.shape[1] == classes and (scores.argmax(axis=1) == labels[chosen]).mean() > 0.95


def test_it_is_evaluated_like_any_other(folders, tmp_path):
    found = evaluate(tiny_tiles(), load_model(folders / "m"), tmp_path, EvaluationPlan())
    assert found.figures["accuracy"].value > 0.9 and found.runtime == "onnx" and len(found.shifts) == 12
    assert json.loads((tmp_path / "metrics.json").read_text())["not_recognised"] is not None


def test_a_run_with_it_knows_how_familiar_each_tile_is(folders, ready_slide, tmp_path):
    words = ["run", str(ready_slide.path), "--model", str(folders / "m"), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "slides.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["call"] in (*CLASSES, "undetermined") and "familiarity-unknown" not in row["review_reasons"]
    result = store.load(store.result_path(tmp_path / "out", row["slide_id"]))
    assert np.isfinite(result.tiles.familiarity).all() and np.isfinite(result.qc["share_unfamiliar"])


def test_training_a_head_needs_no_tensorflow(folders, tmp_path):
    script = (
        "import sys; from pathlib import Path; from classifier.training.request import TrainRequest;"
        "from classifier.training.train import train;"
        "tiles, out, encoder = map(Path, sys.argv[1:]);"
        "train(TrainRequest.from_options(tiles, out, encoder=encoder, background='checks'));"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    arguments = [str(tiny_tiles()), str(tmp_path / "m"), str(folders / "enc")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=600
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_options_that_do_not_go_together(folders, tmp_path):
    for options, why in (({"base": "lung-v1"}, "give one"), ({"epochs": 3}, "--epochs")):
        with pytest.raises(UsageError, match=why):
            TrainRequest.from_options(tiny_tiles(), tmp_path / "m", encoder=folders / "enc", **options)


def test_what_is_no_encoder_is_refused(folders, tmp_path):
    with pytest.raises(ModelNotFoundError, match="is no encoder"):
        TrainRequest.from_options(tiny_tiles(), tmp_path / "m", encoder=folders / "m")
    with pytest.raises(ModelNotFoundError, match="is no encoder"):
        TrainRequest.from_options(tiny_tiles(), tmp_path / "m", encoder=tmp_path / "nowhere")
    shutil.copytree(folders / "enc", tmp_path / "enc")
    (tmp_path / "enc" / NETWORK_FILE).write_bytes(encoder()[:-1])
    with pytest.raises(ModelDigestError):
        TrainRequest.from_options(tiny_tiles(), tmp_path / "m", encoder=tmp_path / "enc")


def test_its_network_is_not_trained_further(folders):
    with pytest.raises(ModelError, match="cannot be trained further"):
        read_base(folders / "m")


def test_without_onnx_runtime_the_line_says_how_to_install_it(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install -e '\.\[onnx\]'"):
        TrainRequest.from_options(tiny_tiles(), tmp_path / "m", encoder=folders / "enc")
