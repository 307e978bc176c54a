"""A model in use: both runtimes say the same, batches do not matter, wrong input is refused."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from classifier.model import load_model
from classifier.model_folder.card import LITERT_FILE
from classifier.model_folder.find import DEFAULT_MODEL, DEMO_MODEL, FAST_MODEL, find_model, packaged_models
from classifier.networks.shape import features_of
from tests.classifier.tiles import CLASSES, SIZE_PX, pattern, tiny_model
from tests.conftest import REPOSITORY
from wsi.errors import ModelError, ModelNotFoundError


@pytest.fixture(scope="module")
def tiles():
    rng = np.random.default_rng(99)
    return np.stack([pattern(label, rng) for label in CLASSES for _ in range(15)])


def test_the_tiny_model_has_learned_its_patterns(tiles):
    predictions = load_model(tiny_model()).predict(tiles)
    assert (predictions.probabilities.argmax(axis=1) == np.repeat(np.arange(3), 15)).mean() > 0.9


def test_predictions_have_their_types_and_bounds(tiles):
    model = load_model(tiny_model())
    found = model.predict(tiles)
    assert found.probabilities.dtype == np.float32 and found.probabilities.shape == (45, 3)
    assert found.features.dtype == np.float16 and found.features.shape == (45, features_of(model.card.network))
    assert found.familiarity.dtype == np.float32 and found.familiarity.shape == (45,)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert ((found.familiarity >= 0) & (found.familiarity <= 1)).all()


def test_both_runtimes_agree(tiles):
    fast, reference = (load_model(tiny_model(), runtime=name) for name in ("litert-int8", "tensorflow"))
    assert (fast.runtime, reference.runtime) == ("litert-int8", "tensorflow")
    first, second = fast.predict(tiles), reference.predict(tiles)
    assert (first.probabilities.argmax(axis=1) == second.probabilities.argmax(axis=1)).mean() > 0.95
    assert abs(first.probabilities - second.probabilities).mean() < 0.05


@pytest.mark.parametrize("runtime", ["litert-int8", "tensorflow"])
def test_how_tiles_are_batched_does_not_matter(tiles, runtime):
    model = load_model(tiny_model(), runtime=runtime, threads=1)
    together = model.predict(tiles)
    apart = [model.predict(tiles[i : i + 1]) for i in range(0, 45, 9)]
    for i, one in zip(range(0, 45, 9), apart, strict=True):
        np.testing.assert_allclose(one.probabilities[0], together.probabilities[i], atol=1e-4)
    assert len(model.predict(tiles[:0])) == 0
    assert model.predict(tiles[:0]).probabilities.shape == (0, 3)


def test_noise_is_less_familiar_than_the_patterns(tiles):
    model = load_model(tiny_model())
    noise = np.random.default_rng(0).integers(0, 256, (10, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    assert (model.predict(noise).familiarity < model.card.familiarity_threshold).all()
    assert np.median(model.predict(tiles).familiarity) > model.card.familiarity_threshold


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 32, 32, 3), np.uint8), np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8), np.zeros((1, SIZE_PX, SIZE_PX, 3))],
)
def test_wrong_tiles_are_refused(wrong):
    with pytest.raises(ModelError, match="needs uint8 tiles"):
        load_model(tiny_model()).predict(wrong)


def test_without_an_int8_file_tensorflow_takes_over(tmp_path):
    import json

    folder = tmp_path / "model"
    shutil.copytree(tiny_model(), folder)
    (folder / LITERT_FILE).unlink()
    values = json.loads((folder / "card.json").read_text())
    del values["files"][LITERT_FILE]
    (folder / "card.json").write_text(json.dumps(values))
    assert load_model(folder).runtime == "tensorflow"
    with pytest.raises(ModelError, match="use the runtime tensorflow"):
        load_model(folder, runtime="litert-int8")


def test_a_runtime_that_does_not_exist():
    with pytest.raises(ModelError, match="no runtime"):
        load_model(tiny_model(), runtime="abacus")


def test_a_name_that_does_not_exist_lists_those_that_do():
    with pytest.raises(ModelNotFoundError, match=DEFAULT_MODEL):
        find_model("lung-v99")


def test_the_packaged_models_are_whole_and_small():
    cards = packaged_models()
    assert [card.name for card in cards] == [DEFAULT_MODEL, DEMO_MODEL, FAST_MODEL]
    for card in cards:
        model = load_model(card.name)
        assert model.card == card and model.runtime == "litert-int8"
        assert card.synthetic == (card.name == DEMO_MODEL)
        assert card.limits and card.never_shown
        hold_out = card.metrics["hold_out"]
        assert hold_out["int8_kept"] == (model.runtime == "litert-int8") == (hold_out["int8_agreement"] >= 0.99)
        size = sum(path.stat().st_size for path in find_model(card.name).iterdir())
        assert size < (1.5e6 if card.synthetic else 8e6)


def test_predicting_with_a_packaged_model_imports_no_tensorflow():
    script = (
        "import sys, numpy as np; from classifier.model import load_model; m = load_model();"
        "s = m.card.tile.size_px; m.predict(np.zeros((1, s, s, 3), np.uint8));"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'pandas', 'streamlit'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr
