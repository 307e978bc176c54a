"""The door for timm models, with torch and timm played by small modules: what is asked of them, and what is refused."""

import hashlib
import importlib.machinery
import os
import sys
import types

import pytest

from classifier.model_folder.encoder import read_encoder
from classifier.training.encoder import timm_door
from classifier.training.encoder.import_model import import_model
from classifier.training.encoder.request import ImportRequest
from tests.classifier.onnx_files import SIZE_PX, encoder, node, with_nodes
from wsi.errors import ModelDigestError, ModelError, ModelNotFoundError, UsageError


def module(monkeypatch, name, **contents):
    made = types.ModuleType(name)
    made.__spec__ = importlib.machinery.ModuleSpec(name, None)
    for key, value in contents.items():
        setattr(made, key, value)
    monkeypatch.setitem(sys.modules, name, made)
    return made


class NoGrad:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


@pytest.fixture
def asked(monkeypatch):
    """What timm and torch were asked; `asked.content` is what the export writes."""
    seen = types.SimpleNamespace(content=encoder(), offline=None, names=[], export=None, licence="cc-by-nc-nd-4.0")

    class Network:
        def eval(self):
            seen.export = "eval"
            return self

    def create_model(name, *, pretrained, num_classes):
        seen.names.append((name, pretrained, num_classes))
        seen.offline = os.environ.get("HF_HUB_OFFLINE")
        if "gated" in name:
            raise RuntimeError("401 Client Error.\nCannot access gated repo")
        network = Network()
        network.pretrained_cfg = {"license": seen.licence}
        return network

    def export(model, arguments, path, **options):
        seen.export = options
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(seen.content)

    config = {"input_size": (3, SIZE_PX, SIZE_PX), "mean": (0.7, 0.6, 0.7), "std": (0.2, 0.3, 0.2)}
    data = types.SimpleNamespace(resolve_model_data_config=lambda model: config)
    module(monkeypatch, "timm", create_model=create_model, data=data)
    module(monkeypatch, "torch", no_grad=NoGrad, zeros=lambda *shape: shape, onnx=types.SimpleNamespace(export=export))
    module(monkeypatch, "safetensors")
    return seen


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "my-vit"
    path.mkdir()
    (path / "config.json").write_text('{"architecture": "vit_tiny"}')
    (path / "model.safetensors").write_bytes(b"weights")
    return path


def brought(source, out, **options):
    return import_model(ImportRequest.from_options(source, out, **{"mpp": 0.5, **options}), lambda note: None)


def test_a_folder_is_exported_and_keeps_what_its_maker_says(asked, folder, tmp_path):
    card = brought(f"local-dir:{folder}", tmp_path / "enc")
    assert read_encoder(tmp_path / "enc")[0] == card
    assert card.tile.size_px == SIZE_PX and card.network.mean == (0.7, 0.6, 0.7) and card.network.std == (0.2, 0.3, 0.2)
    assert card.licence == "cc-by-nc-nd-4.0" and card.notes == ()
    assert "local-dir:my-vit" in card.source and str(tmp_path) not in card.source
    assert hashlib.sha256(b"weights").hexdigest() in card.source
    assert asked.names == [(f"local-dir:{folder}", True, 0)]
    assert asked.export["dynamic_axes"]["tiles"] == {0: "batch"} and asked.export["dynamo"] is False


def test_a_folder_fetches_nothing_and_the_hub_is_asked_only_when_named(asked, folder, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    brought(f"local-dir:{folder}", tmp_path / "a")
    assert asked.offline == "1" and "HF_HUB_OFFLINE" not in os.environ
    card = brought("hf-hub:some/model", tmp_path / "b")
    assert asked.offline is None and "hf-hub:some/model" in card.source


def test_what_was_given_goes_before_what_its_maker_says(asked, folder, tmp_path):
    card = brought(f"local-dir:{folder}", tmp_path / "enc", mean="0.5,0.5,0.5", licence="MIT")
    assert card.network.mean == (0.5, 0.5, 0.5) and card.licence == "MIT"


def test_what_comes_out_is_checked_like_any_file(asked, folder, tmp_path):
    asked.content = with_nodes(node("NonZero", ["core"], ["features"]))
    with pytest.raises(ModelError, match="NonZero"):
        brought(f"local-dir:{folder}", tmp_path / "enc")
    assert not (tmp_path / "enc").exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.pth", "model.pt", "more.pkl", "code.py", "a.ckpt"])
def test_a_folder_with_what_can_carry_code_is_refused(asked, folder, tmp_path, name):
    (folder / name).write_bytes(b"\x80\x04")
    with pytest.raises(ModelError, match="can carry code"):
        brought(f"local-dir:{folder}", tmp_path / "enc")
    assert asked.names == []


def test_folders_that_are_none(asked, folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    for source in (tmp_path / "nowhere", tmp_path / "link", folder / "config.json"):
        with pytest.raises(ModelNotFoundError, match="there is no folder"):
            brought(f"local-dir:{source}", tmp_path / "enc")
    (folder / "model.safetensors").rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        brought(f"local-dir:{folder}", tmp_path / "enc")
    (folder / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        brought(f"local-dir:{folder}", tmp_path / "enc")
    assert asked.names == []


def test_digests_are_of_the_weights_in_a_folder(asked, folder, tmp_path):
    with pytest.raises(ModelDigestError):
        brought(f"local-dir:{folder}", tmp_path / "enc", sha256="0" * 64)
    brought(f"local-dir:{folder}", tmp_path / "enc", sha256=hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(UsageError, match="--sha256"):
        brought("hf-hub:some/model", tmp_path / "other", sha256="0" * 64)


def test_what_timm_cannot_give_is_one_line(asked, tmp_path):
    with pytest.raises(ModelError, match="Cannot access gated repo") as caught:
        brought("hf-hub:gated/model", tmp_path / "enc")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", timm_door.NEEDED)
def test_what_is_not_installed_is_named(asked, folder, tmp_path, monkeypatch, missing):
    real = timm_door.importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == missing else real(name, *rest))
    with pytest.raises(ModelError, match=rf"needs {missing}, which is not installed; pip install -e '\.\[encoders\]'"):
        brought(f"local-dir:{folder}", tmp_path / "enc")
