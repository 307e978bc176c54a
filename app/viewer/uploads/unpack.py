"""A slide of several files that came as a zip: MIRAX or one DICOM series. Hostile until proved.

Nothing of an entry's name is used but, in a MIRAX folder, names that its index refers to, and those only where they are
plain. What is written is counted as it is written: an archive's own figures are its maker's word.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from wsi.errors import CorruptSlideError, SlideTooLargeError, UnsafeArchiveError, UnsupportedSlideError
from wsi.files.parts import slides_of
from wsi.files.reading import open_regular

MAX_ENTRIES = 5000
# Slides hold pictures that are compressed already; only texts and indexes shrink.
MAX_RATIO = 20
_GRACE_BYTES = 16 << 20
_PIECE = 1 << 20
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9 ._-]{0,79}")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")
_CHOOSE = "pack the files of one slide, MRXS with its folder or one DICOM series, into a plain zip"


def unpack_slide(archive: Path, folder: Path, stem: str, max_bytes: int) -> tuple[str, Path]:
    """(``MIRAX`` or ``DICOM``, the file to open), written to `folder` under names that begin with `stem`.

    Raises UnsafeArchiveError, SlideTooLargeError, CorruptSlideError, UnsupportedSlideError.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = _checked(packed.infolist(), max_bytes)
            budget = _Budget(min(max_bytes, MAX_RATIO * archive.stat().st_size + _GRACE_BYTES))
            indexes = [path for path in entries if path.suffix.lower() == ".mrxs"]
            if indexes:
                return "MIRAX", _unpack_mirax(packed, entries, indexes, folder / f"{stem}.mrxs", budget)
            return "DICOM", _unpack_dicom(packed, entries, folder, stem, budget)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError, OSError) as error:
        raise CorruptSlideError("the archive is damaged", hint=_CHOOSE) from error


class _Budget:
    """Bytes that may still be written."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise SlideTooLargeError("the archive unpacks to more than it may", hint=_CHOOSE)


Entries = dict[PurePosixPath, zipfile.ZipInfo]


def _checked(found: list[zipfile.ZipInfo], max_bytes: int) -> Entries:
    """The files of an archive by their paths; folders are left out. Raises UnsafeArchiveError for one that could lead
    out of the archive, or is no file."""
    if len(found) > MAX_ENTRIES:
        raise UnsafeArchiveError(f"the archive holds more than {MAX_ENTRIES} files", hint=_CHOOSE)
    if sum(max(0, entry.file_size) for entry in found) > max_bytes:
        raise SlideTooLargeError("the archive unpacks to more than it may", hint=_CHOOSE)
    entries: Entries = {}
    for entry in found:
        path = PurePosixPath(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if "\\" in entry.filename or path.is_absolute() or ".." in path.parts or ":" in entry.filename:
            raise UnsafeArchiveError("the archive holds a path that leads out of it", hint=_CHOOSE)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnsafeArchiveError("the archive holds a link or a device", hint=_CHOOSE)
        if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
            raise UnsafeArchiveError("the archive is encrypted or packed in an unusual way", hint=_CHOOSE)
        if path in entries:
            raise UnsafeArchiveError("the archive holds a file twice", hint=_CHOOSE)
        if not entry.is_dir() and kind != stat.S_IFDIR:
            entries[path] = entry
    return entries


def _unpack_mirax(
    packed: zipfile.ZipFile, entries: Entries, indexes: list[PurePosixPath], target: Path, budget: _Budget
) -> Path:
    if len(indexes) > 1:
        raise UnsupportedSlideError("the archive holds more than one slide", hint=_CHOOSE)
    beside = indexes[0].with_suffix("")
    parts = {path: entry for path, entry in entries.items() if path.parent == beside}
    if not any(path.name == "Slidedat.ini" for path in parts):
        raise UnsupportedSlideError("the archive holds an MRXS file without its folder", hint=_CHOOSE)
    folder = target.with_suffix("")
    folder.mkdir()
    for path, entry in parts.items():
        if not _PLAIN.fullmatch(path.name):
            raise UnsafeArchiveError("a file of the slide has an unusual name", hint=_CHOOSE)
        _write(packed, entry, folder / path.name, budget)
    _write(packed, entries[indexes[0]], target, budget)
    return target


def _unpack_dicom(packed: zipfile.ZipFile, entries: Entries, folder: Path, stem: str, budget: _Budget) -> Path:
    """The instances under names of ours; the one that stands for the slide is the one to open."""
    written: list[Path] = []
    for entry in entries.values():
        with packed.open(entry) as source:
            head = source.read(132)
        if head[128:] == b"DICM":
            written.append(folder / f"{stem}-{len(written) + 1:04d}.dcm")
            _write(packed, entry, written[-1], budget)
        elif head.startswith(_ARCHIVES):
            raise UnsafeArchiveError("the archive holds another archive", hint=_CHOOSE)
    standing = {slide for slide in slides_of(written).values() if _is_image(slide)}
    if len(standing) != 1:
        many = "more than one slide" if standing else "neither an MRXS slide nor a DICOM series"
        raise UnsupportedSlideError(f"the archive holds {many}", hint=_CHOOSE)
    return standing.pop().rename(folder / f"{stem}.dcm")


def _is_image(path: Path) -> bool:
    from wsi.readers.dicom.series import read_header

    return read_header(path) is not None


def _write(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, budget: _Budget) -> None:
    with packed.open(entry) as source, target.open("xb") as file:
        first = True
        while piece := source.read(_PIECE):
            if first and piece.startswith(_ARCHIVES):
                raise UnsafeArchiveError("the archive holds another archive", hint=_CHOOSE)
            first = False
            budget.spend(len(piece))
            file.write(piece)
    with open_regular(target):
        pass
