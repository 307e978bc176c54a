"""The bytes of one chunk of a Zarr array, unpacked: exactly as many as it must have, or none."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wsi.identity import open_slide_fd
from wsi.readers.zarr_files.arrays import ZarrArray
from wsi.readers.zarr_files.folder import OddZarrError

_NONE = 2**64 - 1
_MAX_SHARD_CHUNKS = 1 << 20
# What packing may add to bytes that cannot be packed.
_SLACK_BYTES = 1 << 16


def read_chunk(array: ZarrArray, place: Sequence[int]) -> NDArray[np.uint8] | None:
    """The chunk of that place, of `array.chunks`' shape; None where it was never written, and holds the fill value.

    Raises OddZarrError, OSError, NotAFileError.
    """
    packed = _from_shard(array, place) if array.shards else _whole_file(array, place)
    if packed is None:
        return None
    pixels = _unpacked(array.codec, packed, array.chunk_bytes)
    return np.frombuffer(pixels, np.uint8).reshape(array.chunks)


def _whole_file(array: ZarrArray, place: Sequence[int]) -> bytes | None:
    try:
        fd = open_slide_fd(array.file(place))
    except FileNotFoundError:
        return None
    try:
        return _piece(fd, 0, os.fstat(fd).st_size, array)
    finally:
        os.close(fd)


def _from_shard(array: ZarrArray, place: Sequence[int]) -> bytes | None:
    per_shard = [shard // chunk for shard, chunk in zip(array.shards, array.chunks, strict=True)]
    count = int(np.prod(per_shard, dtype=object))
    if count > _MAX_SHARD_CHUNKS:
        raise OddZarrError("more chunks in a shard than any slide has")
    shard, inside = zip(*(divmod(at, chunks) for at, chunks in zip(place, per_shard, strict=True)), strict=True)
    try:
        fd = open_slide_fd(array.file(shard))
    except FileNotFoundError:
        return None
    try:
        size, index = os.fstat(fd).st_size, 16 * count + 4
        number = int(np.ravel_multi_index(inside, per_shard))
        if size < index:
            raise OddZarrError("a shard without its index")
        entry = os.pread(fd, 16, 16 * number + (0 if array.index_first else size - index))
        offset, length = struct.unpack("<QQ", entry)
        return None if offset == length == _NONE else _piece(fd, offset, length, array)
    finally:
        os.close(fd)


def _piece(fd: int, offset: int, length: int, array: ZarrArray) -> bytes:
    if length > array.chunk_bytes + array.chunk_bytes // 8 + _SLACK_BYTES or offset > 2**62:
        raise OddZarrError("a chunk that is larger than what it holds")
    data = os.pread(fd, length, offset)
    if len(data) != length:
        raise OddZarrError("a chunk that ends early")
    return data


def _unpacked(codec: str, packed: bytes, expected: int) -> bytes | NDArray[np.uint8]:
    if codec in ("gzip", "zlib"):
        pixels: bytes | NDArray[np.uint8] = _inflated(packed, expected)
    elif codec:
        pixels = _by_numcodecs(codec, packed, expected)
    else:
        pixels = packed
    if len(pixels) != expected:
        raise OddZarrError("a chunk of another size than its array says")
    return pixels


def _inflated(packed: bytes, expected: int) -> bytes:
    inflating = zlib.decompressobj(32 + zlib.MAX_WBITS)  # either head
    try:
        pixels = inflating.decompress(packed, expected + 1)
    except zlib.error as error:
        raise OddZarrError("a damaged chunk") from error
    if not inflating.eof:
        raise OddZarrError("a damaged chunk")
    return pixels


def _by_numcodecs(codec: str, packed: bytes, expected: int) -> NDArray[np.uint8]:
    """Into memory of ours. What a chunk claims to hold is looked at first, where its head tells."""
    from numcodecs import blosc, lz4, zstd

    told = {"blosc": packed[4:8], "lz4": packed[:4]}.get(codec)
    if told is not None and (len(packed) < 16 or int.from_bytes(told, "little") != expected):
        raise OddZarrError("a chunk of another size than its array says")
    into = np.zeros(expected, np.uint8)
    try:
        {"blosc": blosc, "lz4": lz4, "zstd": zstd}[codec].decompress(packed, into)
    except (RuntimeError, ValueError, TypeError) as error:
        raise OddZarrError("a damaged chunk") from error
    return into
