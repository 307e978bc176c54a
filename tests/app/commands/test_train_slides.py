"""`train-slides`, `run --slide-model` and `predict-slides` by their words, on drawn slides and made features."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from aggregate import store
from aggregate.result_folder import load_summary, stored_results
from aggregate.slide_model.model import SlideModel, load_slide_model, write_slide_model
from app.cli import cli
from tests.aggregate.slide_model.features import instances, write_clam
from tests.aggregate.slide_model.test_opinion import made_model
from wsi.errors import ModelDigestError, ModelError, PulmoscopeError, UsageError

DEMO = ["--model", "demo-synthetic"]


def call(*arguments):
    """The exit code, output and errors of a command; what it raises for a bad input comes through."""
    done = CliRunner().invoke(cli, [str(one) for one in arguments], standalone_mode=False)
    if isinstance(done.exception, PulmoscopeError):
        raise done.exception
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


@pytest.fixture(scope="module")
def ran(ready_slide, tmp_path_factory):
    """The output of a run without a slide model, and a slide model that fits it."""
    folder = tmp_path_factory.mktemp("ran")
    call("run", ready_slide.path, "--out", folder / "plain", *DEMO)
    [path] = stored_results(folder / "plain")
    result = store.load(path)
    model = made_model(result, result.background, classes=result.classes, from_p=(0.5,) * len(result.classes))
    write_slide_model(folder / "model", model.card, model.arrays)
    return folder, ready_slide.path


def test_a_run_stores_what_the_slide_model_says_beside_the_rule(ran, tmp_path):
    folder, slide = ran
    call("run", slide, "--out", tmp_path, *DEMO, "--slide-model", folder / "model")
    [path] = stored_results(tmp_path)
    told, plain = load_summary(path), load_summary(stored_results(folder / "plain")[0])
    opinion = told["slide_model"]
    assert opinion["sha256"] == load_slide_model(folder / "model").card.digest
    assert opinion["call"] == told["background"] != told["call"]
    assert told["probabilities"] == plain["probabilities"] and told["call"] == plain["call"]
    assert told["review_reasons"] == [*plain["review_reasons"], "slide-model-disagrees"] and told["status"] == "review"
    assert told["provenance"]["config"]["slide_model"] == opinion["sha256"]
    assert "slide_model" not in plain["provenance"]["config"]
    [row] = csv.DictReader((tmp_path / "slides.csv").open())
    assert (row["slide_model_call"], row["slide_model_set"]) == (opinion["call"], opinion["call"])
    assert np.nansum(store.load(path).tiles.attention) == pytest.approx(1.0, abs=1e-4)
    assert call("verify", tmp_path).exit_code == 0


def test_a_result_is_kept_under_the_same_slide_model_and_done_anew_under_another(ran, tmp_path):
    folder, slide = ran
    command = ("run", slide, "--out", tmp_path, *DEMO, "--slide-model", folder / "model")
    call(*command)
    before = load_summary(stored_results(tmp_path)[0])["provenance"]["started"]
    call(*command)
    assert load_summary(stored_results(tmp_path)[0])["provenance"]["started"] == before
    call("run", slide, "--out", tmp_path, *DEMO)
    assert "slide_model" not in load_summary(stored_results(tmp_path)[0])


def test_a_slide_model_of_another_tile_model_or_altered_is_refused_before_any_slide(ran, tmp_path):
    folder, slide = ran
    with pytest.raises(ModelError, match="features of another model"):
        call("run", slide, "--out", tmp_path / "out", "--model", "lung-v1", "--slide-model", folder / "model")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in (folder / "model").iterdir():
        (copy / path.name).write_bytes(path.read_bytes() + (b" " if path.suffix == ".npz" else b""))
    with pytest.raises(ModelDigestError):
        call("run", slide, "--out", tmp_path / "out", *DEMO, "--slide-model", copy)
    assert not (tmp_path / "out" / "slides.csv").exists()


def test_the_command_trains_on_feature_files_and_predicts(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "features").mkdir()
    lines = ["slide,label"]
    for i in range(16):
        write_clam(tmp_path / "features" / f"s{i}.h5", instances(bool(i % 2), rng, shift=5.0))
        lines.append(f"s{i},{('normal', 'tumour')[i % 2]}")
    (tmp_path / "slides.csv").write_text("\n".join(lines))
    done = call(
        *("train-slides", tmp_path / "features", "--labels", tmp_path / "slides.csv", "--out", tmp_path / "model"),
        *("--folds", "2", "--epochs", "3", "--json"),
    )
    told = json.loads(done.stdout)
    assert told["metrics"]["slides"] == 16 and isinstance(load_slide_model(tmp_path / "model"), SlideModel)
    assert "95% cannot be promised for tumour" in done.stderr and "no patients" in done.stderr
    table = tmp_path / "told.csv"
    (tmp_path / "features" / "broken.h5").write_bytes(b"no features")
    done = CliRunner().invoke(
        cli,
        ["predict-slides", str(tmp_path / "features"), "--slide-model", str(tmp_path / "model"), "--out", str(table)],
        standalone_mode=False,
    )
    assert done.return_value == 1 and "broken.h5" in done.stderr
    rows = {row["slide"]: row for row in csv.DictReader(table.open())}
    assert len(rows) == 16 and rows["s1"]["outcome"] == "several" and rows["s1"]["set_0.95"].count(";") == 1
    assert float(rows["s1"]["p_normal"]) + float(rows["s1"]["p_tumour"]) == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(UsageError, match="already holds a model"):
        call("train-slides", tmp_path / "features", "--labels", tmp_path / "slides.csv", "--out", tmp_path / "model")
