"""What OME says of a Zarr group: which arrays are levels of one picture, their axes, and what a px measures.

OME-Zarr 0.4 (Zarr 2) and 0.5 (Zarr 3), also as bioformats2raw lays it out. No pixel is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsi.metadata import number
from wsi.readers.tiff.description import um_per_unit
from wsi.readers.zarr_files.arrays import ZarrArray, read_array
from wsi.readers.zarr_files.folder import OddZarrError, read_attributes

VERSIONS = ("0.4", "0.5")
_MAX_LEVELS = 64
_AXES = frozenset("tczyx")
# A path inside the folder, and no way out of it.
_INSIDE = re.compile(r"(?!\.)[A-Za-z0-9_. -]{1,64}(?:/(?!\.)[A-Za-z0-9_. -]{1,64}){0,7}")


@dataclass(frozen=True)
class Picture:
    """The levels of a picture, in the file's order; `axes` are their names, `um_px` (x, y) of the first if told.

    `downsamples` are told by scale, in the same order, or None.
    """

    version: str
    axes: str
    levels: tuple[ZarrArray, ...]
    um_px: tuple[float, float] | None
    downsamples: tuple[float, ...] | None


def read_picture(folder: Path) -> Picture:
    """The first picture of an OME-Zarr folder. Raises OddZarrError."""
    told = read_attributes(folder)
    ome = told.get("ome", told)
    if isinstance(ome, dict) and "multiscales" not in ome and ome.get("bioformats2raw.layout") == 3:
        folder /= "0"
        told = read_attributes(folder)
        ome = told.get("ome", told)
    try:
        first = ome["multiscales"][0]
        version = str(ome.get("version") or first.get("version") or "")
        return _picture(folder, version, first)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise OddZarrError("its multiscales are not such as OME-Zarr has") from error


def _picture(folder: Path, version: str, told: Mapping[str, Any]) -> Picture:
    if version not in VERSIONS:
        raise OddZarrError(f"a version of OME-Zarr other than {' and '.join(VERSIONS)}")
    axes = "".join(str(axis["name"]) for axis in told["axes"])
    if len(axes) != len(told["axes"]) or not set(axes) <= _AXES or len(set(axes)) != len(axes) or "yx" not in axes:
        raise OddZarrError("axes other than a picture's")
    datasets = told["datasets"]
    if not 1 <= len(datasets) <= _MAX_LEVELS:
        raise OddZarrError("no sensible number of levels")
    levels = tuple(_level(folder, dataset["path"], axes) for dataset in datasets)
    whole = _scale(told.get("coordinateTransformations", ()), axes)
    scales = [_scale(dataset.get("coordinateTransformations", ()), axes) for dataset in datasets]
    return Picture(version, axes, levels, _um_px(told["axes"], axes, scales[0], whole), _downsamples(scales))


def _level(folder: Path, path: object, axes: str) -> ZarrArray:
    if not isinstance(path, str) or not _INSIDE.fullmatch(path):
        raise OddZarrError("a level that lies outside of its folder")
    array = read_array(folder / path)
    sides = dict(zip(axes, array.shape, strict=False))
    if len(array.shape) != len(axes) or sides.get("c") != 3 or any(sides.get(axis, 1) != 1 for axis in "tz"):
        raise OddZarrError("a picture other than one plane of three colours")
    return array


def _scale(transformations: object, axes: str) -> dict[str, float] | None:
    """um or other units a px by axis, as the first `scale` says; None where there is none."""
    if not isinstance(transformations, Sequence):
        raise OddZarrError("a scale that is none")
    for one in transformations:
        if one.get("type") == "scale":
            sides = [number(str(side), 0) for side in one["scale"]]
            if len(sides) != len(axes) or any(not side for side in sides):
                raise OddZarrError("a scale that is none")
            return {axis: float(side or 0) for axis, side in zip(axes, sides, strict=True)}
    return None


def _um_px(
    told: Sequence[Mapping[str, Any]], axes: str, scale: dict[str, float] | None, whole: dict[str, float] | None
) -> tuple[float, float] | None:
    units = {axis: um_per_unit(str(one.get("unit") or "")) for axis, one in zip(axes, told, strict=True)}
    across, down = units["x"], units["y"]
    if scale is None or across is None or down is None:
        return None
    more = whole or dict.fromkeys(axes, 1.0)
    return scale["x"] * more["x"] * across, scale["y"] * more["y"] * down


def _downsamples(scales: Sequence[dict[str, float] | None]) -> tuple[float, ...] | None:
    if any(scale is None for scale in scales):
        return None
    first = scales[0] or {}
    return tuple(sum(scale[axis] / first[axis] for axis in "xy") / 2 for scale in scales if scale)
