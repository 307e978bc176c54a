"""Writes Zarr v3 groups and arrays: the few files that a result is made of, as the Zarr library writes them byte by
byte (a test holds that). A batch of small slides spent more on the library's rounds between its threads than on the
network, and a cold run a tenth of a second on loading it. Reading stays the library's affair.

Source: Zarr core specification 3.0, regular chunks, default chunk keys, codecs `bytes` and `zstd`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_METADATA = "zarr.json"
_LEVEL = 3


def write_group(folder: Path, attributes: Mapping[str, Any]) -> None:
    """A group in `folder`, which is made where it is not there yet. Raises OSError."""
    folder.mkdir(exist_ok=True)
    _describe(folder, {"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"})


def write_array(
    folder: Path, values: NDArray[Any], *, rows_per_chunk: int | None = None, dimensions: tuple[str, ...] = ()
) -> None:
    """`values` as an array in `folder`, which is made: one chunk, or chunks of `rows_per_chunk` of its first axis. All
    chunks are written, those of nothing but fill values too. Raises OSError."""
    shape = [max(1, n) for n in values.shape]
    if rows_per_chunk is not None:
        shape[0] = min(shape[0], rows_per_chunk)
    folder.mkdir()
    if values.size:
        _write_chunks(folder, values, shape)
    _describe(folder, _of_array(values, shape, dimensions))


def _write_chunks(folder: Path, values: NDArray[Any], shape: list[int]) -> None:
    from numcodecs import zstd

    inner = ["0"] * (values.ndim - 1)
    for number, start in enumerate(range(0, len(values), shape[0])):
        chunk = np.ascontiguousarray(_whole(values[start : start + shape[0]], shape), values.dtype.newbyteorder("<"))
        path = folder.joinpath("c", str(number), *inner)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The checksum makes every flipped bit an error; without it almost all pass unnoticed.
        path.write_bytes(zstd.compress(chunk.reshape(-1).view(np.uint8), _LEVEL, checksum=True))


def _whole(rows: NDArray[Any], shape: list[int]) -> NDArray[Any]:
    """The last chunk is as large as the others, what it lacks is fill values."""
    if len(rows) == shape[0]:
        return rows
    filled = np.full(shape, np.nan if rows.dtype.kind == "f" else 0, rows.dtype)
    filled[: len(rows)] = rows
    return filled


def _of_array(values: NDArray[Any], chunk_shape: list[int], dimensions: tuple[str, ...]) -> dict[str, Any]:
    # An order of bytes is told of numbers that have one.
    bytes_codec = {"name": "bytes", **({"configuration": {"endian": "little"}} if values.dtype.itemsize > 1 else {})}
    return {
        "shape": list(values.shape),
        "data_type": values.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk_shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN" if values.dtype.kind == "f" else 0,
        "codecs": [bytes_codec, {"name": "zstd", "configuration": {"level": _LEVEL, "checksum": True}}],
        "attributes": {},
        **({"dimension_names": list(dimensions)} if dimensions else {}),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def _describe(folder: Path, metadata: Mapping[str, Any]) -> None:
    (folder / _METADATA).write_text(json.dumps(metadata, indent=2), encoding="utf-8")
