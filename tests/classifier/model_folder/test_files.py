"""A model folder is hostile until checked: each way to tamper with one ends in one clear line."""

import json
import os
import shutil
import zipfile

import numpy as np
import pytest

from classifier.model import load_model
from classifier.model_folder.arrays import pack_arrays, unpack_arrays
from classifier.model_folder.card import CARD_FILE, WEIGHTS_FILE, ModelCard
from classifier.model_folder.files import read_card, read_folder, write_folder
from tests.classifier.tiles import tiny_model
from wsi.errors import ModelDigestError, ModelError, ModelNotFoundError, UsageError


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(tiny_model(), copy)
    return copy


def edit_card(folder, **changes):
    values = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps({**values, **changes}))


def one_line(error: BaseException) -> bool:
    return "\n" not in str(error) and "Traceback" not in str(error)


def test_an_untouched_folder_is_read_and_its_digest_is_of_the_card(folder):
    import hashlib

    model = read_folder(folder)
    assert set(model.contents) == set(model.card.files)
    assert model.card.digest == hashlib.sha256((folder / CARD_FILE).read_bytes()).hexdigest()


def test_a_card_survives_a_round_trip(folder):
    card = read_card(folder)
    assert ModelCard.from_dict(json.loads(card.to_json())) == card


@pytest.mark.parametrize("name", ["weights.npz", "familiarity.npz", "litert-int8.tflite"])
def test_one_flipped_bit_is_refused_before_parsing(folder, name, monkeypatch):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    monkeypatch.setattr(np, "load", lambda *a, **k: pytest.fail("a parser saw an altered file"))
    with pytest.raises(ModelDigestError) as caught:
        load_model(folder)
    assert one_line(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("name", ["weights.npz", "familiarity.npz", "litert-int8.tflite"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_model(folder)


@pytest.mark.parametrize("name", ["evil.pkl", "model.h5", "model.keras", "notes.txt", "__init__.py", ".hidden"])
def test_a_stranger_in_the_folder_is_refused(folder, name):
    (folder / name).write_bytes(b"payload")
    with pytest.raises(ModelError, match=name):
        load_model(folder)


@pytest.mark.parametrize("name", ["../outside.npz", "/etc/passwd", "model.h5", "weights.npz\x00.h5", "sub/weights.npz"])
def test_a_card_cannot_name_other_files(folder, name):
    edit_card(folder, files={**read_card(folder).files, name: "0" * 64})
    with pytest.raises(ModelError):
        load_model(folder)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
@pytest.mark.parametrize("name", ["weights.npz", "card.json"])
def test_links_are_not_followed(folder, name, tmp_path):
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="link"):
        load_model(folder)


def test_a_pipe_in_place_of_a_file_does_not_hang(folder):
    (folder / WEIGHTS_FILE).unlink()
    os.mkfifo(folder / WEIGHTS_FILE)
    with pytest.raises(ModelError, match="regular file"):
        load_model(folder)


def test_an_oversized_file_is_refused_before_it_is_read(folder):
    with (folder / WEIGHTS_FILE).open("r+b") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(ModelError, match="larger"):
        load_model(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "[" * 100_000, '{"format": 99}', '{"format": 1}', '{"format": NaN}', "\xff\xfe"]
)
def test_a_card_that_is_no_card(folder, text):
    (folder / CARD_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    assert one_line(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ["a", "a"]},
        {"classes": ["<script>", "b"]},
        {"classes": "abc"},
        {"background": "nobody"},
        {"temperature": 0.0},
        {"temperature": "warm"},
        {"temperature": True},
        {"familiarity_threshold": 2.0},
        {"tile": {"size_px": 10**9, "mpp": 1.0, "overlap": 0.0, "min_tissue": 0.0}},
        {"tile": {"size_px": 64, "mpp": -1.0, "overlap": 0.0, "min_tissue": 0.0}},
        {"tile": {"size_px": 64.5, "mpp": 1.0, "overlap": 0.0, "min_tissue": 0.0}},
        {"architecture": {"name": "keras-lambda", "parameters": {}}},
        {"architecture": {"name": "residual-cnn", "parameters": {"stem_width": 10**8, "blocks": [], "dropout": 0}}},
        {"architecture": {"name": "residual-cnn", "parameters": "x"}},
        {"architecture": {"name": "residual-cnn", "parameters": None}},
        {"files": {}},
        {"files": {"weights.npz": "short"}},
        {"name": "../up"},
        {"synthetic": "no"},
        {"limits": [1, 2]},
        {"intended_use": "x" * 10**5},
    ],
)
def test_absurd_card_values_are_refused(folder, changes):
    edit_card(folder, **changes)
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    assert one_line(caught.value)


def test_weights_of_another_architecture_are_refused(folder):
    values = json.loads((folder / CARD_FILE).read_text())
    values["architecture"]["parameters"]["blocks"][-1][0] = 32
    (folder / CARD_FILE).write_text(json.dumps(values))
    for runtime in ("tensorflow", "litert-int8"):
        with pytest.raises(ModelError):
            load_model(folder, runtime=runtime)


def test_pickles_and_zip_bombs_in_an_npz_are_refused(tmp_path):
    np.savez(tmp_path / "pickled.npz", weights=np.array([{"a": 1}], dtype=object))
    with (
        zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as member,
    ):
        for _ in range(300):
            member.write(b"\0" * 2**20)
    for name in ("pickled.npz", "bomb.npz"):
        with pytest.raises(ModelError, match=name):
            unpack_arrays((tmp_path / name).read_bytes(), name)
    with pytest.raises(ModelError):
        unpack_arrays(b"not a zip", "weights.npz")


def test_the_same_arrays_give_the_same_bytes():
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array(2.5, np.float32)}
    packed = pack_arrays(arrays)
    assert packed == pack_arrays(dict(reversed(arrays.items())))
    unpacked = unpack_arrays(packed, "x.npz")
    assert unpacked["a"].shape == () and unpacked["b"].tolist() == arrays["b"].tolist()


@pytest.mark.parametrize("suffix", [".h5", ".keras", ".pkl"])
def test_a_model_file_of_another_kind_is_not_opened(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"\x80\x04payload")
    with pytest.raises(ModelError, match="can carry code"):
        load_model(path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(ModelNotFoundError, match="no model"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(ModelNotFoundError, match="training has not ended"):
        load_model(tmp_path)


def test_a_model_is_never_written_over(folder):
    model = read_folder(folder)
    with pytest.raises(UsageError, match="already holds a model"):
        write_folder(folder, model.card, model.contents)
