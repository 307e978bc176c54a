"""A folder that is complete or absent: staging, digests, `commit.json`, one rename. Knows nothing of what is in it.

`commit.json` is written last and holds the SHA-256 of every other file; it is in one canonical form, so that a
changed byte anywhere, in itself too, shows.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from wsi.files.reading import is_folder, is_regular, open_regular, parse_json, read_regular
from wsi.files.writing import sync_file, sync_folder

COMMIT = "commit.json"
_FORMAT = 1
_MAX_BYTES = 16 << 20
_SYNCS = 8


def stage(staging_dir: Path, name: str) -> Path:
    """An empty folder of our own, `name` with a tail that no other process has. Follows no link. Raises OSError."""
    staging_dir.mkdir(parents=True, exist_ok=True)
    if not is_folder(staging_dir):
        raise OSError(errno.ENOTDIR, f"{staging_dir.name} is not a folder of ours")
    folder = staging_dir / f"{name}~{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir()
    return folder


def seal(folder: Path, **facts: str) -> None:
    """Syncs every file of a staged folder to disk and writes `commit.json` with their digests, sizes and `facts`."""
    paths = _files(folder)
    _all_at_once(sync_file, paths)
    files = {path.relative_to(folder).as_posix(): _sha256(path) for path in paths}
    _all_at_once(sync_folder, sorted({path.parent for path in paths} - {folder}))
    commit = folder / COMMIT
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    commit.write_bytes(_canonical({"format": _FORMAT, "files": files, "sizes": sizes, **facts}))
    sync_file(commit)
    sync_folder(folder)


def publish(staged: Path, target: Path) -> None:
    """Moves a sealed folder to its place. An older one is set aside first: no rename replaces a full folder."""
    if target.is_symlink() or target.exists():
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


def discard(staged: Path) -> None:
    """Removes a staged folder whose writing failed, as well as it can be; says nothing of what stays."""
    if is_folder(staged):
        import shutil

        shutil.rmtree(staged, ignore_errors=True)


def _all_at_once(sync: Callable[[Path], None], paths: Sequence[Path]) -> None:
    """A file system writes its journal once for all that wait for it, and once for each that comes alone: some thirty
    small files took five times as long one after another. Raises OSError."""
    from concurrent.futures import ThreadPoolExecutor  # `run`'s first process looks at results and writes none

    with ThreadPoolExecutor(_SYNCS) as pool:
        for _ in pool.map(sync, paths):
            pass


def is_committed(folder: Path) -> bool:
    return is_folder(folder) and is_regular(folder / COMMIT)


def read(folder: Path) -> Mapping[str, Any]:
    """The content of `commit.json`. Raises OSError, ValueError."""
    return _parsed(read_regular(folder / COMMIT, _MAX_BYTES))


def fingerprint(folder: Path) -> str:
    """SHA-256 of `commit.json`: it holds the digest of every other file, so it stands for them all. Raises OSError."""
    return hashlib.sha256(read_regular(folder / COMMIT, _MAX_BYTES)).hexdigest()


def verify(folder: Path, parts: Sequence[str] = ()) -> list[str]:
    """Each missing, changed or added file of a committed folder, a line each; where `parts` are given, of those files
    and folders alone."""
    commit, problems = _checked(folder)
    if commit is None:
        return problems
    try:
        found = {name for name in _sizes(folder) if name.rpartition("/")[2] != COMMIT}
    except OSError as error:
        return [f"cannot be looked through ({error.strerror})"]
    expected: Mapping[str, str] = commit["files"]
    if parts:
        found = {name for name in found if _within(name, parts)}
        expected = {name: digest for name, digest in expected.items() if _within(name, parts)}
    problems = _missing_or_added(expected, found)
    for name in sorted(expected.keys() & found):
        problems += _altered(folder / name, name, expected[name])
    return problems


def look_over(folder: Path, read: Sequence[str] = ()) -> list[str]:
    """As `verify`, by names and sizes: of the files only those in `read` are opened. Bytes that were changed in the
    others and left their number do not show; nor does a size in folders that were committed before sizes were kept,
    but where nothing is left."""
    commit, problems = _checked(folder)
    if commit is None:
        return problems
    try:
        found = {name: size for name, size in _sizes(folder).items() if name.rpartition("/")[2] != COMMIT}
    except OSError as error:
        return [f"cannot be looked through ({error.strerror})"]
    expected: Mapping[str, str] = commit["files"]
    problems = _missing_or_added(expected, found.keys())
    for name in sorted(expected.keys() & found.keys()):
        size = commit.get("sizes", {}).get(name)
        if found[name] != size if size is not None else found[name] <= 0:
            problems.append(f"{name} was altered")
        elif name in read:
            problems += _altered(folder / name, name, expected[name])
    return problems


def _checked(folder: Path) -> tuple[Mapping[str, Any] | None, list[str]]:
    """What was committed, or None and what is wrong with `commit.json`."""
    if not is_folder(folder):
        return None, ["is not a folder"]
    try:
        raw = read_regular(folder / COMMIT, _MAX_BYTES)
        commit = _parsed(raw)
    except FileNotFoundError:
        return None, [f"{COMMIT} is missing: the result was never completed"]
    except OSError as error:
        return None, [f"{COMMIT} cannot be read ({error.strerror})"]
    except ValueError:
        return None, [f"{COMMIT} is damaged"]
    body = {key: value for key, value in commit.items() if key != "sha256"}
    return (commit, []) if _canonical(body) == raw else (None, [f"{COMMIT} is damaged"])


def _missing_or_added(expected: Mapping[str, str], found: Set[str]) -> list[str]:
    missing = [f"{name} is missing" for name in sorted(expected.keys() - found)]
    return missing + [f"{name} was added" for name in sorted(found - expected.keys())]


def _altered(path: Path, name: str, digest: str) -> list[str]:
    try:
        return [] if _sha256(path) == digest else [f"{name} was altered"]
    except OSError as error:
        return [f"{name} cannot be read ({error.strerror})"]


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file below a folder, by name; -1 for a link and for what is no file. Raises OSError."""
    found: dict[str, int] = {}
    folders = [""]
    while folders:
        inside = folders.pop()
        with os.scandir(f"{folder}/{inside}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{inside}{entry.name}/")
                else:
                    facts = entry.stat(follow_symlinks=False)
                    found[f"{inside}{entry.name}"] = facts.st_size if stat.S_ISREG(facts.st_mode) else -1
    return found


def _within(name: str, parts: Sequence[str]) -> bool:
    return any(name == part or name.startswith(f"{part}/") for part in parts)


def _parsed(raw: bytes) -> Mapping[str, Any]:
    commit = parse_json(raw)
    files, sizes = (commit.get("files"), commit.get("sizes", {})) if isinstance(commit, dict) else (None, None)
    if not isinstance(files, dict) or not all(isinstance(digest, str) for digest in files.values()):
        raise ValueError(f"{COMMIT} is malformed")
    if not isinstance(sizes, dict) or not all(isinstance(size, int) for size in sizes.values()):
        raise ValueError(f"{COMMIT} is malformed")
    return commit


def _canonical(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True, indent=1)
    own = hashlib.sha256(text.encode()).hexdigest()
    return (json.dumps({**body, "sha256": own}, sort_keys=True, indent=1) + "\n").encode()


def _files(folder: Path) -> list[Path]:
    """Sorted. A link is listed as a file: it was not there when the folder was sealed, so it shows as added. Raises
    OSError."""
    return sorted(folder / name for name in _sizes(folder))


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(folder: Path) -> None:
    import shutil

    if is_folder(folder):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        folder.unlink(missing_ok=True)
