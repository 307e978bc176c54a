"""One ONNX Runtime session of a checked file: tiles in, the chosen output pooled to a row a tile. Judges no file.

The file must have passed `check_onnx` before: the session opens what it is given.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.networks.imported import CLASS_AND_MEAN, CLASS_TOKEN, MEAN, PLAIN, ImportedNetwork
from classifier.networks.onnx_file.check import CHANNELS_FIRST, OnnxNetwork
from classifier.runtimes.runtime import Floats
from wsi.errors import ModelError
from wsi.process.silence import native_stderr_silenced
from wsi.text import plain

_NO_MEMORY = ("bad_alloc", "allocate memory", "allocate_memory", "out of memory")
INSTALL = "pip install -e '.[onnx]'"


def need_onnx_runtime() -> None:
    """Raises ModelError, with how to install it, where ONNX Runtime is missing."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise ModelError("a network in ONNX needs ONNX Runtime, which is not installed", hint=INSTALL)


class OnnxSession:
    """Raises ModelError where ONNX Runtime does not take the file. `run` may be called from several threads; `axes` are
    those of the network's own output, once it has run."""

    def __init__(self, content: bytes, network: OnnxNetwork, shape: ImportedNetwork, threads: int = 1) -> None:
        need_onnx_runtime()
        self._network, self._shape = network, shape
        self.axes = 0
        try:
            with native_stderr_silenced():
                self._session = _session(content, threads)
        except Exception as error:  # the runtime's own kinds, none of them public
            raise _told("ONNX Runtime does not take the network", error) from error

    def run(self, tiles: NDArray[np.uint8]) -> Floats:
        """(b, d) float32 for tiles (b, size, size, 3) uint8 RGB, b at least 1. Raises ModelError."""
        pixels = prepare(tiles, self._network, self._shape)
        step = self._network.batch or len(pixels)
        parts = [self._run(pixels[at : at + step]) for at in range(0, len(pixels), step)]
        return np.concatenate(parts)

    def _run(self, pixels: NDArray[Any]) -> Floats:
        try:
            [found] = self._session.run([self._shape.output], {self._network.input: pixels})
        except Exception as error:
            raise _told("the network does not run", error) from error
        self.axes = np.ndim(found)
        return pool(found, self._shape, len(pixels), channels_first=self._network.layout == CHANNELS_FIRST)


def prepare(tiles: NDArray[np.uint8], network: OnnxNetwork, shape: ImportedNetwork) -> NDArray[Any]:
    """Tiles (b, size, size, 3) uint8 in the network's layout and type, normalised unless that is uint8."""
    pixels: NDArray[Any] = tiles
    if network.element != "uint8":
        # One pass: (x / 255 - mean) / std.
        std = np.asarray(shape.std, np.float32)
        scale, offset = 1 / (255 * std), -np.asarray(shape.mean, np.float32) / std
        pixels = (tiles * scale.astype(np.float32) + offset.astype(np.float32)).astype(network.element)
    if network.layout == CHANNELS_FIRST:
        pixels = pixels.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels)


def pool(found: Any, shape: ImportedNetwork, batch: int, *, channels_first: bool) -> Floats:
    """(b, d) of an output (b, d), of tokens (b, t, d), or of maps. Raises ModelError where it is none of them."""
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or not found.ndim or len(found) != batch:
        raise ModelError("the network's output is no row of numbers a tile")
    array = found.astype(np.float32)
    if array.ndim == 2 and shape.pool == PLAIN:
        return array
    if array.ndim == 4 and shape.pool in (MEAN, PLAIN):
        return array.mean(axis=(2, 3) if channels_first else (1, 2))
    if array.ndim == 3 and shape.pool in (CLASS_TOKEN, MEAN, CLASS_AND_MEAN) and array.shape[1] > shape.prefix_tokens:
        mean = array[:, shape.prefix_tokens :].mean(axis=1)
        parts = {CLASS_TOKEN: [array[:, 0]], MEAN: [mean], CLASS_AND_MEAN: [array[:, 0], mean]}[shape.pool]
        return np.concatenate(parts, axis=1)
    kind = {2: "a row a tile: --pool none", 3: "tokens: --pool cls, mean or cls+mean", 4: "maps: --pool mean"}
    raise ModelError(
        f"the network's output {plain(shape.output, 40)} is {tuple(array.shape)}; pooling {shape.pool} does not fit",
        hint=kind.get(array.ndim, "name another one with --output"),
    )


def _session(content: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Without it the first bytes decide, and a file of ONNX Runtime's own format is checked by nobody.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.use_deterministic_compute = True
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _told(what: str, error: Exception) -> Exception:
    """The runtime's error as one of ours: its sentence without the places in its source. Lack of memory is one kind."""
    text = str(error).strip()
    if isinstance(error, MemoryError) or any(mark in text for mark in _NO_MEMORY):
        return MemoryError("the network")
    reason = text.rpartition("Status Message: ")[2].rpartition("] : ")[2] or type(error).__name__
    return ModelError(f"{what} ({plain(reason, 160)})")
