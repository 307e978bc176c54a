"""Keras and TensorFlow as our networks need them, whatever a user has set for other work. All else asks here for them.

Keras takes its backend, number type and order of axes from `~/.keras/keras.json` (or `KERAS_HOME`) and the environment
when it is first imported: with another one, training failed after minutes, or would have given other weights. What
TensorFlow logs of the machine while it is loaded goes nowhere; its errors are shown (all of it with PULMOSCOPE_DEBUG).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from wsi.errors import ModelError
from wsi.process.silence import native_stderr_silenced

_BACKEND, _FLOATS, _AXES, _POLICY = "tensorflow", "float32", "channels_last", "float32"
_EPSILON = 1e-7
# Below a device, so that nothing is found there and nothing can be left there.
_NO_HOME = os.path.join(os.devnull, "keras")  # noqa: PTH118 (never a path of a file)
# TensorFlow would hand Keras' old version to its converter.
_OURS = {"KERAS_BACKEND": _BACKEND, "KERAS_HOME": _NO_HOME, "TF_USE_LEGACY_KERAS": "0"}
# Errors and what ends the process; TensorFlow reads it once, while it is loaded.
_LOG_LEVEL = ("TF_CPP_MIN_LOG_LEVEL", "2")
_PROCESSOR = Path("/proc/cpuinfo")
_FOREIGN = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")


@lru_cache(maxsize=1)
def load_keras() -> Any:
    """The module `keras`, on TensorFlow, float32, channels last. The first call takes seconds.

    Raises ModelError where somebody imported it in this process before, on another backend, and on a processor that
    TensorFlow does not run on.
    """
    _check_processor()
    # A first line is logged before any level counts. An import that fails says why by its exception.
    with _environment_of_ours(), native_stderr_silenced():
        import keras
    if keras.config.backend() != _BACKEND:
        raise ModelError(
            f"Keras already runs on {keras.config.backend()} in this process", hint="import pulmoscope's modules first"
        )
    keras.config.set_floatx(_FLOATS)
    keras.config.set_epsilon(_EPSILON)
    keras.config.set_image_data_format(_AXES)
    keras.config.set_dtype_policy(_POLICY)
    return keras


def load_tensorflow() -> Any:
    """The module `tensorflow`, which brings Keras along. Raises ModelError, as `load_keras`."""
    load_keras()
    with _environment_of_ours(), native_stderr_silenced():
        import tensorflow
    return tensorflow


def _check_processor() -> None:
    """TensorFlow ends the process where an x86 processor has no AVX, with a line that nobody would see."""
    with contextlib.suppress(OSError):
        flags = re.search(r"^flags\s*:(.*)$", _PROCESSOR.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
        if flags is not None and "avx" not in flags[1].split():
            raise ModelError(
                "this processor has no AVX instructions, which TensorFlow needs", hint="use another machine"
            )


@contextlib.contextmanager
def _environment_of_ours() -> Iterator[None]:
    level, errors = _LOG_LEVEL
    before = {name: os.environ.get(name) for name in (*_OURS, *_FOREIGN, level)}
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(_OURS)
    if not os.environ.get("PULMOSCOPE_DEBUG"):
        os.environ.setdefault(level, errors)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
