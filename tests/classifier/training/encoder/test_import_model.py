"""A network from elsewhere becomes a folder of ours, or one line and nothing on disk."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from classifier.model_folder.card import ModelCard
from classifier.model_folder.encoder import EncoderCard, read_encoder
from classifier.model_folder.files import read_card, read_folder
from classifier.networks.imported import IMAGENET_MEAN
from classifier.runtimes import onnx_trial
from classifier.training.encoder import import_model as importing
from classifier.training.encoder import source
from classifier.training.encoder.import_model import import_model
from classifier.training.encoder.request import ImportRequest
from tests.classifier.onnx_files import FEATURES, SIZE_PX, classifier, encoder, model, node, onnx
from tests.classifier.tiles import CLASSES
from tests.conftest import REPOSITORY
from wsi.errors import ModelDigestError, ModelError, ModelNotFoundError, PulmoscopeError, UsageError

NAMES = ",".join(CLASSES)


@pytest.fixture
def tried_here(monkeypatch):
    """The trial in this process: faster, for networks that are known to be good."""

    def tried(content, shape, size_px, limits):
        return onnx_trial._try(content, shape, size_px)

    monkeypatch.setattr(importing, "try_network", tried)


@pytest.fixture
def file(tmp_path):
    def write(content=None, name="network.onnx"):
        (tmp_path / name).write_bytes(encoder() if content is None else content)
        return tmp_path / name

    return write


def brought(path, out, **options):
    told = []
    request = ImportRequest.from_options(str(path), out, **{"mpp": 0.5, **options})
    return import_model(request, told.append), told


def test_an_encoder_gets_a_folder_that_says_what_it_is(file, tmp_path):
    card, told = brought(file(), tmp_path / "enc", licence="CC BY 4.0", mean="0.7,0.5,0.6", std="0.2,0.2,0.2")
    again, content = read_encoder(tmp_path / "enc")
    assert again == card and content == encoder() and told == []
    assert (card.name, card.licence, card.tile.size_px, card.tile.mpp) == ("enc", "CC BY 4.0", SIZE_PX, 0.5)
    assert card.network.features == FEATURES and card.network.mean == (0.7, 0.5, 0.6)
    assert hashlib.sha256(encoder()).hexdigest() in card.source
    assert EncoderCard.from_dict(json.loads(json.dumps(card.to_dict()))) == card


def test_what_is_assumed_is_said_and_stands_on_the_card(file, tmp_path, tried_here):
    card, told = brought(file(), tmp_path / "enc")
    assert card.network.mean == IMAGENET_MEAN and card.licence == "not stated"
    assert list(card.notes) == told and len(told) == 2 and "ImageNet" in told[0] and "licence" in told[1]


@pytest.mark.parametrize("gives", ["logits", "probabilities"])
def test_a_classifier_becomes_a_model_that_claims_no_familiarity(file, tmp_path, tried_here, gives):
    card, _ = brought(file(classifier(gives)), tmp_path / "m", classes=NAMES, background="checks", licence="MIT")
    assert isinstance(card, ModelCard) and read_card(tmp_path / "m") == card
    assert card.network.gives == gives and not card.knows_familiarity
    assert set(read_folder(tmp_path / "m").contents) == {"network.onnx"}
    assert any("MIT" in line for line in card.limits) and "cannot be said" in " ".join(card.limits)


def test_an_encoder_is_no_model_and_a_model_no_encoder(file, tmp_path, tried_here):
    brought(file(), tmp_path / "enc")
    brought(file(classifier()), tmp_path / "m", classes=NAMES, background="checks")
    with pytest.raises(ModelError, match="knows no classes; train a model on it"):
        read_card(tmp_path / "enc")
    with pytest.raises(ModelNotFoundError, match="is no encoder"):
        read_encoder(tmp_path / "m")


def test_an_inner_tensor_may_be_taken(file, tmp_path, tried_here):
    card, _ = brought(file(classifier()), tmp_path / "enc", output="r1")
    assert (card.network.output, card.network.features, card.network.pool) == ("r1", FEATURES, "mean")


def two_outputs():
    nodes = [
        node("ReduceMean", ["pixels"], ["features"], axes=[2, 3], keepdims=0),
        node("ReduceMax", ["pixels"], ["others"], axes=[2, 3], keepdims=0),
    ]
    return model(nodes, outputs=("features", "others")).SerializeToString()


REFUSED = {
    "several outputs": (two_outputs(), {}, "2 outputs: 'features', 'others'; name one with --output"),
    "an output that there is not": (None, {"output": "ghost"}, "makes no 'ghost'"),
    "another size": (None, {"size_px": 224}, f"takes {SIZE_PX} px"),
    "no such mpp": (None, {"mpp": 5000.0}, "implausible"),
    "no number as mpp": (None, {"mpp": float("nan")}, "implausible"),
    "classes that do not fit": (classifier(), {"classes": "a,normal"}, "gives 3 values a tile, and 2 classes"),
    "said to be probabilities": (
        classifier(),
        {"classes": NAMES, "background": "dots", "gives": "probabilities"},
        "gives logits, not probabilities",
    ),
    "said to be logits": (
        classifier("probabilities"),
        {"classes": NAMES, "background": "dots", "gives": "logits"},
        "gives probabilities, not logits",
    ),
    "no background": (classifier(), {"classes": NAMES}, "no class is called 'normal'.*--background"),
    "one class": (classifier(), {"classes": "normal"}, "--classes: two or more"),
    "a class twice": (classifier(), {"classes": "normal,normal"}, "--classes"),
    "a class with markup": (classifier(), {"classes": "<b>,normal"}, "--classes"),
    "gives without classes": (None, {"gives": "logits"}, "--classes"),
    "two numbers for three": (None, {"mean": "0.5,0.5"}, "--mean 0.5,0.5 is not three numbers"),
    "no numbers": (None, {"std": "a,b,c"}, "not three numbers"),
    "a std of nothing": (None, {"std": "0,0,0"}, "a std is outside"),
    "not a number as mean": (None, {"mean": "nan,0,0"}, "a mean is outside"),
    "an odd pool": (None, {"pool": "max"}, "--pool"),
    "a pool that does not fit": (None, {"pool": "cls"}, "pooling cls does not fit"),
    "an odd name": (None, {"name": "../up"}, "--name"),
    "half a digest": (None, {"sha256": "abc"}, "--sha256"),
    "another digest": (None, {"sha256": "0" * 64}, "not 000000000000"),
    "a hostile file": (b"\x80\x04payload", {}, "pickle"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_fit_is_one_line_and_nothing_is_written(file, tmp_path, kind, tried_here):
    content, options, why = REFUSED[kind]
    with pytest.raises(PulmoscopeError, match=why) as caught:
        brought(file(content), tmp_path / "out", **options)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_files_that_are_no_files_are_refused(file, tmp_path, monkeypatch):
    whole = file()
    (tmp_path / "link.onnx").symlink_to(whole)
    (tmp_path / "folder.onnx").mkdir()
    os.mkfifo(tmp_path / "pipe.onnx")
    for name, why in {
        "link.onnx": "is a link",
        "folder.onnx": "not a regular file",
        "pipe.onnx": "not a regular file",
        "nowhere.onnx": "there is no file nowhere.onnx",
        "n\0ul.onnx": "cannot be read|no file",
    }.items():
        with pytest.raises(ModelError, match=why):
            brought(tmp_path / name, tmp_path / "out")
    monkeypatch.setattr(source, "MOST_BYTES", 1000)
    with pytest.raises(ModelError, match="larger than 0 MiB"):
        brought(whole, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def kept_apart(folder):
    made = onnx.load_from_string(encoder())
    onnx.save(made, folder / "apart.onnx", save_as_external_data=True, location="apart.bin", size_threshold=0)
    return folder / "apart.onnx"


def test_weights_beside_the_file_are_taken_in_when_asked(tmp_path, tried_here):
    path = kept_apart(tmp_path)
    with pytest.raises(ModelError, match="--merge-external"):
        brought(path, tmp_path / "enc")
    brought(path, tmp_path / "enc", merge_external=True)
    found = onnx.load_from_string(read_encoder(tmp_path / "enc")[1])
    expected = onnx.load_from_string(encoder())
    assert [one.raw_data for one in found.graph.initializer] == [one.raw_data for one in expected.graph.initializer]


def test_weights_that_are_a_link_or_too_short_are_not_taken_in(tmp_path, tried_here):
    path = kept_apart(tmp_path)
    rest = tmp_path / "apart.bin"
    whole = rest.read_bytes()
    rest.write_bytes(whole[:-50])
    with pytest.raises(ModelError, match="shorter than"):
        brought(path, tmp_path / "enc", merge_external=True)
    (tmp_path / "elsewhere").write_bytes(whole)
    rest.unlink()
    rest.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="is a link"):
        brought(path, tmp_path / "enc", merge_external=True)


def test_a_model_is_never_written_over(file, tmp_path, tried_here):
    brought(file(), tmp_path / "enc")
    with pytest.raises(UsageError, match="already holds a model"):
        brought(file(), tmp_path / "enc")


def test_an_altered_encoder_is_refused_before_it_is_parsed(file, tmp_path, tried_here):
    brought(file(), tmp_path / "enc")
    content = bytearray(encoder())
    content[500] ^= 1
    (tmp_path / "enc" / "network.onnx").write_bytes(content)
    with pytest.raises(ModelDigestError, match=r"network\.onnx"):
        read_encoder(tmp_path / "enc")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 9},
        {"tile": {"size_px": 10**9, "mpp": 1.0}},
        {"tile": {"size_px": 64, "mpp": -1.0}},
        {"tile": None},
        {"network": {}},
        {"name": "../up"},
        {"notes": 5},
        {"files": {}},
        {"files": {"network.onnx": "0" * 64, "more.bin": "0" * 64}},
        {"files": []},
        {"licence": "x" * 10**5},
    ],
)
def test_a_card_that_is_no_encoders_is_refused(file, tmp_path, tried_here, change):
    brought(file(), tmp_path / "enc")
    path = tmp_path / "enc" / "encoder.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError) as caught:
        read_encoder(tmp_path / "enc")
    assert "\n" not in str(caught.value)


def test_a_stranger_in_the_folder_is_refused(file, tmp_path, tried_here):
    brought(file(), tmp_path / "enc")
    (tmp_path / "enc" / "extra.py").write_text("print()")
    with pytest.raises(ModelError, match=r"extra\.py"):
        read_encoder(tmp_path / "enc")
    shutil.rmtree(tmp_path / "enc")


def test_the_command_says_what_it_made_and_what_comes_next(file, tmp_path):
    words = ["import-model", str(file()), "--out", str(tmp_path / "enc"), "--mpp", "0.5", "--licence", "MIT"]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "an encoder" in done.stdout and "train TILES --encoder" in done.stdout and "Traceback" not in done.stderr
