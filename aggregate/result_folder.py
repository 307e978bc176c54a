"""Where results stand in an output: their folders' names, which are complete, what is staged, what each says of itself.

No array is read here, and NumPy not loaded: `run` looks at many results and computes nothing of them. The rest of the
store, and the arrays, are `aggregate.store`'s.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from aggregate.layout import commit
from aggregate.layout.attributes import check_attributes, is_slide_id
from wsi.errors import StoreError
from wsi.files.reading import is_folder, parse_json, read_regular
from wsi.text import visible

SUFFIX = ".zarr"
STAGING = ".staging"
SCHEMA = 1
_MAX_METADATA_BYTES = 16 << 20


def result_path(out_dir: Path, slide_id: str) -> Path:
    return out_dir / f"{slide_id}{SUFFIX}"


def stored_results(out_dir: Path, besides: Collection[str] = ()) -> list[Path]:
    """The complete results of a folder, sorted by name, but for the slides `besides`, which are not looked at; none
    where there is no folder."""
    found = (path for path in out_dir.glob(f"*{SUFFIX}") if path.name.removesuffix(SUFFIX) not in besides)
    return sorted(path for path in found if is_complete(path))


def is_complete(path: Path) -> bool:
    """Whether a result was committed here, under a name that a slide can have; if it is whole, `verify` says."""
    return is_slide_id(path.name.removesuffix(SUFFIX)) and commit.is_committed(path)


def stamp(path: Path) -> int:
    """A number that changes when a result is written again; 0 where there is none."""
    try:
        return (path / commit.COMMIT).stat().st_mtime_ns
    except OSError:
        return 0


def clear_staging(out_dir: Path, slide_id: str) -> None:
    """Removes what killed runs left of this slide. Call only while no other run works on it."""
    for path in staged_folders(out_dir):
        if path.name.rpartition("~")[0] == slide_id:
            shutil.rmtree(path, ignore_errors=True)  # never through a link


def staged_folders(out_dir: Path) -> list[Path]:
    """What runs have staged, or left; nothing where the staging folder is none of ours."""
    return sorted(path for path in (out_dir / STAGING).glob("*~*") if is_folder(path.parent) and is_folder(path))


def committed_digest(path: Path) -> str:
    """The result digest that a result was committed with. Raises StoreError."""
    try:
        return str(commit.read(path)["result_sha256"])
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path.name} was never completed") from error


def committed_digests(path: Path) -> dict[str, str]:
    """`result_sha256`, of what was found, and `commit_sha256`, of every file as it was written. Raises StoreError."""
    digest = committed_digest(path)
    try:
        return {"result_sha256": digest, "commit_sha256": commit.fingerprint(path)}
    except OSError as error:
        raise StoreError(f"{path.name} was never completed") from error


def altered(path: Path) -> list[str]:
    """Each missing, changed or added file of a stored result, a line each. Every byte is read, and no array decoded."""
    return commit.verify(path)


def look_over(path: Path) -> list[str]:
    """What is wrong with a stored result by the names and sizes of its files and by what it says of itself, a line
    each; its arrays are not read, as `aggregate.store.verify` does."""
    problems = commit.look_over(path, read=["zarr.json"])
    if not problems:
        try:
            load_summary(path)
        except StoreError as error:
            return [error.detail]
    return problems


def load_summary(path: Path) -> Mapping[str, Any]:
    """The `pulmoscope` attributes alone (call, probabilities, QC, provenance), without the arrays."""
    try:
        attributes = parse_json(read_regular(path / "zarr.json", _MAX_METADATA_BYTES))["attributes"]["pulmoscope"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path.name} is no pulmoscope result") from error
    if not isinstance(attributes, dict) or attributes.get("schema") != SCHEMA:
        raise StoreError(f"{path.name} was written by another version of the store")
    try:
        check_attributes(attributes)
    except ValueError as error:
        raise StoreError(f"{path.name} is no whole result: {visible(str(error))} is not as it was written") from error
    return attributes
