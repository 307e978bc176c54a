"""Reads the arrays of a PyTorch checkpoint (the format before 1.6) without PyTorch and without running anything in it.

A checkpoint is a pickle, and a pickle may call any function. This reader knows four names and refuses all others.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi.errors import ModelError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_weights(content: bytes) -> dict[str, NDArray[np.generic]]:
    """Arrays by name of a checkpoint's state. Raises ModelError on anything but plain float32 and int64 arrays."""
    file = io.BytesIO(content)
    try:
        if _load(file) != _MAGIC or _load(file) != _PROTOCOL:
            raise ModelError("the weights are no PyTorch checkpoint of the kind that can be read")
        _load(file)  # about the machine that wrote it
        tensors, keys = _load(file), _load(file)
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
        storages = {key: _read_storage(file, dtypes[key]) for key in map(str, keys)}
        return {str(name): _array(tensor, storages) for name, tensor in tensors.items()}
    except ModelError:
        raise
    except Exception as error:  # a hostile pickle makes the unpickler raise anything
        raise ModelError(f"the PyTorch weights cannot be read ({type(error).__name__})") from error


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
        }
        if (module, name) not in known:
            raise ModelError(f"the PyTorch weights ask for {module[:40]}.{name[:40]}, which no weights need")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key = pid[:3]
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise ModelError("the PyTorch weights hold something other than arrays")
        return _Storage(str(key), dtype)


def _load(file: io.BytesIO) -> Any:
    return _Restricted(file).load()


def _rebuild(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _read_storage(file: io.BytesIO, dtype: np.dtype[Any]) -> NDArray[np.generic]:
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype, count)


def _array(tensor: _Tensor, storages: dict[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    flat = storages[tensor.storage.key]
    reach = tensor.offset + sum((side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides, strict=True))
    if min(tensor.offset, *tensor.strides, *tensor.shape, 0) < 0 or reach >= len(flat):
        raise ModelError("the PyTorch weights hold an array that reaches beyond its data")
    steps = tuple(stride * flat.itemsize for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, steps).copy()
