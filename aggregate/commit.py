"""A folder that is complete or absent: staging, digests, `commit.json`, one rename. Knows nothing of what is in it.

`commit.json` is written last and holds the SHA-256 of every other file; it is in one canonical form, so that a
changed byte anywhere, in itself too, shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi.files.writing import sync_file, sync_folder

COMMIT = "commit.json"
_FORMAT = 1


def stage(staging_dir: Path, name: str) -> Path:
    """An empty folder of our own; `name` with a tail that no other process has."""
    folder = staging_dir / f"{name}~{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    return folder


def seal(folder: Path, **facts: str) -> None:
    """Syncs every file of a staged folder to disk and writes `commit.json` with their digests and `facts`."""
    files = {}
    for path in _files(folder):
        sync_file(path)
        files[path.relative_to(folder).as_posix()] = _sha256(path)
    for directory in sorted({path.parent for path in _files(folder)} - {folder}):
        sync_folder(directory)
    commit = folder / COMMIT
    commit.write_bytes(_canonical({"format": _FORMAT, "files": files, **facts}))
    sync_file(commit)
    sync_folder(folder)


def publish(staged: Path, target: Path) -> None:
    """Moves a sealed folder to its place. An older one is set aside first: no rename replaces a full folder."""
    if target.exists():
        aside = staged.with_name(f"{staged.name}.old")
        target.rename(aside)
        try:
            staged.rename(target)
        except OSError:
            aside.rename(target)
            raise
        _remove(aside)
    else:
        staged.rename(target)
    sync_folder(target.parent)


def is_committed(folder: Path) -> bool:
    return (folder / COMMIT).is_file()


def read(folder: Path) -> Mapping[str, Any]:
    """The content of `commit.json`. Raises OSError, ValueError."""
    commit = json.loads((folder / COMMIT).read_text(encoding="utf-8"))
    if not isinstance(commit, dict) or not isinstance(commit.get("files"), dict):
        raise ValueError(f"{COMMIT} is malformed")
    return commit


def verify(folder: Path) -> list[str]:
    """Each missing, changed or added file of a committed folder, a line each."""
    if not folder.is_dir():
        return ["is not a folder"]
    try:
        raw = (folder / COMMIT).read_bytes()
        commit = read(folder)
    except OSError:
        return [f"{COMMIT} is missing: the result was never completed"]
    except ValueError:
        return [f"{COMMIT} is damaged"]
    body = {key: value for key, value in commit.items() if key != "sha256"}
    if _canonical(body) != raw:
        return [f"{COMMIT} is damaged"]
    found = {path.relative_to(folder).as_posix(): path for path in _files(folder) if path.name != COMMIT}
    expected: Mapping[str, str] = commit["files"]
    problems = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    problems += [f"{name} was added" for name in sorted(found.keys() - expected.keys())]
    for name in sorted(expected.keys() & found.keys()):
        try:
            if _sha256(found[name]) != expected[name]:
                problems.append(f"{name} was altered")
        except OSError as error:
            problems.append(f"{name} cannot be read ({error.strerror})")
    return problems


def digest_of(attributes: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over JSON attributes and named arrays (type, shape, bytes), in a fixed order."""
    digest = hashlib.sha256(json.dumps(attributes, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _canonical(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True, indent=1)
    own = hashlib.sha256(text.encode()).hexdigest()
    return (json.dumps({**body, "sha256": own}, sort_keys=True, indent=1) + "\n").encode()


def _files(folder: Path) -> list[Path]:
    # A link is listed as a file: it was not there when the folder was sealed, so it shows as added.
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
