"""An imported network tried in a process of its own, with bounded memory and time, before it is taken into this one.

The network's file is checked already; this tells what only running tells: what it costs, what shape and kind of output
it gives, and whether that is the same for the same tile. The answer is JSON: a process that has run a hostile file is
not to be believed more than the file.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.networks.imported import ImportedNetwork
from classifier.networks.onnx_file.check import check_onnx
from classifier.runtimes.onnx_session import OnnxSession, need_onnx_runtime
from classifier.runtimes.runtime import Floats
from wsi.errors import ModelError
from wsi.process.child import Child, parent_connection, start_child
from wsi.process.limits import allow_cpu_seconds, leave_with, memory_limit, no_core_files
from wsi.process.silence import silent
from wsi.text import plain

_MEMORY_GB, _TIMES_ITS_SIZE = 4.0, 4.0
_MAX_ANSWER_BYTES = 1 << 16
_MEMORY_HINT = "give a larger --memory if you trust it"
# How far two runs of one tile may lie apart, of the largest value: sums in another order, in half precision.
_TOLERANCE = 0.01
_SUM_TOLERANCE = 0.01


@dataclass(frozen=True)
class TrialLimits:
    """Memory beyond the libraries; CPU time of all tries together, and the clock's."""

    memory_gb: float = _MEMORY_GB
    cpu_seconds: float = 240.0
    seconds: float = 300.0


def limits_for(content: bytes, memory_gb: float | None = None) -> TrialLimits:
    """Those for a network's file: more memory for a larger one, which is there several times while it is opened."""
    return TrialLimits(_MEMORY_GB + _TIMES_ITS_SIZE * len(content) / (1 << 30) if memory_gb is None else memory_gb)


@dataclass(frozen=True)
class Trial:
    """What a trial found: axes of the output, features and CPU time a tile once it is pooled, and whether each row sums
    to 1 and holds nothing below 0."""

    axes: int
    features: int
    seconds_a_tile: float
    rows_sum_to_one: bool


def try_network(content: bytes, shape: ImportedNetwork, size_px: int, limits: TrialLimits) -> Trial:
    """Runs the network on made tiles of `size_px` in a limited process. `shape.features` need not be known yet.

    Raises ModelError where it takes too much, gives what is no number, or something else each time.
    """
    need_onnx_runtime()
    child = start_child(f"{__name__}:serve")
    try:
        told = _asked(child, content, shape, size_px, limits)
    finally:
        child.kill()
    if "problem" in told:
        raise ModelError(plain(told["problem"], 300), hint=plain(told.get("hint", ""), 200))
    try:
        return Trial(
            int(told["axes"]), int(told["features"]), float(told["seconds_a_tile"]), bool(told["rows_sum_to_one"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError("the network's trial gave no answer that can be read") from error


def _asked(child: Child, content: bytes, shape: ImportedNetwork, size_px: int, limits: TrialLimits) -> dict[str, Any]:
    question = {"shape": shape.to_dict(), "size_px": size_px, "limits": asdict(limits)}
    try:
        child.connection.send_bytes(json.dumps(question).encode())
        child.connection.send_bytes(content)
        if not child.connection.poll(limits.seconds):
            raise ModelError(f"the network takes more than {limits.seconds:g} s for a few tiles")
        told = json.loads(child.connection.recv_bytes(_MAX_ANSWER_BYTES))
        if not isinstance(told, dict):
            raise ValueError("no mapping")
    except ValueError as error:
        raise ModelError("the network's trial gave no answer that can be read") from error
    except (EOFError, OSError) as error:
        raise ModelError(f"the network {_how_it_ended(child.end(), limits)}") from error
    return told


def _how_it_ended(end: str, limits: TrialLimits) -> str:
    if "SIGXCPU" in end or "SIGKILL" in end:
        return f"takes more than {limits.cpu_seconds:g} s of CPU for a few tiles"
    return f"ended the process that tried it ({end}): too much memory, or a broken file"


# --- in the child


def serve() -> None:
    """Answers one question, and ends."""
    connection, parent = parent_connection()
    leave_with(parent)
    no_core_files()
    with silent():
        question = json.loads(connection.recv_bytes())
        content = connection.recv_bytes()
        connection.send_bytes(json.dumps(_answer(question, content)).encode())
    os._exit(0)


def _answer(question: dict[str, Any], content: bytes) -> dict[str, Any]:
    import onnxruntime  # noqa: F401 (before the limit: it counts from here)

    limits = TrialLimits(**question["limits"])
    try:
        with memory_limit(limits.memory_gb):
            allow_cpu_seconds(limits.cpu_seconds)
            trial = _try(content, ImportedNetwork.from_dict(question["shape"]), question["size_px"])
        return asdict(trial)
    except ModelError as error:
        return {"problem": error.message, "hint": error.hint}
    except MemoryError:
        return {"problem": f"the network asks for more than {limits.memory_gb:g} GB", "hint": _MEMORY_HINT}


def _try(content: bytes, shape: ImportedNetwork, size_px: int) -> Trial:
    network = check_onnx(content)
    session = OnnxSession(content, network, shape)
    tiles = probe_tiles(size_px)
    single = session.run(tiles[:1])
    began = time.process_time()
    together = session.run(tiles)
    seconds = (time.process_time() - began) / len(tiles)
    again = session.run(tiles)
    _check_output(together, again, single)
    sums = bool((together >= 0).all() and (np.abs(together.sum(axis=1) - 1) < _SUM_TOLERANCE).all())
    return Trial(session.axes, together.shape[1], round(seconds, 6), sums and together.shape[1] > 1)


def probe_tiles(size_px: int) -> NDArray[np.uint8]:
    """(4, size, size, 3): noise, pink with dark dots, dark stripes, glass. Drawings, for a trial only."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size_px, :size_px]
    noise = rng.integers(0, 256, (size_px, size_px, 3))
    dots = np.where((((x % 16 - 8) ** 2 + (y % 16 - 8) ** 2) < 20)[..., None], (90, 50, 140), (230, 160, 200))
    stripes = np.where((x // 8 % 2 == 0)[..., None], (60, 30, 90), (200, 120, 170))
    glass = np.full((size_px, size_px, 3), (243, 243, 244))
    return np.stack([noise, dots, stripes, glass]).astype(np.uint8)


def _check_output(together: Floats, again: Floats, single: Floats) -> None:
    if not all(np.isfinite(one).all() for one in (together, again, single)):
        raise ModelError("the network gives values that are no finite numbers", hint="check --mean and --std")
    scale = float(np.abs(together).max()) or 1.0
    if together.shape != again.shape or np.abs(together - again).max() > _TOLERANCE * scale:
        raise ModelError("the network gives something else each time it sees the same tile")
    if single.shape[1:] != together.shape[1:] or np.abs(single[0] - together[0]).max() > _TOLERANCE * scale:
        raise ModelError("the network's answer to a tile depends on the tiles beside it")
    if np.ptp(together, axis=0).max() <= 1e-7 * scale:
        raise ModelError("the network gives the same for every tile that it is shown")
