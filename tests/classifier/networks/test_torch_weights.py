"""A PyTorch checkpoint is read as plain arrays; what a hostile one asks for is never run."""

import io
import os
import pickle
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest

from classifier.networks.torch_weights import read_torch_weights
from wsi.errors import ModelError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class Tensor:
    def __init__(self, array, *, offset=0, shape=None, strides=None):
        self.array, self.offset = array, offset
        self.shape = array.shape if shape is None else shape
        self.strides = tuple(s // array.itemsize for s in array.strides) if strides is None else strides


def checkpoint(state, monkeypatch):
    """The bytes of a checkpoint as PyTorch wrote it before version 1.6, made without PyTorch."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        raise AssertionError("only its name is written")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    class Storage:
        def __init__(self, tensor):
            self.tensor = tensor

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, Storage):
                return None
            array = value.tensor.array
            kind = torch.FloatStorage if array.dtype == np.float32 else torch.LongStorage
            return ("storage", kind, str(id(array)), "cpu", array.size, None)

        def reducer_override(self, value):
            if isinstance(value, Tensor):
                parts = (Storage(value), value.offset, value.shape, value.strides, False, OrderedDict())
                return utils._rebuild_tensor_v2, parts
            return NotImplemented

    file = io.BytesIO()
    tensors = [value for value in state.values() if isinstance(value, Tensor)]
    keys = list(dict.fromkeys(str(id(tensor.array)) for tensor in tensors))
    for part in (MAGIC, PROTOCOL, {"little_endian": True}, state, keys):
        Pickler(file, 2).dump(part)
    for key in keys:
        array = next(tensor.array for tensor in tensors if str(id(tensor.array)) == key)
        file.write(array.size.to_bytes(8, "little") + array.tobytes())
    return file.getvalue()


def test_arrays_come_back(monkeypatch):
    kernel = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    count = np.array([7], np.int64)
    state = OrderedDict(kernel=Tensor(kernel), turned=Tensor(kernel, shape=(4, 3, 2), strides=(1, 4, 12)))
    state["count"] = Tensor(count, shape=(), strides=())
    found = read_torch_weights(checkpoint(state, monkeypatch))
    np.testing.assert_array_equal(found["kernel"], kernel)
    np.testing.assert_array_equal(found["turned"], kernel.T)
    assert found["count"] == 7 and found["kernel"].dtype == np.float32


class Hostile:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def test_code_in_a_checkpoint_is_refused_and_not_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="system"):
        read_torch_weights(checkpoint({"weights": Hostile()}, monkeypatch))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "bad",
    [
        {"offset": 20},
        {"shape": (1000,), "strides": (1,)},
        {"shape": (2, 3), "strides": (3, -1)},
        {"shape": (2, 3), "strides": (10**9, 1)},
        {"offset": -1},
    ],
)
def test_an_array_beyond_its_data_is_refused(monkeypatch, bad):
    state = {"kernel": Tensor(np.zeros((2, 3), np.float32), **bad)}
    with pytest.raises(ModelError):
        read_torch_weights(checkpoint(state, monkeypatch))


@pytest.mark.parametrize("cut", [0, 10, 200, -5])
def test_a_checkpoint_cut_short_is_refused(monkeypatch, cut):
    content = checkpoint({"kernel": Tensor(np.zeros((2, 3), np.float32))}, monkeypatch)
    with pytest.raises(ModelError):
        read_torch_weights(content[:cut])
