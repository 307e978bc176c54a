"""Which stack of an Olympus VSI is the slide, and which file holds its px; what cannot be told is refused."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wsi.errors import CorruptSlideError, SlideError, UnsupportedSlideError
from wsi.identity import open_slide_fd
from wsi.readers.features import EXPORT
from wsi.readers.olympus.marks import SET_HEAD, TAGS_AT, folder_of, frame_files, has_tags
from wsi.readers.olympus.tags import DamagedVsiError, OddVsiError, Stack, read_stacks

_SCAN, _FOCAL_PLANES = 0, 64
# Overview, mask, focus map, maps of several focal planes, macro picture, focus points.
_OTHERS = frozenset((1, 2, 4, 8, 16, 32, 256, 1024))
_COPY = "copy the .vsi and its folder again, under their own names"
_PLANES = "several focal planes, times or channels"


@dataclass(frozen=True)
class Scan:
    stack: Stack
    ets: Path


def find_scan(path: Path) -> Scan:
    """The scan of the VSI at `path`. Raises CorruptSlideError, UnsupportedSlideError, UnreadableFileError, OSError,
    NotAFileError."""
    try:
        stack = _the_scan(_stacks(path))
        return Scan(stack, _frame(path, stack))
    except OddVsiError as error:
        raise explained(path.name, error) from error


def explained(name: str, error: OddVsiError) -> SlideError:
    """What is wrong with the slide called `name`, as the user's line."""
    if isinstance(error, DamagedVsiError):
        return CorruptSlideError(f"{name} is damaged or incomplete: {error}", hint=_COPY)
    return UnsupportedSlideError(f"{name} is an Olympus VSI with what is not read here: {error}", hint=EXPORT)


def _stacks(path: Path) -> Sequence[Stack]:
    fd = open_slide_fd(path)
    try:
        if not has_tags(os.pread(fd, TAGS_AT + SET_HEAD.size, 0)):
            raise UnsupportedSlideError(
                f"{path.name} is an Olympus VSI by its name or the folder beside it, but has none of the tags",
                hint="copy the .vsi again, or give a picture of its own another name or place",
            )
        return read_stacks(fd)
    finally:
        os.close(fd)


def _the_scan(stacks: Sequence[Stack]) -> Stack:
    scans = [stack for stack in stacks if stack.kind not in _OTHERS]
    if not scans:
        raise OddVsiError("no scan in a folder beside it")
    if len(scans) > 1:
        raise OddVsiError(f"{len(scans)} scan regions, of which one must be meant")
    [scan] = scans
    if scan.kind == _FOCAL_PLANES or scan.frames > 1 or any(count != 1 for count in scan.dimensions):
        raise OddVsiError(_PLANES)
    if scan.kind != _SCAN:
        raise OddVsiError("a scan of a kind that is not known here")
    if scan.moved:
        raise OddVsiError("px that do not begin at the corner of their picture")
    return scan


def _frame(path: Path, stack: Stack) -> Path:
    folder, name = folder_of(path), f"stack{stack.number}"
    if not folder.is_dir():
        raise DamagedVsiError(f"its px lie in the folder {folder.name} beside it, which is missing")
    found = [part for part in frame_files(path) if part.parent.name == name]
    if not found:
        raise DamagedVsiError(f"its px lie in {name} of the folder {folder.name} beside it, and there is nothing")
    if len(found) > 1:
        raise OddVsiError(f"{len(found)} files in {name}, of which one must be meant")
    if found[0].suffix.lower() != ".ets":
        raise OddVsiError("px that do not lie in an .ets")
    return found[0]
