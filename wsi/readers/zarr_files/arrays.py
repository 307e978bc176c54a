"""One Zarr array (version 2 or 3) as its metadata say: shape, chunks, codecs, and where a chunk lies.

The metadata come from outside. Only codecs that are known here are taken (Zarr's registry has one that unpickles), and
every size is bounded before memory is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsi.readers.zarr_files.folder import OddZarrError, read_json

MAX_CHUNK_BYTES = 1 << 26
_MAX_AXES = 5
_MAX_SIDE = 2**31 - 1
_MAX_CHUNKS = 1 << 24
PACKED = frozenset(("blosc", "gzip", "lz4", "zlib", "zstd"))


@dataclass(frozen=True)
class ZarrArray:
    """uint8, in C order. `chunks` are what is packed by itself; of a sharded array many lie in one file."""

    folder: Path
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    codec: str
    """One of PACKED, or "" where chunks lie as they are."""
    fill: int
    prefix: str
    separator: str
    shards: tuple[int, ...] = ()
    """Shape of a file's part of the array, () where each chunk has a file."""
    index_first: bool = field(default=False)

    @property
    def chunk_bytes(self) -> int:
        return math.prod(self.chunks)

    def file(self, place: Sequence[int]) -> Path:
        """Where the chunk or shard of that place lies."""
        return self.folder / (self.prefix + self.separator.join(map(str, place)))


def read_array(folder: Path) -> ZarrArray:
    """Raises OddZarrError."""
    third = (folder / "zarr.json").exists()
    told = read_json(folder / ("zarr.json" if third else ".zarray"))
    try:
        array = _third(folder, told) if third else _second(folder, told)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, OddZarrError):
            raise
        raise OddZarrError("the metadata of an array are not such as Zarr has") from error
    _check(array)
    return array


def _check(array: ZarrArray) -> None:
    parts = [array.chunks, *([array.shards] if array.shards else [])]
    if not 2 <= len(array.shape) <= _MAX_AXES or any(len(part) != len(array.shape) for part in parts):
        raise OddZarrError("an array of other axes than a picture's")
    if any(not 1 <= side <= _MAX_SIDE for part in (array.shape, *parts) for side in part):
        raise OddZarrError("an array of no sensible size")
    if array.chunk_bytes > MAX_CHUNK_BYTES:
        raise OddZarrError(f"chunks of more than {MAX_CHUNK_BYTES >> 20} MB")
    if array.shards and any(shard % chunk for shard, chunk in zip(array.shards, array.chunks, strict=True)):
        raise OddZarrError("shards that hold no whole number of chunks")
    if math.prod(-(-side // chunk) for side, chunk in zip(array.shape, array.chunks, strict=True)) > _MAX_CHUNKS:
        raise OddZarrError("more chunks than any slide has")


def _second(folder: Path, told: Mapping[str, Any]) -> ZarrArray:
    if told["zarr_format"] != 2 or told["dtype"] not in ("|u1", "<u1", ">u1", "u1"):
        raise OddZarrError("samples other than 8 bits")
    if told.get("order", "C") != "C" or told.get("filters"):
        raise OddZarrError("a layout of chunks that is not read here")
    compressor = told.get("compressor")
    return ZarrArray(
        folder,
        _sides(told["shape"]),
        _sides(told["chunks"]),
        "" if compressor is None else _known(compressor["id"]),
        _fill(told.get("fill_value")),
        "",
        _separator(told.get("dimension_separator", ".")),
    )


def _third(folder: Path, told: Mapping[str, Any]) -> ZarrArray:
    if told["zarr_format"] != 3 or told["node_type"] != "array" or told["data_type"] != "uint8":
        raise OddZarrError("samples other than 8 bits")
    grid, keys, codecs = told["chunk_grid"], told["chunk_key_encoding"], told["codecs"]
    if grid["name"] != "regular" or keys["name"] not in ("default", "v2") or told.get("storage_transformers"):
        raise OddZarrError("a layout of chunks that is not read here")
    chunks, first = _sides(grid["configuration"]["chunk_shape"]), False
    shards: tuple[int, ...] = ()
    if [codec["name"] for codec in codecs] == ["sharding_indexed"]:
        how = codecs[0]["configuration"]
        shards, chunks, codecs = chunks, _sides(how["chunk_shape"]), how["codecs"]
        first = how.get("index_location", "end") == "start"
        if [codec["name"] for codec in how["index_codecs"]] != ["bytes", "crc32c"]:
            raise OddZarrError("an index of shards that is not read here")
    default = keys["name"] == "default"
    separator = _separator(keys.get("configuration", {}).get("separator", "/" if default else "."))
    return ZarrArray(
        folder,
        _sides(told["shape"]),
        chunks,
        _one_codec(codecs),
        _fill(told["fill_value"]),
        "c" + separator if default else "",
        separator,
        shards,
        first,
    )


def _one_codec(codecs: Sequence[Mapping[str, Any]]) -> str:
    names = [codec["name"] for codec in codecs]
    if not names or names[0] != "bytes" or len(names) > 2:
        raise OddZarrError("codecs that are not read here")
    return _known(names[1]) if len(names) == 2 else ""


def _known(name: object) -> str:
    if name not in PACKED:
        raise OddZarrError("a codec that is not read here")
    return str(name)


def _sides(told: object) -> tuple[int, ...]:
    if not isinstance(told, list) or not all(type(side) is int for side in told):
        raise OddZarrError("an array of no sensible size")
    return tuple(told)


def _fill(told: object) -> int:
    if told is None:
        return 0
    if type(told) is not int or not 0 <= told <= 255:
        raise OddZarrError("a fill value that is no sample")
    return told


def _separator(told: object) -> str:
    if told not in (".", "/"):
        raise OddZarrError("a layout of chunks that is not read here")
    return str(told)
