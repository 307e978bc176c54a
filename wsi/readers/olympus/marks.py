"""Whether a TIFF is that of an Olympus VSI, whose own pictures (overview, label, macro) are not the slide; and which
files lie in the folder beside it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from wsi.errors import UnreadableFileError
from wsi.identity import check_regular, open_slide_file
from wsi.readers.beginnings import TIFF

SUFFIX = ".vsi"
TAGS_AT = 8
"""Where in the file the tree of tags begins: behind the TIFF header."""
SET_HEAD = struct.Struct("<HHIqII")
"""Head of a set of tags: its size, "IS", version, place of the first field, how many, nothing."""
SET_HEAD_BYTES, SET_MAGIC = 24, 0x5349
_FRAMES, _STACK = "stack*/frame_*", "stack"
_MAX_FILES = 1000


def is_vsi(path: Path) -> bool:
    """Whether it is a TIFF that is named so, has the tree of tags that such a file begins with, or its folder alone.

    A TIFF beside a `.vsi` of that name is somebody's export. Raises OSError, NotAFileError.
    """
    with open_slide_file(path) as file:
        head = file.read(TAGS_AT + SET_HEAD.size)
    if not head.startswith(TIFF):
        return False
    if path.suffix.lower() == SUFFIX or has_tags(head):
        return True
    return _holds_frames(folder_of(path)) and not path.with_suffix(SUFFIX).exists()


def has_tags(head: bytes) -> bool:
    """Whether a file that begins with `head` has the tree of tags."""
    if head[:4] != b"II*\0" or len(head) < TAGS_AT + SET_HEAD.size:
        return False
    size, magic, _, first, _, _ = SET_HEAD.unpack_from(head, TAGS_AT)
    return (size, magic) == (SET_HEAD_BYTES, SET_MAGIC) and first >= SET_HEAD_BYTES


def folder_of(path: Path) -> Path:
    """Where the slide's px lie: `_NAME_` beside `NAME.vsi`."""
    return path.with_name(f"_{path.stem}_")


def vsi_of_part(path: Path) -> Path | None:
    """The VSI that a file in such a folder is a part of, None where there is none."""
    stack, folder = path.parent, path.parent.parent
    name = folder.name
    if not stack.name.startswith(_STACK) or len(name) < 3 or (name[0], name[-1]) != ("_", "_"):
        return None
    vsi = folder.with_name(name[1:-1] + SUFFIX)
    return vsi if vsi.is_file() else None


def frame_files(path: Path) -> Iterator[Path]:
    """What holds px in its folder, in order of name. Raises UnreadableFileError where there is a link or no end of
    them, NotAFileError, OSError."""
    folder = folder_of(path)
    found = list(islice(_frames(folder), _MAX_FILES + 1))
    if len(found) > _MAX_FILES:
        raise UnreadableFileError(f"{folder.name} holds more than {_MAX_FILES:,} files", hint="use a folder a slide")
    for part in sorted(found):
        if part.is_symlink() or part.parent.is_symlink():
            raise UnreadableFileError(f"{folder.name} holds a link", hint="copy what it leads to in its place")
        check_regular(part)
        yield part


def _frames(folder: Path) -> Iterator[Path]:
    return folder.glob(_FRAMES)


def _holds_frames(folder: Path) -> bool:
    try:
        return next(_frames(folder), None) is not None
    except (OSError, ValueError):
        return False
