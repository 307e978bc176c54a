"""Keras and TensorFlow as our networks need them, whatever a user has set for other work. All else asks here for them.

Keras takes its backend, number type and order of axes from `~/.keras/keras.json` (or `KERAS_HOME`) and the environment
when it is first imported: with another one, training failed after minutes, or would have given other weights.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from wsi.errors import ModelError

_BACKEND, _FLOATS, _AXES, _POLICY = "tensorflow", "float32", "channels_last", "float32"
_EPSILON = 1e-7
# Below a device, so that nothing is found there and nothing can be left there.
_NO_HOME = os.path.join(os.devnull, "keras")  # noqa: PTH118 (never a path of a file)
# TensorFlow would hand Keras' old version to its converter.
_OURS = {"KERAS_BACKEND": _BACKEND, "KERAS_HOME": _NO_HOME, "TF_USE_LEGACY_KERAS": "0"}
_FOREIGN = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")


@lru_cache(maxsize=1)
def load_keras() -> Any:
    """The module `keras`, on TensorFlow, float32, channels last. The first call takes seconds.

    Raises ModelError where somebody imported it in this process before, on another backend.
    """
    with _environment_of_ours():
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
    with _environment_of_ours():
        import tensorflow
    return tensorflow


@contextlib.contextmanager
def _environment_of_ours() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in (*_OURS, *_FOREIGN)}
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(_OURS)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
