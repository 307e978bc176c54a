"""Which slide a file is a part of: of a DICOM series, of a Hamamatsu index, of a MIRAX or Olympus folder.

Headers and short texts are read, no pixel; OpenSlide is not needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from wsi.errors import SlideError
from wsi.readers import dicom, hamamatsu_index
from wsi.readers.beginnings import is_dicom
from wsi.readers.olympus.marks import vsi_of_part


def slides_of(paths: Iterable[Path]) -> dict[Path, Path]:
    """For each of `paths` the file that stands for its slide: itself, or the slide that it is a part of.

    DICOM: the largest volume of the series; also for its label and overview. The pictures that a VMS or VMU names, the
    macro picture too: that index. What lies in a MIRAX or Olympus folder: the ``.mrxs`` or ``.vsi`` beside it. Never
    raises: what cannot be looked at stands for itself, and fails where it is opened.
    """
    folders: dict[Path, _Folder] = {}
    return {path: _slide_of(path, folders.setdefault(path.parent, _Folder(path.parent))) for path in paths}


class _Folder:
    """What is known of a folder after one look at it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def of_series(self) -> dict[str, Path]:
        """The file that stands for the slide of each DICOM series in it."""
        return dicom.slides_of_series(dicom.series_of_folder(self._folder))

    @cached_property
    def indexed(self) -> dict[Path, Path]:
        """The pictures of each index in it."""
        found: dict[Path, Path] = {}
        for index in sorted(part for part in self._folder.iterdir() if part.suffix.lower() in hamamatsu_index.SUFFIXES):
            # An index that cannot be read fails where it is opened.
            with contextlib.suppress(OSError, SlideError):
                found = dict.fromkeys(hamamatsu_index.pictures_of_index(index), index) | found
        return found


def _slide_of(path: Path, folder: _Folder) -> Path:
    try:
        if path in folder.indexed:
            return folder.indexed[path]
        mirax = path.parent.with_name(f"{path.parent.name}.mrxs") if path.parent.name else path
        if mirax.is_file() and (path.parent / "Slidedat.ini").is_file():
            return mirax
        vsi = vsi_of_part(path)
        if vsi is not None:
            return vsi
        header = dicom.read_header(path) if is_dicom(path) else None
        return path if header is None else folder.of_series.get(header.series, path)
    except (OSError, ValueError, SlideError):
        return path
