"""Features that others made: .h5 files as TRIDENT, CLAM and STAMP write them. Hostile until checked.

The file is opened in a process of its own with bounded memory and time, since HDF5's library has crashed on malformed
files before; what comes back is a short JSON and plain numbers, and is checked once more here. Layouts, as their
makers' code writes them (read 2026-11-29):

- CLAM, extract_features_fp.py: ``features`` (n, d) float32 and ``coords`` (n, 2) int32, level-0 px, no attributes.
- TRIDENT, trident/IO.py and wsi_objects/WSI.py: the same two, float and int64; ``coords`` has the attributes
  patch_size, patch_size_level0, level0_magnification, target_magnification, overlap, level0_width, level0_height.
- STAMP, preprocessing/__init__.py: ``feats`` (n, d) float16 and ``coords`` (n, 2) float32 in um; the file has the
  attributes stamp_version, extractor, unit ("um"), tile_size_um, tile_size_px.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi.errors import DatasetError
from wsi.process.child import parent_connection, start_child
from wsi.process.limits import allow_cpu_seconds, leave_with, memory_limit, no_core_files
from wsi.process.silence import silent
from wsi.text import plain

MAX_INSTANCES, MAX_FEATURES = 1_000_000, 8192
MAX_FEATURE_BYTES = 2 << 30
# An .h5 file that unpacks to so many times its own size holds no features.
MAX_RATIO = 100
_MAX_CHUNK_BYTES = 64 << 20
_MAX_OBJECTS = 64
_MAX_ANSWER_BYTES = 1 << 14
_MEMORY_GB, _CPU_SECONDS, _SECONDS = 6.0, 300.0, 600.0
# Filters that are part of HDF5 itself: any other is a library that is looked for on disk and loaded.
_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32"}
_FARTHEST = 1e8
_INSTALL = "pip install -e '.[features]'"


@dataclass(frozen=True)
class FeatureFile:
    """n instances. `layout` is ``trident``, ``clam`` or ``stamp``; `places` are level-0 px, of STAMP um; `side` is that
    of a patch in the same unit, NaN where the file tells none; `encoder` what made the features, where it is told."""

    layout: str
    features: NDArray[np.floating]  # (n, d) float16 or float32, finite
    places: NDArray[np.float64]  # (n, 2)
    side: float
    encoder: str


def read_features(path: Path) -> FeatureFile:
    """The features of one slide. Raises DatasetError, in one line, for anything that is not as it should be."""
    child = start_child(f"{__name__}:serve")
    try:
        child.connection.send_bytes(json.dumps(str(path.absolute())).encode())
        if not child.connection.poll(_SECONDS):
            raise DatasetError(f"{path.name} takes more than {_SECONDS:g} s to read")
        told = json.loads(child.connection.recv_bytes(_MAX_ANSWER_BYTES))
        if "problem" in told:
            raise DatasetError(f"{path.name}: {plain(told['problem'], 200)}", hint=plain(told.get("hint", ""), 120))
        return _taken(told, child.connection)
    except (EOFError, OSError) as error:
        raise DatasetError(
            f"{path.name} ended the process that read it ({child.end()})", hint="it is damaged, or made to do harm"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path.name} gave no answer that can be read") from error
    finally:
        child.kill()


def _taken(told: dict[str, Any], connection: Any) -> FeatureFile:
    n, d = int(told["n"]), int(told["d"])
    dtype = np.dtype({"float16": "<f2", "float32": "<f4"}[told["dtype"]])
    if not (0 < n <= MAX_INSTANCES and 0 < d <= MAX_FEATURES and n * d * dtype.itemsize <= MAX_FEATURE_BYTES):
        raise ValueError("sizes")
    features = np.frombuffer(connection.recv_bytes(n * d * dtype.itemsize), dtype).reshape(n, d)
    places = np.frombuffer(connection.recv_bytes(n * 16), "<f8").reshape(n, 2)
    side = told["side"]
    return FeatureFile(
        str(told["layout"]), features, places, math.nan if side is None else float(side), plain(told["encoder"], 60)
    )


# --- in the child


class _RefusedError(Exception):
    """What is wrong with the file, in words."""


def serve() -> None:
    """Answers for one file, and ends."""
    connection, parent = parent_connection()
    leave_with(parent)
    no_core_files()
    with silent():
        told, arrays = _answer(Path(json.loads(connection.recv_bytes())))
        connection.send_bytes(json.dumps(told).encode())
        for array in arrays:
            connection.send_bytes(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    os._exit(0)


def _answer(path: Path) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    try:
        import h5py
    except ImportError:
        return {"problem": "h5py, which reads .h5 files, is not installed", "hint": _INSTALL}, []
    try:
        with memory_limit(_MEMORY_GB):
            allow_cpu_seconds(_CPU_SECONDS)
            return _read(path, h5py)
    except _RefusedError as error:
        return {"problem": str(error), "hint": "it is none of the layouts of TRIDENT, CLAM and STAMP"}, []
    except MemoryError:
        return {"problem": f"it asks for more than {_MEMORY_GB:g} GB"}, []
    except FileNotFoundError:
        return {"problem": "is not there"}, []
    except OSError as error:
        return {"problem": f"it cannot be read as HDF5 ({type(error).__name__})"}, []
    except Exception as error:  # h5py raises many kinds on a broken file
        return {"problem": f"it is no whole HDF5 file ({type(error).__name__})"}, []


def _read(path: Path, h5py: Any) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    from wsi.files.reading import open_regular

    with open_regular(path) as file, h5py.File(file, "r") as opened:
        bytes_there = os.fstat(file.fileno()).st_size
        found = _datasets(opened, h5py)
        stamp = "feats" in found
        if not {"coords", "feats" if stamp else "features"} <= set(found):
            raise _RefusedError("it has no features and coords")
        features = _checked(found["feats" if stamp else "features"], h5py, "f", bytes_there)
        coords = _checked(found["coords"], h5py, "iuf", bytes_there)
        _check_shapes(features.shape, coords.shape)
        told = {**_layout(opened, coords, stamp=stamp), "n": features.shape[0], "d": features.shape[1]}
        values = np.asarray(features[...])
        places = np.asarray(coords[...], "<f8")
    values = values.astype("<f4" if values.dtype.itemsize > 2 else "<f2", copy=False)
    if not np.isfinite(values).all():
        raise _RefusedError("features hold values that are no finite numbers")
    if not (np.isfinite(places).all() and np.abs(places).max() <= _FARTHEST):
        raise _RefusedError("coords hold values that are no place on a slide")
    return {**told, "dtype": values.dtype.name}, [values, places]


def _datasets(opened: Any, h5py: Any) -> dict[str, Any]:
    """What lies at the top, by name. Links that lead elsewhere are refused, whatever they are called."""
    if len(opened) > _MAX_OBJECTS:
        raise _RefusedError(f"it holds more than {_MAX_OBJECTS} objects")
    found = {}
    for name in opened:
        if not isinstance(opened.get(name, getlink=True), h5py.HardLink):
            raise _RefusedError(f"{name[:40]!r} is a link that leads elsewhere")
        found[name] = opened[name]
    return found


def _checked(dataset: Any, h5py: Any, kinds: str, bytes_there: int) -> Any:
    """The dataset, once it is found to be plain numbers that lie in this file. Reads none of them."""
    name = str(dataset.name)[1:41]
    if not isinstance(dataset, h5py.Dataset):
        raise _RefusedError(f"{name} is no array")
    if dataset.is_virtual or dataset.external:
        raise _RefusedError(f"{name} takes its numbers from other files")
    if dataset.dtype.kind not in kinds or dataset.dtype.itemsize > 8 or dataset.dtype.shape:
        raise _RefusedError(f"{name} holds no plain numbers of the right kind")
    if dataset.shape is None or len(dataset.shape) != 2:
        raise _RefusedError(f"{name} has not two axes")
    plist = dataset.id.get_create_plist()
    if any(plist.get_filter(i)[0] not in _FILTERS for i in range(plist.get_nfilters())):
        raise _RefusedError(f"{name} is packed in a way that needs a library of its own")
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > _MAX_CHUNK_BYTES:
        raise _RefusedError(f"{name} lies in pieces larger than {_MAX_CHUNK_BYTES >> 20} MB")
    if size > MAX_FEATURE_BYTES:
        raise _RefusedError(f"{name} would take {size >> 20:,} MB")
    if size > MAX_RATIO * bytes_there or size > MAX_RATIO * dataset.id.get_storage_size():
        raise _RefusedError(f"{name} claims far more numbers than the file holds")
    return dataset


def _check_shapes(features: tuple[int, ...], coords: tuple[int, ...]) -> None:
    if coords != (features[0], 2):
        raise _RefusedError(f"{features[0]} rows of features and coords of shape {coords} do not fit together")
    if not (0 < features[0] <= MAX_INSTANCES and 0 < features[1] <= MAX_FEATURES):
        raise _RefusedError(f"features of shape {features} are empty or too many")


def _layout(opened: Any, coords: Any, *, stamp: bool) -> dict[str, Any]:
    if stamp:
        if _text(opened.attrs, "unit") not in ("um", ""):
            raise _RefusedError("its unit is not um")
        side = _number(opened.attrs, "tile_size_um") or _number(opened.attrs, "tile_size")
        return {"layout": "stamp", "side": side, "encoder": _text(opened.attrs, "extractor")}
    side = _number(coords.attrs, "patch_size_level0")
    return {"layout": "clam" if side is None else "trident", "side": side, "encoder": ""}


def _number(attributes: Any, name: str) -> float | None:
    """An attribute that is one positive number; None where there is none. Raises _RefusedError for anything else."""
    value = _attribute(attributes, name)
    if value is None:
        return None
    if isinstance(value, int | float | np.number) and 0 < float(value) < _FARTHEST:
        return float(value)
    raise _RefusedError(f"{name} is no length")


def _text(attributes: Any, name: str) -> str:
    value = _attribute(attributes, name)
    return value[:60] if isinstance(value, str) else ""


def _attribute(attributes: Any, name: str) -> Any:
    if name not in attributes:
        return None
    held = attributes.get_id(name)
    if math.prod(held.shape or (1,)) > 1 or held.get_storage_size() > 1024:
        raise _RefusedError(f"{name} is larger than it can be")
    return attributes[name]
