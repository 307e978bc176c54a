"""The file that an imported network comes from, and weights beside it. Checks no graph."""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass
from pathlib import Path

from classifier.model_folder.card import NETWORK_FILE
from classifier.model_folder.files import MAX_BYTES, MIB
from classifier.networks.imported import Triple
from classifier.networks.onnx_file.rewrite import with_weights
from classifier.training.encoder.request import ImportRequest
from wsi.errors import ModelDigestError, ModelError, ModelNotFoundError
from wsi.files.reading import open_regular, read_regular
from wsi.text import plain

MOST_BYTES = MAX_BYTES[NETWORK_FILE]


@dataclass(frozen=True)
class Source:
    """The network's file, what it is called, and what its maker says of how tiles are shown to it (None: nothing)."""

    content: bytes
    origin: str
    sha256: str
    size_px: int | None = None
    mean: Triple | None = None
    std: Triple | None = None
    licence: str = ""


def read_source(request: ImportRequest) -> Source:
    """An ONNX file: regular, of a bearable size, of the SHA-256 that was given.

    Raises ModelNotFoundError, ModelError, ModelDigestError.
    """
    path = Path(request.source)
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if request.sha256 and digest != request.sha256:
        raise ModelDigestError(
            f"{plain(path.name, 60)} has the SHA-256 {digest[:12]}..., not {request.sha256[:12]}...",
            hint="it is not the file that was meant, or was damaged on the way",
        )
    if request.merge_external:
        content = with_weights(content, _BesideIt(path).read, MOST_BYTES)
    return Source(content, plain(path.name, 200), digest)


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MOST_BYTES)
    except (OSError, ValueError) as error:
        raise _refusal(path, error) from error


@dataclass(frozen=True)
class _BesideIt:
    """Reads weights from files in the folder of the ONNX file, and from nowhere else."""

    onnx: Path

    def read(self, name: str, offset: int, length: int | None) -> bytes:
        path = self.onnx.parent / name
        try:
            with open_regular(path, MOST_BYTES) as file:
                file.seek(offset)
                content = file.read(MOST_BYTES if length is None else min(length, MOST_BYTES))
        except (OSError, ValueError) as error:
            raise _refusal(path, error) from error
        if length is not None and len(content) != length:
            raise ModelError(f"{plain(name, 60)} is shorter than the ONNX file says", hint="get both again")
        return content


def _refusal(path: Path, error: Exception) -> ModelError:
    name = plain(path.name, 60)
    if path.is_symlink():
        return ModelError(f"{name} is a link", hint="give the file itself")
    if isinstance(error, FileNotFoundError):
        return ModelNotFoundError(f"there is no file {name}", hint="give an ONNX file, local-dir:PATH or hf-hub:NAME")
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return ModelError(f"{name} is larger than {MOST_BYTES // MIB:,} MiB", hint="export it in half precision")
    if path.exists() and not path.is_file():
        return ModelError(f"{name} is not a regular file", hint="give an ONNX file")
    return ModelError(f"{name} cannot be read")
