"""Which files of a folder are one DICOM slide. Reads headers, with bounds on everything, and decodes no pixel.

A slide is a series: its levels are instances of flavour VOLUME, beside a label and an overview. What else lies in the
folder is neither asked nor shown to OpenSlide, which would open every file there, once for each slide.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from wsi.errors import SlideError, UnreadableFileError
from wsi.identity import open_slide_file
from wsi.readers.beginnings import DICOM, DICOM_AT

_WHOLE_SLIDE_IMAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_DEFLATED = b"1.2.840.10008.1.2.1.99"  # would be unpacked whole, however large; OpenSlide does not read it
# What is asked lies before the last tag; profiles, tables of frames and pixels come after it.
# SOP class, image type, study, series, columns and rows of the pixel matrix.
_TAGS = (0x00080016, 0x00080008, 0x0020000D, 0x0020000E, 0x00480006, 0x00480007)
_OPTICAL_PATHS = 0x00480105
_BRIGHT_FIELD = "111744"
_HEAD_BYTES = 1 << 20
_MAX_FILES = 100_000
# A folder that changed a moment ago may have changed again within one tick of its clock.
_SETTLED_S = 2.0

SeriesOfFolder = Mapping[str, tuple[Path, ...]]


@dataclass(frozen=True)
class DicomHeader:
    """What an instance says of itself. `flavour`: VOLUME, THUMBNAIL, LABEL, OVERVIEW; sizes are of its pixel matrix."""

    study: str
    series: str
    flavour: str
    size_px: tuple[int, int]


@dataclass(frozen=True)
class Lights:
    """For each optical path of an instance whether it is bright field, None where it does not say; `full`: its frames
    are whole planes, one path after the other (TILED_FULL)."""

    of_paths: tuple[bool | None, ...]
    full: bool

    @property
    def bright(self) -> bool | None:
        """Whether what OpenSlide 4.0 shows is bright field: the first of several paths where they are whole planes. Of
        others it shows the frame of a place that comes last, of whatever path."""
        first = self.of_paths[0] if self.of_paths else None
        return first if len(self.of_paths) < 2 or self.full else False


def read_header(path: Path) -> DicomHeader | None:
    """The header of a whole-slide instance; None for every other file, a damaged one too. Never raises."""
    try:
        status = path.stat()
        return _header(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    except (OSError, SlideError):
        return None


def slide_files_of(path: Path) -> tuple[Path, ...]:
    """As `series_files`, without what the series shows in another light than bright field, if it shows both."""
    files = series_files(path)
    seen = {path, *_in_bright_field(_volumes(files))}
    return tuple(part for part in files if part in seen or not is_volume(part))


def series_files(path: Path) -> tuple[Path, ...]:
    """The files of the folder that belong to the series of `path`, sorted, `path` among them.

    Raises as `series_of_folder` does.
    """
    header = read_header(path)
    if header is None:
        return (path,)
    found = series_of_folder(path.parent).get(header.series, ())
    # The folder may be remembered from earlier: each member is looked at as it is now.
    still = {part for part in found if (now := read_header(part)) is not None and now.series == header.series}
    return tuple(sorted({path, *still}))


def slides_of_series(beside: SeriesOfFolder) -> dict[str, Path]:
    """For each series of a folder the file that stands for its slide: the largest volume; one look at each file.

    A series without one, a label or an overview, belongs to the one slide of its study; it is left out where there are
    several, or none.
    """
    volumes = {series: _in_bright_field(_volumes(files)) for series, files in beside.items()}
    slides = {
        series: max(sorted(found), key=lambda part, found=found: _rank(part, found[part]))  # type: ignore[misc]
        for series, found in volumes.items()
        if found
    }
    of_study: dict[str, set[Path]] = {}
    for series, slide in slides.items():
        for study in {header.study for header in volumes[series].values()}:
            of_study.setdefault(study, set()).add(slide)
    for series in beside.keys() - slides.keys():
        studies = {header.study for file in beside[series] if (header := read_header(file)) is not None} - {""}
        belongs_to = {slide for study in studies for slide in of_study.get(study, ())}
        if len(belongs_to) == 1:
            slides[series] = belongs_to.pop()
    return slides


@contextmanager
def alone(path: Path, files: Collection[Path]) -> Iterator[Path]:
    """`path`, or a link to it in a folder that holds `files` and nothing else, for as long as the `with` lasts.

    `files` are those of the slide. OpenSlide opens every file beside a DICOM instance: a damaged or hostile neighbour
    must not reach it, and a thousand of them take time.
    """
    names = {file.name for file in files}
    with os.scandir(path.parent) as entries:
        crowded = any(entry.name not in names for entry in entries)
    if not crowded:
        yield path
        return
    folder = _folder_of_links(files)
    if folder is None:  # nowhere to put links: the crowded folder has to do
        yield path
        return
    with folder as name:
        yield Path(name, f"{list(files).index(path):06}.dcm")


def _folder_of_links(files: Collection[Path]) -> tempfile.TemporaryDirectory[str] | None:
    """A folder with a link to each of `files`, numbered in their order; None where none can be made."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="pulmoscope-series-", ignore_cleanup_errors=True)
    except OSError:
        return None
    try:
        for number, file in enumerate(files):
            Path(folder.name, f"{number:06}.dcm").symlink_to(file.absolute())
    except OSError:
        folder.cleanup()
        return None
    return folder


def _volumes(files: tuple[Path, ...]) -> dict[Path, DicomHeader]:
    headers = {file: read_header(file) for file in files}
    return {file: header for file, header in headers.items() if header is not None and header.flavour == "VOLUME"}


def is_volume(path: Path) -> bool:
    """Whether it is a level of a slide, or a part of one."""
    header = read_header(path)
    return header is not None and header.flavour == "VOLUME"


def _in_bright_field(volumes: dict[Path, DicomHeader]) -> dict[Path, DicomHeader]:
    """Those of bright field where there are others too; else all of them. Light is looked at only where two volumes are
    of one size: levels never are, parts of a concatenation are."""
    sizes = [header.size_px for header in volumes.values()]
    if len(set(sizes)) == len(sizes):
        return volumes
    bright = {file: read_lights(file).bright for file in volumes}
    if not {True, False} <= set(bright.values()):
        return volumes
    return {file: header for file, header in volumes.items() if bright[file]}


def read_lights(path: Path) -> Lights:
    """The optical paths of an instance; none of a damaged one. Never raises."""
    try:
        status = path.stat()
        return _lights(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    except (OSError, SlideError):
        return Lights((), full=False)


@lru_cache(maxsize=_MAX_FILES)
def _lights(path: Path, *_identity: int) -> Lights:
    from pydicom.filereader import read_partial

    with open_slide_file(path) as file:
        head = file.read(_HEAD_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Any = read_partial(io.BytesIO(head), stop_when=lambda tag, _vr, _length: tag > _OPTICAL_PATHS)
            paths = [_codes_of(one) for one in found.get("OpticalPathSequence") or ()]
            full = str(found.get("DimensionOrganizationType", "")) == "TILED_FULL"
    except Exception:  # pydicom raises nearly anything on a damaged file
        return Lights((), full=False)
    return Lights(tuple(_BRIGHT_FIELD in codes if codes else None for codes in paths), full)


def _codes_of(optical_path: Any) -> set[str]:
    return {str(code.get("CodeValue", "")) for code in optical_path.get("IlluminationTypeCodeSequence") or ()}


def _rank(path: Path, header: DicomHeader) -> tuple[bool, int, int]:
    """The largest pixel matrix first; of several, the largest file: a copy may have been cut short."""
    return not path.is_symlink(), header.size_px[0] * header.size_px[1], path.stat().st_size


def series_of_folder(folder: Path) -> SeriesOfFolder:
    """The whole-slide instances of a folder by series, remembered while the folder stays as it is.

    Raises UnreadableFileError for a folder of more than a hundred thousand files, OSError.
    """
    status = folder.stat()
    if abs(time.time() - status.st_mtime) < _SETTLED_S:
        return _scan(folder)
    return _scan_once(folder, status.st_dev, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _scan_once(folder: Path, *_identity: int) -> SeriesOfFolder:
    return _scan(folder)


def _scan(folder: Path) -> SeriesOfFolder:
    """The whole-slide instances of a folder by series: one look at each file."""
    found: dict[str, list[Path]] = {}
    for count, part in enumerate(sorted(folder.iterdir())):
        if count >= _MAX_FILES:
            raise UnreadableFileError(f"the folder of {folder.name} holds more than {_MAX_FILES} files")
        header = read_header(part)
        if header is not None:
            found.setdefault(header.series, []).append(part)
    return {series: tuple(parts) for series, parts in found.items()}


@lru_cache(maxsize=_MAX_FILES)
def _header(path: Path, *_identity: int) -> DicomHeader | None:
    with open_slide_file(path) as file:
        head = file.read(DICOM_AT + len(DICOM))
        if head[DICOM_AT:] != DICOM:
            return None
        head += file.read(_HEAD_BYTES)
    return None if _DEFLATED in head else _parse(head)


def _parse(head: bytes) -> DicomHeader | None:
    import pydicom.config

    pydicom.config.logger.disabled = True  # neither its log nor its warnings may quote what the file says
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _facts(head)
    # pydicom raises nearly anything on a damaged file, which is no part of any slide.
    except Exception:
        return None


def _facts(head: bytes) -> DicomHeader | None:
    from pydicom.filereader import read_partial
    from pydicom.tag import Tag

    wanted: Any = [Tag(tag) for tag in _TAGS]
    found: Any = read_partial(
        io.BytesIO(head), stop_when=lambda tag, _vr, _length: tag > _TAGS[-1], specific_tags=wanted
    )
    kinds = [str(kind).upper() for kind in found.get("ImageType") or ()]
    header = DicomHeader(
        study=str(found.get("StudyInstanceUID", "")),
        series=str(found.get("SeriesInstanceUID", "")),
        flavour=kinds[2] if len(kinds) > 2 else "",
        size_px=(int(found.get("TotalPixelMatrixColumns") or 0), int(found.get("TotalPixelMatrixRows") or 0)),
    )
    return header if str(found.get("SOPClassUID", "")) == _WHOLE_SLIDE_IMAGE and header.series else None
