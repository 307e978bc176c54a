"""Whether a file may be a slide, by its ending or its first bytes. Opens regular files only, and decodes nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from wsi.readers.beginnings import DICOM, DICOM_AT, TIFF
from wsi.readers.zarr_files.folder import is_picture_folder

# What OpenSlide 4.0.1 and the image reader read: the suffixes that a search through folders takes.
SLIDE_SUFFIXES = frozenset(
    (".svs", ".tif", ".tiff", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".svslide", ".bif", ".dcm", ".czi", ".vsi")
) | frozenset((".jpg", ".jpeg", ".png"))

_STARTS = (*TIFF, b"ZISRAWFILE")
# An index of other DICOM files; it holds no picture.
_NO_SLIDES = frozenset(("DICOMDIR",))


def starts_like_a_slide(path: Path) -> bool:
    """Whether it begins as TIFF, BigTIFF, CZI or DICOM do, whatever its name ends in, or is an OME-Zarr folder; False
    where it can't be read."""
    try:
        if is_picture_folder(path):
            return True
        if path.name.upper() in _NO_SLIDES or not stat.S_ISREG(path.stat().st_mode):
            return False
        # Should it become a pipe meanwhile, opening it must not wait.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            head = os.read(handle, DICOM_AT + len(DICOM))
        finally:
            os.close(handle)
    except (OSError, ValueError):
        return False
    return head.startswith(_STARTS) or head[DICOM_AT:] == DICOM
