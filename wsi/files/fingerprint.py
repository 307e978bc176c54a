"""One digest over all files of a slide. Reads bytes only; no pixel is decoded, and which files they are others know."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from wsi.errors import UnreadableFileError
from wsi.identity import FileIdentity, open_slide_file
from wsi.readers.slide_files import slide_files

if TYPE_CHECKING:
    from concurrent.futures import Future

_PIECE_BYTES = 1 << 20
_known: dict[Path, tuple[FileIdentity, str]] = {}


def fingerprint(path: Path, stop: Event | None = None) -> str:
    """SHA-256 (64 hex digits) of the slide's file; of several, over their sorted lines ``name  digest``.

    Names are relative to the slide's folder (an OME-Zarr is a folder itself), so a slide that moved as a whole keeps
    its fingerprint. Raises NotAFileError, UnreadableFileError; the latter also soon after `stop` is set.
    """
    try:
        files = slide_files(path)
        if files == (path,):
            return _sha256(path, stop)
        base = path if path.is_dir() else path.parent
        lines = [f"{file.relative_to(base).as_posix()}  {_sha256(file, stop)}\n" for file in files]
    except OSError as error:
        raise UnreadableFileError(f"{path.name} cannot be read to the end ({error.strerror})") from error
    return hashlib.sha256("".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def fingerprint_meanwhile(path: Path) -> Iterator[Future[str]]:
    """The fingerprint as it is being taken on a thread of its own; given up where the `with` ends before."""
    from concurrent.futures import ThreadPoolExecutor  # the process that hands slides out has no use for threads

    stop = Event()
    with ThreadPoolExecutor(1, thread_name_prefix="fingerprint") as pool:
        try:
            yield pool.submit(fingerprint, path, stop)
        finally:
            stop.set()


@contextmanager
def digests_known(digests: Mapping[Path, str]) -> Iterator[None]:
    """Inside, those files are not read for their digest, as long as they stay what they are now: it was taken when they
    were written here. Raises OSError."""
    _known.update({path: (FileIdentity.of(path), sha256) for path, sha256 in digests.items()})
    try:
        yield
    finally:
        for path in digests:
            _known.pop(path, None)


def _sha256(path: Path, stop: Event | None) -> str:
    if path in _known and FileIdentity.of(path) == _known[path][0]:
        return _known[path][1]
    digest, piece = hashlib.sha256(), memoryview(bytearray(_PIECE_BYTES))
    with open_slide_file(path) as file:
        while count := file.readinto(piece):
            if stop is not None and stop.is_set():
                raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
            digest.update(piece[:count])
    return digest.hexdigest()
