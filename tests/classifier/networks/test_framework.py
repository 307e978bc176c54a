"""What a user has set for Keras elsewhere changes nothing here, and we leave nothing in their home folder."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from classifier.networks import framework
from tests.classifier.tiles import TINY, tiny_tiles
from tests.conftest import REPOSITORY
from tests.house import imported, modules
from wsi.errors import ModelError

ODD = {"floatx": "float16", "image_data_format": "channels_first", "epsilon": 1.0, "backend": "jax"}
# What is set (variables; keras.json in the home folder; keras.json where KERAS_HOME says), each a kind of its own.
SETTINGS = {
    "another backend, half floats, channels first": ({"KERAS_BACKEND": "torch"}, json.dumps(ODD), None),
    "settings that Keras itself refuses": ({"KERAS_MAX_EPOCHS": "x"}, None, json.dumps({"floatx": "float99"})),
    "an older Keras, a file that is no JSON": ({"TF_USE_LEGACY_KERAS": "1", "KERAS_BACKEND": "numpy"}, "{", None),
}
SCRIPT = """
import json, os, sys
from pathlib import Path
before = dict(os.environ)
from classifier.dataset.tile_list import read_tile_set
from classifier.training.recipe import TrainConfig
from classifier.training.fit import fit
config = TrainConfig.from_dict(json.loads(sys.argv[2]))
weights = fit(read_tile_set(Path(sys.argv[1])), config, None, Path(sys.argv[3]), "digest")
import keras
told = keras.config
told = [told.backend(), told.floatx(), told.image_data_format(), told.epsilon(), told.dtype_policy().name]
now = dict(os.environ)
changed = [name for name in {*before, *now} if "KERAS" in name and before.get(name) != now.get(name)]
print(json.dumps([told, sorted({str(one.dtype) for one in weights.values()}), changed]))
"""
# A network at work, then an operation that logs why and ends the process.
LOGGED = """
from classifier.networks.framework import load_keras, load_tensorflow
tf = load_tensorflow()
keras = load_keras()
print(keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])(tf.zeros((1, 4))).shape)
print("loaded", flush=True)
@tf.function
def fail(x):
    with tf.control_dependencies([tf.raw_ops.Abort(error_msg="the error itself", exit_without_error=False)]):
        return x + 1
fail(tf.constant(1.0))
"""


@pytest.mark.parametrize(("variables", "at_home", "elsewhere"), SETTINGS.values(), ids=SETTINGS)
def test_a_users_own_keras_settings_are_not_read(tmp_path, variables, at_home, elsewhere):
    home = tmp_path / "home"
    for folder, text in ((home / ".keras", at_home), (tmp_path / "other", elsewhere)):
        folder.mkdir(parents=True)
        if text is not None:
            (folder / "keras.json").write_text(text)
    places = {"HOME": str(home), **({"KERAS_HOME": str(tmp_path / "other")} if elsewhere else {})}
    recipe = json.dumps(replace(TINY, epochs=1).to_dict())
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_tiles()), recipe, str(tmp_path / "checkpoint.npz")],
        cwd=REPOSITORY,
        env={**os.environ, **places, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told, kinds, changed = json.loads(done.stdout.splitlines()[-1])
    assert told == ["tensorflow", "float32", "channels_last", 1e-7, "float32"]
    assert kinds == ["float32"] and changed == []
    assert (home / ".keras" / "keras.json").exists() == (at_home is not None)


def test_what_tensorflow_tells_of_the_machine_is_not_shown_and_its_errors_are():
    environment = {k: v for k, v in os.environ.items() if k not in ("TF_CPP_MIN_LOG_LEVEL", "PULMOSCOPE_DEBUG")}
    done = subprocess.run(
        [sys.executable, "-c", LOGGED], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    assert "loaded" in done.stdout and done.returncode < 0
    assert "the error itself" in done.stderr
    assert "oneDNN" not in done.stderr and "rebuild TensorFlow" not in done.stderr


@pytest.mark.parametrize(("flags", "refused"), [("fpu sse4_2", True), ("fpu avx avx2", False), (None, False)])
def test_a_processor_that_tensorflow_would_end_on_is_told(tmp_path, monkeypatch, flags, refused):
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\n" + (f"flags\t\t: {flags}\n" if flags else "Features\t: asimd\n"))
    monkeypatch.setattr(framework, "_PROCESSOR", told)
    framework.load_keras.cache_clear()
    if refused:
        with pytest.raises(ModelError, match="no AVX"):
            framework.load_keras()
    else:
        assert framework.load_keras().config.backend() == "tensorflow"


def test_keras_and_tensorflow_are_asked_for_in_one_place():
    where = {
        name
        for name, path in modules(REPOSITORY).items()
        for _, target in imported(path)
        if target.split(".")[0] in ("keras", "tensorflow")
    }
    assert where == {"classifier.networks.framework"}


def test_the_search_for_imports_sees_those_inside_functions(tmp_path):
    (tmp_path / "m.py").write_text("def f():\n    import keras\n")
    assert ast.parse((tmp_path / "m.py").read_text()) and imported(tmp_path / "m.py") == [(2, "keras")]
