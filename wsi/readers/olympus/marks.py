"""Whether a TIFF is that of an Olympus VSI, whose own pictures (overview, label, macro) are not the slide."""

from __future__ import annotations

import struct
from pathlib import Path

from wsi.identity import open_slide_file
from wsi.readers.beginnings import TIFF

SUFFIX = ".vsi"
_FRAMES = "stack*/frame_t*.ets"
# Behind the TIFF header of 8 bytes begins the tree of tags: size of its head, "IS", version, place of the first field.
_AT, _HEAD = 8, struct.Struct("<HHIq")
_HEAD_BYTES, _MAGIC = 24, 0x5349


def is_vsi(path: Path) -> bool:
    """Whether it is a TIFF that is named so, has the tree of tags that such a file begins with, or its folder.

    Raises OSError, NotAFileError.
    """
    with open_slide_file(path) as file:
        head = file.read(_AT + _HEAD.size)
    return head.startswith(TIFF) and (path.suffix.lower() == SUFFIX or _has_tags(head) or has_frames(path))


def folder_of(path: Path) -> Path:
    """Where the slide's px lie: `_NAME_` beside `NAME.vsi`."""
    return path.with_name(f"_{path.stem}_")


def has_frames(path: Path) -> bool:
    """Whether its folder holds px as a VSI's does. Never raises."""
    try:
        return next(folder_of(path).glob(_FRAMES), None) is not None
    except (OSError, ValueError):
        return False


def _has_tags(head: bytes) -> bool:
    if head[:4] != b"II*\0" or len(head) < _AT + _HEAD.size:
        return False
    size, magic, _, first = _HEAD.unpack_from(head, _AT)
    return (size, magic) == (_HEAD_BYTES, _MAGIC) and first >= _HEAD_BYTES
