"""Which files make up a slide, and one digest over all of them. Reads bytes only; no pixel is decoded."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from wsi.errors import UnreadableFileError

# A Hamamatsu index is a short list of names; a larger one is no index.
_MAX_INDEX_BYTES = 1 << 20
_MAX_DICOM_FILES = 10_000
_PIECE_BYTES = 1 << 20


def slide_files(path: Path) -> tuple[Path, ...]:
    """All files that OpenSlide reads for the slide at `path`, sorted, `path` among them.

    MIRAX: the folder of the same name. Hamamatsu VMS and VMU: the files that the index names, in its folder only.
    DICOM: the files of the folder with the same SeriesInstanceUID. Everything else is one file.
    """
    suffix = path.suffix.lower()
    others: Iterator[Path] = iter(())
    if suffix == ".mrxs":
        others = (part for part in path.with_suffix("").rglob("*") if part.is_file())
    elif suffix in (".vms", ".vmu"):
        others = _hamamatsu_files(path)
    elif suffix == ".dcm" or _is_dicom(path):
        others = _dicom_series(path)
    return tuple(sorted({path, *others}))


def fingerprint(path: Path, stop: Event | None = None) -> str:
    """SHA-256 (64 hex digits) of the slide's file; of several, over their sorted lines ``name  digest``.

    Names are relative to the slide's folder, so a slide that moved as a whole keeps its fingerprint.
    Raises UnreadableFileError, also soon after `stop` is set.
    """
    try:
        files = slide_files(path)
        if len(files) == 1:
            return _sha256(path, stop)
        lines = [f"{file.relative_to(path.parent).as_posix()}  {_sha256(file, stop)}\n" for file in files]
    except OSError as error:
        raise UnreadableFileError(f"{path.name} cannot be read to the end ({error.strerror})") from error
    return hashlib.sha256("".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def fingerprint_meanwhile(path: Path) -> Iterator[Future[str]]:
    """The fingerprint as it is being taken on a thread of its own; given up where the `with` ends before."""
    stop = Event()
    with ThreadPoolExecutor(1, thread_name_prefix="fingerprint") as pool:
        try:
            yield pool.submit(fingerprint, path, stop)
        finally:
            stop.set()


def _sha256(path: Path, stop: Event | None) -> str:
    digest, piece = hashlib.sha256(), memoryview(bytearray(_PIECE_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            if stop is not None and stop.is_set():
                raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
            digest.update(piece[:count])
    return digest.hexdigest()


def _hamamatsu_files(index: Path) -> Iterator[Path]:
    """Files named by ``ImageFile=``, ``MapFile=`` and ``OptimisationFile=`` lines; none outside the folder."""
    with index.open("rb") as file:
        text = file.read(_MAX_INDEX_BYTES).decode("utf-8", "replace")
    for name in re.findall(r"^(?:ImageFile|MapFile|OptimisationFile)[^=\r\n]*=(.+?)\s*$", text, re.MULTILINE):
        part = index.parent / name.strip()
        if part.parent == index.parent and part.is_file():
            yield part


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _dicom_series(path: Path) -> Iterator[Path]:
    series = _series_uid(path)
    if series is None:
        return
    for count, part in enumerate(sorted(path.parent.iterdir())):
        if count >= _MAX_DICOM_FILES:
            raise UnreadableFileError(f"{path.name} lies in a folder of more than {_MAX_DICOM_FILES} files")
        if part.is_file() and _is_dicom(part) and _series_uid(part) == series:
            yield part


def _series_uid(path: Path) -> str | None:
    import pydicom

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
    # A damaged neighbour is no part of this series; pydicom raises nearly anything on one.
    except Exception:
        return None
    return str(header.get("SeriesInstanceUID", "")) or None
