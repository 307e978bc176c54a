"""A site profile on disk: profile.json and statistics.npz. Every byte is checked before any parser sees it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from classifier.model_folder.arrays import pack_arrays, unpack_arrays
from classifier.site.profile import PROFILE_FILE, STATISTICS_FILE, SiteProfile, statistics_digest
from wsi.errors import ModelError, OutputUnwritableError, SiteError, SiteNotFoundError, UsageError
from wsi.files.reading import is_regular, parse_json, read_regular
from wsi.files.writing import unwritable, write_file
from wsi.text import escape

_MAX_BYTES = {PROFILE_FILE: 1 << 20, STATISTICS_FILE: 1 << 20}
_AGAIN = "make it again with `pulmoscope adapt`"


def is_site(folder: Path) -> bool:
    """Whether a site profile seems to lie here; nothing of it is read."""
    return is_regular(folder / PROFILE_FILE)


def read_site(folder: Path) -> SiteProfile:
    """A whole profile, verified. Raises SiteNotFoundError, SiteError."""
    if not folder.is_dir() or not (folder / PROFILE_FILE).exists():
        raise SiteNotFoundError(f"there is no site profile {folder}", hint="give the --out of `pulmoscope adapt`")
    for path in sorted(folder.iterdir()):
        if path.name not in _MAX_BYTES:
            raise SiteError(f"the folder holds {escape(path.name)[:60]!r}, which no profile has", hint="remove it")
    content = _read(folder, PROFILE_FILE)
    try:
        values = parse_json(content)
    except ValueError as error:
        raise SiteError(f"{PROFILE_FILE} is not JSON", hint=_AGAIN) from error
    statistics = _read(folder, STATISTICS_FILE)
    if hashlib.sha256(statistics).hexdigest() != statistics_digest(values):
        raise SiteError(f"{STATISTICS_FILE} is not the file that {PROFILE_FILE} names", hint=_AGAIN)
    try:
        arrays = unpack_arrays(statistics, STATISTICS_FILE)
    except ModelError as error:
        raise SiteError(error.message, hint=_AGAIN) from error
    return SiteProfile.from_dict(values, arrays.get("shift", np.zeros(())), hashlib.sha256(content).hexdigest())


def refuse_taken(folder: Path) -> None:
    """Raises UsageError where something lies in `folder`: a profile is never written over, nor into other things."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty", hint="choose another --out")


def write_site(folder: Path, profile: SiteProfile) -> SiteProfile:
    """Writes the statistics, then the JSON that names their SHA-256; a folder without it is no profile.

    Returns the profile as written. Raises UsageError, OutputUnwritableError.
    """
    refuse_taken(folder)
    statistics = pack_arrays({"shift": profile.shift})
    profile = replace(profile, statistics_sha256=hashlib.sha256(statistics).hexdigest())
    text = profile.to_json().encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / STATISTICS_FILE, statistics)
        write_file(folder / PROFILE_FILE, text)
    except OutputUnwritableError:
        raise
    except OSError as error:
        raise unwritable(str(folder), error) from error
    return replace(profile, digest=hashlib.sha256(text).hexdigest())


def _read(folder: Path, name: str) -> bytes:
    try:
        return read_regular(folder / name, _MAX_BYTES[name])
    except OSError as error:
        raise SiteError(f"{name} is missing, a link, too large or not a regular file", hint=_AGAIN) from error
