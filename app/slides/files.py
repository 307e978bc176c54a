"""Which slide file belongs to a result. A file that may be another slide is treated as not at hand."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from aggregate.result_folder import load_summary
from app.ledger.records import SlideRow
from app.slides.facts import read_levels, tell_levels
from app.slides.guarded import shared_slides
from app.slides.question import SlideAddress
from wsi.errors import CorruptSlideError, PulmoscopeError
from wsi.files.kinds import is_picture_folder
from wsi.slide import COLOURS_RIGHTED
from wsi.spacing import Level
from wsi.text import unescape

_INDEX_LIFETIME_S = 60.0
_LOOK_LIFETIME_S = 60.0


class Named(Protocol):
    """What a file must have to be looked for: a list's entry, or a row of a table and the folder it lies in."""

    @property
    def row(self) -> SlideRow: ...

    @property
    def folder(self) -> Path: ...

    @property
    def result_path(self) -> Path: ...


class Sized(Protocol):
    """What a file must have to be the slide of a result: the part of `SlideRecord` that counts here."""

    @property
    def file(self) -> str: ...

    @property
    def size_px(self) -> tuple[int, int]: ...

    @property
    def mpp(self) -> float: ...

    @property
    def metadata(self) -> Mapping[str, str | float | int | bool]: ...


@dataclass(frozen=True)
class _Sized:
    file: str
    size_px: tuple[int, int]
    mpp: float
    metadata: Mapping[str, str | float | int | bool]


@dataclass(frozen=True)
class SlideFile:
    """A slide at hand. `version` changes with the file, and cannot be turned back into its name; `righted` is how its
    colours were put right for the result."""

    path: Path
    mpp: float
    version: str
    levels: tuple[Level, ...]
    righted: str = ""

    @property
    def address(self) -> SlideAddress:
        return SlideAddress(self.path, self.mpp, self.version, self.righted)


def find_slide_file(entry: Named, record: Sized, slide_folders: Sequence[Path]) -> SlideFile | None:
    """The file named in the entry's row, else the one file of that name in `slide_folders`.

    It must open and have the size that the result states. None where nothing fits, or two files of that name do.
    """
    for path in _stated_paths(entry):
        if (slide := _matching(path, record)) is not None:
            return slide
    same_name = [
        _matching(path, record) for path in _named(Path(unescape(entry.row.file or record.file)).name, slide_folders)
    ]
    fitting = [slide for slide in same_name if slide is not None]
    return fitting[0] if len(fitting) == 1 else None


def find_map_file(entry: Named, slide_folders: Sequence[Path]) -> SlideFile | None:
    """As `find_slide_file`, from the result's attributes alone. Raises StoreError."""
    slide = load_summary(entry.result_path)["slide"]
    width, height = slide["size_px"]
    record = _Sized(slide["file"], (int(width), int(height)), float(slide["mpp"]), slide["metadata"])
    return find_slide_file(entry, record, slide_folders)


def slide_trouble(entry: Named, record: Sized) -> str:
    """Why the file that the entry's row names does not serve: the code of an error; empty where it is not there, or
    is another slide."""
    for path in _stated_paths(entry):
        version = _version(path)
        if version is not None and (code := _look(path, record.mpp, version)[1]):
            return code
    return ""


def _stated_paths(entry: Named) -> Iterator[Path]:
    if entry.row.file:
        stated = Path(unescape(entry.row.file))
        yield from (stated,) if stated.is_absolute() else (stated.absolute(), entry.folder / stated)


def _named(name: str, folders: Sequence[Path]) -> tuple[Path, ...]:
    return _index(tuple(folders), int(time.monotonic() // _INDEX_LIFETIME_S)).get(name, ())


@lru_cache(maxsize=2)
def _index(folders: tuple[Path, ...], period: int) -> Mapping[str, tuple[Path, ...]]:
    """Every file under the folders by its name, and each OME-Zarr. Walked once a `period`: archives are large."""
    found: dict[str, set[Path]] = {}
    for folder in folders:
        for place, folders_here, files in os.walk(folder, followlinks=False):
            whole = [name for name in folders_here if name.endswith(".zarr")]
            folders_here[:] = [name for name in folders_here if not name.endswith(".zarr")]
            for name in (*files, *whole):
                found.setdefault(name, set()).add((Path(place) / name).absolute())
    return {name: tuple(sorted(paths)) for name, paths in found.items()}


def _matching(path: Path, record: Sized) -> SlideFile | None:
    version = _version(path)
    if version is None:
        return None
    levels, _ = _look(path, record.mpp, version)
    if not levels or levels[0].size_px != record.size_px:
        return None
    return SlideFile(path, record.mpp, version, levels, str(record.metadata.get(COLOURS_RIGHTED, "")))


def _version(path: Path) -> str | None:
    """The state of a file, None where there is none."""
    try:
        if not path.is_file() and not is_picture_folder(path):
            return None
        status = path.stat()
    except OSError:
        return None
    return hashlib.sha256(os.fsencode(path) + f"\n{status.st_mtime_ns}\n{status.st_size}".encode()).hexdigest()[:16]


def _look(path: Path, mpp: float, version: str) -> tuple[tuple[Level, ...], str]:
    return _looked(path, mpp, version, int(time.monotonic() // _LOOK_LIFETIME_S))


@lru_cache(maxsize=256)
def _looked(path: Path, mpp: float, version: str, period: int) -> tuple[tuple[Level, ...], str]:
    """The levels of a slide, or none and the code of what went wrong. Once a `period`: a slide that takes all it may
    is not asked at every click, and one that failed in a bad moment is asked again."""
    try:
        told, _ = shared_slides().ask(tell_levels, SlideAddress(path, mpp, version))
        return read_levels(told), ""
    except PulmoscopeError as error:
        return (), error.code
    except (ValueError, TypeError):
        return (), CorruptSlideError.code
