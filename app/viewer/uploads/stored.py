"""Uploads that were started: each alone in its folder, under a name of ours, with all that is made of it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aggregate import store
from wsi.errors import MppImplausibleError, MppMissingError, OutputUnwritableError
from wsi.files.reading import is_folder
from wsi.files.writing import unwritable
from wsi.spacing import PLAUSIBLE_MPP

# Of uploads that are kept.
MAX_STORED = 200
_ID = re.compile(r"upload-[0-9a-f]{12}")
PRESETS_MPP = {"40x": 0.25, "20x": 0.5, "10x": 1.0}


@dataclass(frozen=True)
class Upload:
    """A stored upload. The id names content and mpp together: the same slide at another mpp is another one.

    `mpp` is what a person stated, None where the slide's own counts.
    """

    slide_id: str
    path: Path
    mpp: float | None


def check_mpp(mpp: float | None) -> float:
    """`mpp`, um per px, where a person stated a plausible one. Raises MppMissingError, MppImplausibleError."""
    low, high = PLAUSIBLE_MPP
    if mpp is None:
        raise MppMissingError("the pixel size is not stated", hint="choose the magnification or enter µm per pixel")
    if not low <= mpp <= high:
        raise MppImplausibleError(f"{mpp:g} µm per pixel is outside {low:g} to {high:g}", hint="check the pixel size")
    return float(mpp)


def is_upload_id(slide_id: str) -> bool:
    """Whether a stored upload could have this id."""
    return _ID.fullmatch(slide_id) is not None


def store_upload(folder: Path, file: str, sha256: str, mpp: float | None, uploads: Path, *, owner: str = "") -> Upload:
    """Moves an upload that came whole (`folder`, its slide `file`, its digest) to `uploads` as ``<id>/<id>.<suffix>``.

    The same upload of the same owner at the same mpp is stored once; nobody learns whether another has it too. Raises
    MppImplausibleError, OutputUnwritableError.
    """
    stated = None if mpp is None else check_mpp(mpp)
    name = f"{'own' if stated is None else f'{stated:.6g}'} {sha256}{f' {owner}' if owner else ''}"
    slide_id = f"upload-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    target = uploads / slide_id
    path = target / f"{slide_id}{Path(file).suffix}"
    try:
        if path.exists():
            shutil.rmtree(folder, ignore_errors=True)
            return Upload(slide_id, path, stated)
        if len(upload_folders(uploads)) >= MAX_STORED:
            raise OutputUnwritableError(
                f"{MAX_STORED} uploads are stored, as many as are kept", hint="open one that is done with and delete it"
            )
        _rename_parts(folder, Path(file).stem, slide_id)
        shutil.rmtree(target, ignore_errors=True)  # of an upload that was broken off here
        folder.rename(target)
    except OSError as error:
        raise unwritable("the upload", error, hint="free space") from error
    return Upload(slide_id, path, stated)


def upload_folders(uploads: Path) -> list[Path]:
    """The folder of each stored upload, by name; links are none."""
    try:
        found = [path for path in uploads.iterdir() if _ID.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def stored_bytes(uploads: Path) -> int:
    """What all below `uploads` takes, in bytes; links are not followed."""
    total = 0
    for place, _, files in os.walk(uploads, followlinks=False):
        for name in files:
            with suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total


def delete_upload(uploads: Path, slide_id: str) -> bool:
    """Removes an upload with all that was made of it; False where there is no such upload. Raises
    OutputUnwritableError."""
    folder = next((path for path in upload_folders(uploads) if path.name == slide_id), None)
    if folder is None:
        return False
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise unwritable("the upload", error, hint="remove its folder by hand") from error
    return True


def discard_failed(uploads: Path, slide_id: str) -> None:
    """Removes an upload that has no result."""
    if not store.is_complete(store.result_path(uploads / slide_id, slide_id)):
        with suppress(OutputUnwritableError):
            delete_upload(uploads, slide_id)


def _rename_parts(folder: Path, stem: str, slide_id: str) -> None:
    """What the slide is made of goes by its id: the file itself, and a MIRAX folder beside it."""
    for path in list(folder.iterdir()):
        if path.stem == stem and (path.is_file() or is_folder(path)):
            path.rename(folder / f"{slide_id}{path.suffix}")
