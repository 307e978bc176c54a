"""A Zarr group by what its metadata say: whether it holds a picture, and its attributes. Knows no array."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsi.errors import NotAFileError
from wsi.identity import open_slide_file

_MAX_METADATA_BYTES = 1 << 22


class OddZarrError(ValueError):
    """What is not read here, or damaged, in a few words of ours."""


def is_picture_folder(path: Path) -> bool:
    """Whether it is a folder called `.zarr` whose group says that it holds a picture. Never raises."""
    try:
        if path.suffix.lower() != ".zarr" or not path.is_dir():
            return False
        told = read_attributes(path)
    except (OSError, ValueError):
        return False
    ome = told.get("ome", told)
    return isinstance(ome, dict) and ("multiscales" in ome or ome.get("bioformats2raw.layout") == 3)


def read_attributes(folder: Path) -> Mapping[str, Any]:
    """The attributes of a group. Raises OddZarrError."""
    for name, of in (("zarr.json", "attributes"), (".zattrs", "")):
        if (folder / name).exists():
            found = read_json(folder / name)
            return _mapping(found.get(of, {})) if of else found
    return {}


def read_json(path: Path) -> Mapping[str, Any]:
    """Metadata as they lie there. Raises OddZarrError."""
    try:
        with open_slide_file(path) as file:
            content = file.read(_MAX_METADATA_BYTES + 1)
        if len(content) > _MAX_METADATA_BYTES:
            raise OddZarrError("metadata of no sensible size")
        return _mapping(json.loads(content))
    except (OSError, NotAFileError, ValueError, RecursionError) as error:
        raise OddZarrError("its metadata cannot be read") from error


def _mapping(found: object) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise OddZarrError("its metadata are not such as Zarr has")
    return found
