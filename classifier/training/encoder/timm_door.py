"""A timm model, exported to ONNX once, at import: from a folder (`local-dir:PATH`) or, where its user names it, from
the Hugging Face hub (`hf-hub:NAME`). Nothing is fetched later, and what comes out is checked like any file.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from classifier.model_folder.files import UNSAFE_SUFFIXES
from classifier.networks.imported import Triple, triple
from classifier.training.encoder.request import ImportRequest
from classifier.training.encoder.source import MOST_BYTES, Source
from wsi.errors import ModelDigestError, ModelError, ModelNotFoundError, UsageError
from wsi.files.reading import is_folder, is_regular, open_regular, read_regular
from wsi.text import plain

LOCAL, HUB = "local-dir:", "hf-hub:"
WEIGHTS, CONFIG = "model.safetensors", "config.json"
NEEDED = ("torch", "timm", "onnx", "safetensors")
INSTALL = "pip install -e '.[encoders]'"
OPSET = 17
_PICKLES = (*UNSAFE_SUFFIXES, ".bin", ".ckpt")


def is_timm(source: str) -> bool:
    """Whether a source names a timm model and no file."""
    return source.startswith((LOCAL, HUB))


def export_timm(request: ImportRequest) -> Source:
    """The model's ONNX file with what its maker says of its input. Raises ModelError and its kin, UsageError."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(f"a timm model needs {missing[0]}, which is not installed", hint=INSTALL)
    if request.source.startswith(HUB):
        if request.sha256:
            raise UsageError(
                "--sha256 is of a file; a model of the hub has several", hint="download it: local-dir:PATH"
            )
        return _exported(request, f"timm {plain(request.source, 200)}", "")
    folder = Path(request.source.removeprefix(LOCAL))
    digest = _check_folder(folder, request.sha256)
    with _no_hub():
        return _exported(request, f"timm {LOCAL}{plain(folder.resolve().name, 100)}", digest)


def _check_folder(folder: Path, sha256: str) -> str:
    """The SHA-256 of the weights of a folder that holds nothing which could carry code."""
    if not is_folder(folder):
        raise ModelNotFoundError(f"{LOCAL} there is no folder {plain(folder.name, 60)}", hint="links are not followed")
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _PICKLES:
            raise ModelError(
                f"the folder holds {plain(path.name, 60)}, which can carry code", hint=f"keep {WEIGHTS} alone"
            )
    for name in (CONFIG, WEIGHTS):
        if not is_regular(folder / name):
            raise ModelError(f"the folder has no {name}", hint=f"timm's local-dir is {CONFIG} with {WEIGHTS}")
    with open_regular(folder / WEIGHTS) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 and found != sha256:
        raise ModelDigestError(f"{WEIGHTS} has the SHA-256 {found[:12]}..., not {sha256[:12]}...")
    return found


def _exported(request: ImportRequest, origin: str, digest: str) -> Source:
    import timm

    try:
        # No classes of its own: what it gives before its last layer, pooled as its maker does.
        model = timm.create_model(request.source, pretrained=True, num_classes=0)
        config: Mapping[str, Any] = timm.data.resolve_model_data_config(model)
        size_px = request.size_px or int(config["input_size"][-1])
        content = _to_onnx(model.eval(), size_px)
        mean, std = _triple(config, "mean"), _triple(config, "std")
    except Exception as error:  # timm, torch and the hub raise of every kind
        raise ModelError(f"timm gives no such model ({plain(error, 200)})", hint="see what timm says of it") from error
    made = getattr(model, "pretrained_cfg", None)
    licence = str(made.get("license") or "") if isinstance(made, Mapping) else ""
    sha256 = digest or hashlib.sha256(content).hexdigest()
    return Source(content, origin, sha256, size_px, mean, std, plain(licence, 200))


def _to_onnx(model: Any, size_px: int) -> bytes:
    import torch

    with tempfile.TemporaryDirectory(prefix="pulmoscope-export-") as folder, torch.no_grad():
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, size_px, size_px),),
            str(path),
            input_names=["tiles"],
            output_names=["features"],
            dynamic_axes={"tiles": {0: "batch"}, "features": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,  # the other exporter wants one more package, and writes weights beside the file
        )
        return read_regular(path, MOST_BYTES)


def _triple(config: Mapping[str, Any], name: str) -> Triple | None:
    return triple(config[name]) if name in config else None


@contextmanager
def _no_hub() -> Iterator[None]:
    """A folder's model is that folder's: whatever its config says, nothing is fetched."""
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before
