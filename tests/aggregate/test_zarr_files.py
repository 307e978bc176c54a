"""What our writer leaves is, byte by byte, what the Zarr library writes of the same."""

import numpy as np
import pytest
import zarr
from zarr.codecs import ZstdCodec

from aggregate.layout.zarr_files import write_array, write_group

RNG = np.random.default_rng(3)
ARRAYS = {
    "a map of three channels": (RNG.random((3, 5, 7), np.float32), None, ("c", "y", "x")),
    "its undetermined cells": (np.full((2, 4, 4), np.nan, np.float32), None, ("c", "y", "x")),
    "labels": (RNG.integers(0, 4, (300, 200), np.uint8), None, ("y", "x")),
    "nothing but the fill value": (np.zeros((9, 9), np.uint8), None, ("y", "x")),
    "one row": (RNG.random(1).astype(np.float32), 4, ()),
    "places in chunks, the last not full": (RNG.integers(0, 9999, (10, 2), np.int32), 4, ()),
    "chunks that come out even": (RNG.random((8, 3)).astype(np.float16), 4, ()),
    "numbers whose last chunk is filled with NaN": (RNG.random(9).astype(np.float32), 4, ()),
    "no rows": (np.zeros((0, 2), np.int32), 4, ()),
    "rows that do not lie side by side": (RNG.random((6, 4), np.float32).T, 3, ()),
    "big-endian numbers": (np.arange(5, dtype=">f4"), 4, ()),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_written_as_the_library_writes_it(name, tmp_path):
    values, rows, dimensions = ARRAYS[name]
    write_group(tmp_path / "ours", {"of": "ours", "value": 1.5})
    write_array(tmp_path / "ours" / "array", values, rows_per_chunk=rows, dimensions=dimensions)
    by_library(tmp_path / "theirs", values, rows, dimensions)
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")
    read = zarr.open_group(tmp_path / "ours", mode="r", zarr_format=3)["array"]
    assert read.shape == values.shape and np.array_equal(read[...], values, equal_nan=values.dtype.kind == "f")


def test_a_group_may_be_written_where_a_folder_lies(tmp_path):
    write_group(tmp_path, {"of": "ours"})
    assert dict(zarr.open_group(tmp_path, mode="r", zarr_format=3).attrs) == {"of": "ours"}


def by_library(folder, values, rows, dimensions):
    chunks = [max(1, n) for n in values.shape]
    chunks[0] = chunks[0] if rows is None else min(chunks[0], rows)
    with zarr.config.set({"array.write_empty_chunks": True}):
        root = zarr.open_group(folder, mode="w", zarr_format=3)
        root.attrs.put({"of": "ours", "value": 1.5})
        array = root.create_array(
            "array",
            shape=values.shape,
            chunks=tuple(chunks),
            dtype=values.dtype.newbyteorder("<"),
            fill_value=np.nan if values.dtype.kind == "f" else 0,
            compressors=ZstdCodec(level=3, checksum=True),
            dimension_names=dimensions or None,
        )
        if values.size:
            array[...] = values


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
