"""Models whose network was imported as ONNX: they say what our own runtimes say, and claim nothing unknown."""

import csv
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from aggregate import store
from benchmarks.own_as_onnx import own_as_onnx
from classifier.dataset.tile_list import read_tile, read_tile_set
from classifier.evaluation.evaluate import EvaluationPlan, evaluate
from classifier.explain import explain
from classifier.familiarity import UnknownFamiliarity
from classifier.model import load_model
from classifier.model_folder.arrays import pack_arrays
from classifier.model_folder.card import NETWORK_FILE, WEIGHTS_FILE
from classifier.model_folder.files import read_card
from classifier.model_folder.find import DEMO_MODEL, FAST_MODEL, find_model
from classifier.runtimes import onnx as runtime
from classifier.runtimes.onnx import OnnxRuntime
from tests.classifier.onnx_files import classifier, encoder, helper, import_folder, model, node, onnx, with_nodes
from tests.classifier.tiles import CLASSES, SIZE_PX, pattern, tiny_tiles
from tests.conftest import REPOSITORY
from wsi.errors import DatasetError, ModelDigestError, ModelError, SiteError

LUNG = "adenocarcinoma,normal,squamous_cell_carcinoma"


@pytest.fixture
def no_trial(monkeypatch):
    """As in a worker process, whose memory is limited: the trial is left out."""
    monkeypatch.setattr(runtime, "memory_is_limited", lambda: True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A classifier that gives logits, one that gives probabilities, and the demonstration model's own network."""
    folder = tmp_path_factory.mktemp("imported")
    for gives in ("logits", "probabilities"):
        import_folder(classifier(gives), folder / gives, classes=",".join(CLASSES), background="checks")
    import_folder(own_as_onnx(DEMO_MODEL), folder / "own", classes=LUNG, output="logits")
    return folder


@pytest.fixture(scope="module")
def tiles():
    rng = np.random.default_rng(5)
    return np.stack([pattern(label, rng) for label in CLASSES for _ in range(15)])


def card_with(folder, **changes):
    """The card rewritten, with the SHA-256 that the files have now."""
    path = folder / "card.json"
    values = {**json.loads(path.read_text()), **changes}
    values["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in values["files"]}
    path.write_text(json.dumps(values))


def test_our_own_network_says_what_it_says_under_tensorflow(folders, no_trial):
    rng = np.random.default_rng(1)
    size_px = load_model(DEMO_MODEL).card.tile.size_px
    shown = np.concatenate(
        [rng.integers(0, 256, (8, size_px, size_px, 3)), rng.integers(150, 256, (8, size_px, size_px, 3))]
    )
    shown = shown.astype(np.uint8)
    imported, reference = load_model(folders / "own"), load_model(DEMO_MODEL, runtime="tensorflow")
    assert imported.runtime == "onnx"
    np.testing.assert_allclose(imported.forward(shown)[0], reference.forward(shown)[0], atol=1e-3)


def test_the_lung_model_gives_every_tile_the_same_label(data_dir, tmp_path, no_trial):
    import_folder(own_as_onnx(FAST_MODEL), tmp_path / "lung", classes=LUNG, output="logits")
    imported, reference, fast = (
        load_model(tmp_path / "lung"),
        load_model(runtime="tensorflow"),
        load_model(runtime="litert-int8"),
    )
    records = read_tile_set(data_dir / "lc25000" / "tiles.csv").of_split("val").records[::8]
    shown = np.stack([read_tile(record, imported.card.tile) for record in records])
    labels = [one.predict(shown).probabilities.argmax(axis=1) for one in (imported, reference, fast)]
    assert (labels[0] == labels[1]).all() and (labels[0] == labels[2]).mean() > 0.98


def test_logits_and_probabilities_of_one_network_are_one_answer(folders, tiles, no_trial):
    first, second = (load_model(folders / gives).predict(tiles) for gives in ("logits", "probabilities"))
    np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-4)
    np.testing.assert_allclose(first.probabilities.sum(axis=1), 1.0, atol=1e-5)


def test_what_cannot_be_known_is_not_said(folders, tiles, no_trial):
    found = load_model(folders / "logits").predict(tiles)
    assert np.isnan(found.familiarity).all() and len(found) == 45
    assert np.isnan(UnknownFamiliarity().of(np.zeros((3, 5)))).all()


def test_how_tiles_are_batched_does_not_matter(folders, tiles, no_trial):
    imported = load_model(folders / "logits")
    together = imported.predict(tiles)
    np.testing.assert_allclose(imported.predict(tiles[7:8]).probabilities[0], together.probabilities[7], atol=1e-5)
    assert len(imported.predict(tiles[:0])) == 0


def test_no_site_is_fitted_to_what_nobody_knows(folders, tmp_path, no_trial):
    from app.commands.adapt import adapt_site

    with pytest.raises(SiteError, match="knows no familiarity"):
        adapt_site([], tmp_path / "site", str(folders / "logits"), known_share=1.0, mpp=None, say=print)
    unknown = load_model(folders / "logits").of_site(None, None, "")
    assert np.isnan(unknown.unlike_slide(np.zeros((50, 3))))


def test_it_has_no_map_of_evidence_and_says_so(folders, tiles, no_trial):
    with pytest.raises(ModelError, match="no map of its evidence"):
        explain(load_model(folders / "logits"), tiles[0])


@pytest.mark.parametrize(("name", "asked"), [("logits", "tensorflow"), ("logits", "litert-int8"), (DEMO_MODEL, "onnx")])
def test_a_runtime_that_a_model_does_not_have(folders, name, asked):
    with pytest.raises(ModelError, match=r"use the runtime onnx|has no network\.onnx"):
        load_model(folders / name if name != DEMO_MODEL else name, runtime=asked)


def test_another_network_under_the_same_card_is_refused(tmp_path, no_trial):
    import_folder(classifier(), tmp_path / "m", classes=",".join(CLASSES), background="checks")
    hostile = with_nodes(node("NonZero", ["core"], ["features"]))
    (tmp_path / "m" / NETWORK_FILE).write_bytes(hostile)
    with pytest.raises(ModelDigestError):
        load_model(tmp_path / "m")
    card_with(tmp_path / "m")
    with pytest.raises(ModelError, match="NonZero"):
        load_model(tmp_path / "m")
    (tmp_path / "m" / NETWORK_FILE).write_bytes(encoder())
    card_with(tmp_path / "m")
    with pytest.raises(ModelError, match="another shape than its card"):
        load_model(tmp_path / "m")


def test_a_folder_from_a_stranger_is_tried_elsewhere_first(folders, monkeypatch):
    asked = []
    monkeypatch.setattr(runtime, "try_network", lambda *arguments: asked.append(arguments[2]))
    load_model(folders / "logits")
    assert asked == [SIZE_PX]


def test_a_card_that_says_another_number_of_values_is_refused(tmp_path, tiles, no_trial):
    import_folder(classifier(), tmp_path / "m", classes=",".join(CLASSES), background="checks")
    card_with(tmp_path / "m", classes=["checks", "dots"])
    with pytest.raises(ModelError, match="as many values as its card names classes"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("gives", ["probabilities", "logits"])
def test_values_that_are_not_what_the_card_says_end_in_a_line(tmp_path, tiles, no_trial, gives):
    card = import_folder(classifier(), tmp_path / "m", classes=",".join(CLASSES), background="checks")
    if gives == "probabilities":
        card_with(
            tmp_path / "m",
            architecture={"name": "onnx", "parameters": {**card.architecture["parameters"], "gives": "probabilities"}},
        )
        with pytest.raises(ModelError, match="no probabilities, as its card says"):
            load_model(tmp_path / "m").predict(tiles)
    else:
        endless = model(
            [node("ReduceMean", ["pixels"], ["m"], axes=[2, 3], keepdims=0), node("Log", ["m"], ["scores"])],
            outputs=("scores",),
        )
        (tmp_path / "m" / NETWORK_FILE).write_bytes(endless.SerializeToString())
        card_with(tmp_path / "m")
        with pytest.raises(ModelError, match="no finite numbers"):
            load_model(tmp_path / "m").predict(np.zeros_like(tiles))


@pytest.mark.parametrize("name", [WEIGHTS_FILE, "familiarity.npz", "litert-int8.tflite"])
def test_a_classifier_cannot_claim_files_that_it_has_not(tmp_path, name, no_trial):
    import_folder(classifier(), tmp_path / "m", classes=",".join(CLASSES), background="checks")
    (tmp_path / "m" / name).write_bytes(pack_arrays({"x": np.zeros(1, np.float32)}))
    with pytest.raises(ModelError, match=name):
        load_model(tmp_path / "m")
    files = dict(read_card(tmp_path / "m").files)
    card_with(tmp_path / "m", files={**files, name: "0" * 64})
    with pytest.raises(ModelError, match="a model of its kind has not"):
        load_model(tmp_path / "m")


def test_a_network_of_ours_cannot_name_an_onnx_file(tmp_path):
    import shutil

    folder = tmp_path / "m"
    shutil.copytree(find_model(DEMO_MODEL), folder)
    (folder / NETWORK_FILE).write_bytes(encoder())
    card_with(folder, files={**read_card(folder).files, NETWORK_FILE: ""})
    with pytest.raises(ModelError, match=r"network\.onnx, which a model of its kind has not"):
        load_model(folder)


@pytest.mark.parametrize(
    "head",
    [
        None,
        {},
        {"logits/kernel": np.zeros((24, 3), np.float32)},
        {"logits/kernel": np.zeros((24, 4), np.float32), "logits/bias": np.zeros(3, np.float32)},
        {"logits/kernel": np.zeros((24, 3), np.float64), "logits/bias": np.zeros(3, np.float32)},
        {"logits/kernel": np.full((24, 3), np.nan, np.float32), "logits/bias": np.zeros(3, np.float32)},
        {
            "logits/kernel": np.zeros((24, 3), np.float32),
            "logits/bias": np.zeros(3, np.float32),
            "more": np.zeros(3, np.float32),
        },
    ],
)
def test_a_head_that_does_not_fit_is_refused(folders, no_trial, head):
    card = read_card(folders / "logits")
    parameters = {**card.architecture["parameters"], "gives": "features", "output": "features", "features": 24}
    from dataclasses import replace

    fitted = replace(card, architecture={"name": "onnx", "parameters": parameters})
    with pytest.raises(ModelError, match="weights"):
        OnnxRuntime(fitted, encoder(), head)


def test_an_evaluation_says_that_recognition_cannot_be_known(folders, tmp_path, no_trial):
    imported = load_model(folders / "logits")
    found = evaluate(tiny_tiles(), imported, tmp_path, EvaluationPlan())
    told = json.loads((tmp_path / "metrics.json").read_text())
    assert told["not_recognised"] is None and told["recognised_accuracy"]["value"] is None
    assert told["foreign"] == [] and all(shift["not_recognised"] is None for shift in told["shifts"])
    assert any("whether it recognises a tile cannot be said" in warning for warning in found.warnings)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        assert {row["familiarity"] for row in csv.DictReader(file)} == {""}
    (tmp_path / "foreign").mkdir()
    onnx_free = tmp_path / "foreign" / "a.png"
    onnx_free.write_bytes(next(tiny_tiles().parent.glob("*.png")).read_bytes())
    with pytest.raises(DatasetError, match="leave --foreign out"):
        evaluate(tiny_tiles(), imported, tmp_path / "again", EvaluationPlan(foreign=tmp_path / "foreign"))


def test_the_report_of_such_an_evaluation_is_written(folders, tmp_path, no_trial):
    from app.commands.train import evaluation_lines
    from app.reports.evaluation import write_evaluation

    found = evaluate(tiny_tiles(), load_model(folders / "logits"), tmp_path, EvaluationPlan(shifts=False))
    page = write_evaluation(found, tmp_path).read_text()
    assert "nan" not in page.lower().replace("nanom", "") and "cannot be said" in page
    assert any("cannot be said of this model" in line for line in evaluation_lines(found))


@pytest.fixture(scope="module")
def run_with_it(folders, ready_slide, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    words = ["run", str(ready_slide.path), "--model", str(folders / "own"), "--out", str(out)]
    return out, subprocess.run(
        [sys.executable, "-m", "app.cli", *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=240
    )


def test_a_run_gives_a_call_with_the_reason_to_doubt_it(run_with_it):
    out, done = run_with_it
    assert done.returncode == 0, done.stderr
    with (out / "slides.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["status"] == "review" and "familiarity-unknown" in row["review_reasons"].split(";")
    assert row["call"] in LUNG.split(",")
    result = store.load(store.result_path(out, row["slide_id"]))
    assert np.isnan(result.tiles.familiarity).all() and np.isnan(result.qc["share_unfamiliar"])
    assert result.provenance.model.runtime == "onnx" and "onnxruntime" in result.provenance.libraries


@pytest.mark.parametrize("format_", ["html", "json", "csv", "pdf", "geojson"])
def test_every_report_of_such_a_result_is_written_and_claims_no_recognition(run_with_it, tmp_path, format_):
    from app.commands.report import write_reports

    written, problems = write_reports(run_with_it[0], tmp_path, [format_])
    assert written and problems == []
    if format_ == "html":
        page = written[0].read_text()
        assert "cannot tell what it does not know" in page and "Tissue not recognised" not in page
    if format_ == "json":
        json.loads(written[0].read_text(), parse_constant=lambda text: pytest.fail(text))


def test_predicting_with_it_imports_no_tensorflow(folders):
    script = (
        "import sys, numpy as np; from classifier.model import load_model; m = load_model(sys.argv[1]);"
        "s = m.card.tile.size_px; m.predict(np.zeros((1, s, s, 3), np.uint8));"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'pandas', 'streamlit', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folders / "logits")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_without_onnx_runtime_a_run_says_how_to_install_it(folders, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"not installed; pip install -e '\.\[onnx\]'"):
        load_model(folders / "logits")


def test_a_run_without_it_says_so_once_and_writes_nothing(folders, ready_slide, tmp_path, monkeypatch):
    from app.commands.run import RunRequest, run_slides

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    request = RunRequest.from_options((ready_slide.path,), model=str(folders / "own"), out=tmp_path / "out")
    with pytest.raises(ModelError, match=r"pip install -e '\.\[onnx\]'"):
        run_slides(request, [])
    assert not (tmp_path / "out").exists()


def test_the_viewer_says_that_the_model_cannot_tell():
    from app.viewer.pages.slide.page import _familiarity

    assert _familiarity(float("nan")) == "Familiarity: the model cannot tell." and "0.50" in _familiarity(0.5)


def test_the_exported_network_is_one_that_others_read():
    made = onnx.load_from_string(own_as_onnx(DEMO_MODEL))
    onnx.checker.check_model(made)
    assert [value.name for value in made.graph.output] == ["logits", "features"]
    assert helper.printable_graph(made.graph)
