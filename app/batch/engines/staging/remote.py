"""Slides in an object store, by `fsspec` (the extra `remote`): which there are, and how their bytes come.

What opens a store (keys, tokens) is the client's own affair, from its own configuration or environment. Nothing of it,
nor of what the client says when something fails, is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from app.batch.engines.staging.copying import StagingError
from app.batch.engines.staging.stager import Parts
from app.batch.job import SlideJob
from app.batch.search import PassedOver
from wsi.errors import UsageError
from wsi.files.kinds import SLIDE_SUFFIXES
from wsi.text import escape

SCHEMES = ("s3", "gs")
# A path has lost one of the slashes by the time it comes here.
_ADDRESS = re.compile(r"(s3|gs):/{1,2}(?P<rest>[^/].*)")
# Of these a slide is more than its one file.
_ONE_FILE = SLIDE_SUFFIXES - {".mrxs", ".vms", ".vmu", ".dcm", ".vsi"}
_MAX_OBJECTS = 1_000_000


def is_address(path: Path) -> bool:
    return bool(_ADDRESS.fullmatch(str(path)))


def remote_jobs(path: Path, passed: PassedOver) -> Iterator[SlideJob]:
    """The slides at an address: itself, or what lies below it. Raises UsageError, whose words name no key."""
    found = _ADDRESS.fullmatch(str(path))
    if found is None or "@" in found["rest"].split("/")[0] or "?" in found["rest"]:
        raise UsageError(f"an address is like {SCHEMES[0]}://bucket/folder, without keys in it")
    scheme, rest = found[1], found["rest"].rstrip("/")
    names = [rest] if PurePosixPath(rest).suffix.lower() in SLIDE_SUFFIXES else _below(scheme, rest)
    for name in names:
        if PurePosixPath(name).suffix.lower() in SLIDE_SUFFIXES:
            yield _job(scheme, name)
        else:
            passed.endings[PurePosixPath(name).suffix.lower()] += 1


def _below(scheme: str, rest: str) -> list[str]:
    try:
        names = sorted(_store(scheme).find(rest, maxdepth=None))
    except UsageError:
        raise
    except Exception as error:  # its words may hold what is secret
        raise UsageError(
            f"{scheme}://{escape(rest)} cannot be looked through ({type(error).__name__})",
            hint="check the address, and what the store's own client needs to get in",
        ) from None
    if len(names) > _MAX_OBJECTS:
        raise UsageError(f"{scheme}://{escape(rest)} holds more than {_MAX_OBJECTS:,} objects")
    return names


def _job(scheme: str, name: str) -> SlideJob:
    address = f"{scheme}://{name}"
    suffix = PurePosixPath(name).suffix.lower()
    problem = "" if suffix in _ONE_FILE else "is more than one file: copy all of them here first"
    # A place that is the same wherever the run is started: ids hang on it.
    return SlideJob(Path(f"/{scheme}:", name), escape(address), problem=problem, remote=address)


def remote_parts(job: SlideJob) -> Parts:
    """The one file of a slide in a store."""
    return [(job.path.name, lambda: ObjectSource.of(job.remote))]


@dataclass(frozen=True)
class ObjectSource:
    """An object as it was when it was looked at first; `mark` tells it from another one under its name."""

    store: Any
    name: str
    size_bytes: int
    mark: str

    @classmethod
    def of(cls, address: str) -> ObjectSource:
        scheme, _, name = address.partition("://")
        store = _store(scheme)
        told = store.info(name)
        if told.get("type") != "file":
            raise StagingError("it is no object")
        return cls(store, name, int(told["size"]), _mark(told))

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.store.cat_file(self.name, start=offset, end=offset + length))

    def unchanged(self) -> bool:
        self.store.invalidate_cache()
        return _mark(self.store.info(self.name)) == self.mark

    def close(self) -> None:
        pass


def _mark(told: dict[str, Any]) -> str:
    return str([told.get(key) for key in ("ETag", "etag", "generation", "size", "LastModified", "updated")])


def _store(scheme: str) -> Any:
    try:
        import fsspec

        return fsspec.filesystem(scheme, use_listings_cache=False)
    except ImportError:
        raise UsageError(
            f"{scheme}:// needs the extra `remote`", hint="install it: pip install -e '.[remote]'"
        ) from None
