"""What a file is by its first bytes: which reader may have a look at it. Loads no reader."""

from __future__ import annotations

from pathlib import Path

from wsi.identity import open_slide_file

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PLAIN_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # JPEG, PNG
DICOM_AT, DICOM = 128, b"DICM"


def looks_like_tiff(path: Path) -> bool:
    """Whether it begins as TIFF or BigTIFF does. Raises OSError, NotAFileError, as all here do."""
    return _head(path, 4) in TIFF


def is_plain_picture(path: Path) -> bool:
    """Whether it begins as JPEG or PNG does."""
    return _head(path, 8).startswith(PLAIN_PICTURES)


def may_be_image(path: Path) -> bool:
    """Whether it begins as JPEG, PNG or TIFF does."""
    return is_plain_picture(path) or looks_like_tiff(path)


def is_dicom(path: Path) -> bool:
    """Whether it begins as a DICOM file does."""
    return _head(path, DICOM_AT + len(DICOM))[DICOM_AT:] == DICOM


def _head(path: Path, size: int) -> bytes:
    with open_slide_file(path) as file:
        return file.read(size)
