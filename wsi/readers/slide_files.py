"""Which files OpenSlide reads for a slide. Headers and short texts are read, no pixel; OpenSlide is not needed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from wsi.errors import UnreadableFileError
from wsi.identity import check_regular
from wsi.readers import dicom, hamamatsu_index
from wsi.readers.beginnings import is_dicom
from wsi.readers.olympus import marks as olympus
from wsi.readers.zarr_files.folder import is_picture_folder

_MAX_FILES = 1_000_000


def slide_files(path: Path) -> tuple[Path, ...]:
    """All files that are read for the slide at `path`, sorted, `path` among them.

    MIRAX: the folder of the same name. Hamamatsu VMS and VMU: the files that the index names, in its folder only.
    DICOM: the files of the folder with the same SeriesInstanceUID; of several lights, bright field. OME-Zarr: what lies
    in the folder, which must hold no link. Olympus VSI: what holds px in the folder beside it. Everything else is one
    file.
    Raises OSError, NotAFileError, UnreadableFileError.
    """
    suffix = path.suffix.lower()
    if is_picture_folder(path):
        return tuple(sorted(_zarr_files(path)))
    others: Iterable[Path] = ()
    if suffix == ".mrxs":
        others = _mirax_files(path)
    elif suffix in hamamatsu_index.SUFFIXES:
        others = hamamatsu_index.index_files(path)
    elif olympus.is_vsi(path):
        others = olympus.frame_files(path)
    elif is_dicom(path):
        others = dicom.slide_files_of(path)
    return tuple(sorted({path, *others}))


def _zarr_files(folder: Path) -> Iterator[Path]:
    """Without the folders themselves. A slide of a million chunks is refused, and one that leads out of its folder."""
    count = 0
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            part = Path(where, name)
            if part.is_symlink():
                raise UnreadableFileError(f"{folder.name} holds a link", hint="copy what it leads to in its place")
        for name in files:
            count += 1
            if count > _MAX_FILES:
                raise UnreadableFileError(f"{folder.name} holds more than {_MAX_FILES:,} files", hint="use shards")
            check_regular(Path(where, name))
            yield Path(where, name)


def _mirax_files(path: Path) -> Iterator[Path]:
    for part in path.with_suffix("").rglob("*"):
        if part.exists() and not part.is_dir():
            check_regular(part)
            yield part
