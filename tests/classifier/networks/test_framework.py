"""What a user has set for Keras elsewhere changes nothing here, and we leave nothing in their home folder."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.classifier.tiles import TINY, tiny_tiles
from tests.conftest import REPOSITORY
from tests.house import imported, modules

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
