"""OME-Zarr pictures written by the Zarr library, so that what is read here is not what was written here."""

from __future__ import annotations

import numpy as np
import zarr

from tests.coded import reduced

ORDER = "yxc"


def write_ome_zarr(
    path,
    pixels,
    *,
    version="0.5",
    axes="tczyx",
    downsamples=(1, 2, 4),
    chunk_px=128,
    colours_a_chunk=1,
    um_px=0.5,
    unit="micrometer",
    shards=False,
    compressors="auto",
    layout=False,
    pictures=None,
    whole=1.0,
):
    """`layout`: as bioformats2raw lays it out; `whole` is a scale of the multiscales beside those of the levels."""
    third = version == "0.5"
    root = zarr.open_group(path, mode="w", zarr_format=3 if third else 2)
    if layout:
        root.attrs.update(
            {"ome": {"version": version, "bioformats2raw.layout": 3}} if third else {"bioformats2raw.layout": 3}
        )
        root = root.create_group("0")
    datasets = []
    for number, picture in enumerate(pictures or [reduced(pixels, by) for by in downsamples]):
        sides = {"y": picture.shape[0], "x": picture.shape[1], "c": 3}
        chunks = {"y": chunk_px, "x": chunk_px, "c": colours_a_chunk}
        shape = tuple(sides.get(axis, 1) for axis in axes)
        chunk = tuple(min(chunks.get(axis, 1), max(sides.get(axis, 1), 1)) for axis in axes)
        array = root.create_array(
            str(number),
            shape=shape,
            chunks=chunk,
            shards=tuple(c * (2 if axis in "xy" else 1) for c, axis in zip(chunk, axes, strict=True))
            if shards
            else None,
            dtype="uint8",
            fill_value=255,
            compressors=compressors,
            chunk_key_encoding=None if third else {"name": "v2", "separator": "/"},
        )
        kept = [axis for axis in axes if axis in ORDER]
        array[:] = picture.transpose([ORDER.index(axis) for axis in kept]).reshape(shape)
        by = pixels.shape[1] / picture.shape[1]
        scale = [um_px / whole * by if axis in "xy" else 1.0 for axis in axes]
        datasets.append({"path": str(number), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    kinds = {"t": "time", "c": "channel"}
    told = [
        {"name": axis, "type": kinds.get(axis, "space")} | ({"unit": unit} if axis in "xyz" and unit else {})
        for axis in axes
    ]
    multiscales = {"axes": told, "datasets": datasets}
    if whole != 1.0:
        scale = [whole if axis in "xy" else 1.0 for axis in axes]
        multiscales["coordinateTransformations"] = [{"type": "scale", "scale": scale}]
    if third:
        root.attrs["ome"] = {"version": version, "multiscales": [multiscales]}
    else:
        root.attrs["multiscales"] = [multiscales | {"version": version}]
    return path


def rgb(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
