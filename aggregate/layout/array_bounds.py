"""Looks at a stored array before it is read: its type, shape, chunks and codecs must be such as the store writes, its
size bearable and every chunk no larger than it says. A few bytes of metadata could else ask for terabytes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from wsi.files.reading import open_regular, parse_json, read_regular

MAX_ARRAY_BYTES = 1 << 29
_MAX_METADATA_BYTES = 1 << 20
_CODECS = ["bytes", "zstd"]
_FILLS = (0, "NaN")
_ITEM_BYTES = {"bool": 1, "uint8": 1, "float16": 2, "int32": 4, "float32": 4}
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def check_array(
    folder: Path, data_type: str, shape: tuple[int | None, ...], rows_per_chunk: int | None
) -> tuple[int, ...]:
    """The shape of the array in `folder`, once it is found to be of `data_type` and `shape` (None: any length).

    `rows_per_chunk` bounds the first side of a chunk; None where the array is one chunk. Raises OSError, ValueError.
    """
    metadata = parse_json(read_regular(folder / "zarr.json", _MAX_METADATA_BYTES))
    if not isinstance(metadata, dict) or metadata.get("data_type") != data_type:
        raise ValueError("another type")
    found = metadata.get("shape")
    if not isinstance(found, list) or not all(type(n) is int and n >= 0 for n in found) or len(found) != len(shape):
        raise ValueError("an odd shape")
    if any(wanted not in (None, n) for wanted, n in zip(shape, found, strict=True)):
        raise ValueError("another shape")
    if math.prod(found) * _ITEM_BYTES[data_type] > MAX_ARRAY_BYTES:
        raise ValueError("too large")
    chunks = [max(1, n) for n in found]
    if rows_per_chunk is not None:
        chunks[0] = min(chunks[0], rows_per_chunk)
    _check_layout(metadata, chunks)
    _check_chunks(folder / "c", math.prod(chunks) * _ITEM_BYTES[data_type])
    return tuple(found)


def _check_layout(metadata: dict[str, Any], chunks: list[int]) -> None:
    grid, keys, codecs = (metadata.get(name) for name in ("chunk_grid", "chunk_key_encoding", "codecs"))
    if grid != {"name": "regular", "configuration": {"chunk_shape": chunks}}:
        raise ValueError("odd chunks")
    if not isinstance(keys, dict) or keys.get("name") != "default":
        raise ValueError("odd names of chunks")
    if not isinstance(codecs, list) or [isinstance(c, dict) and c.get("name") for c in codecs] != _CODECS:
        raise ValueError("odd codecs")
    if metadata.get("fill_value") not in _FILLS:
        raise ValueError("an odd fill value")
    if metadata.get("storage_transformers"):
        raise ValueError("odd storage")


def _check_chunks(folder: Path, chunk_bytes: int) -> None:
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            continue
        with open_regular(path) as file:
            if _content_bytes(file.read(18)) != chunk_bytes:
                raise ValueError("a chunk of another size")


def _content_bytes(head: bytes) -> int | None:
    """The size that a zstd frame tells of its content (RFC 8878, 3.1.1.1); None where it tells none."""
    if head[:4] != _ZSTD_MAGIC or len(head) < 6:
        return None
    single_segment, size_flag = bool(head[4] & 0x20), head[4] >> 6
    at = 5 + (not single_segment) + (0, 1, 2, 4)[head[4] & 3]
    length = (1 if single_segment else 0, 2, 4, 8)[size_flag]
    told = head[at : at + length]
    if not length or len(told) < length:
        return None
    return int.from_bytes(told, "little") + (256 if length == 2 else 0)
