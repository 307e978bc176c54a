"""Hamamatsu VMS and VMU: a short text that names the pictures of which the slide is made. Reads that text alone."""

from __future__ import annotations

import re
from pathlib import Path

from wsi.identity import check_regular, open_slide_file

SUFFIXES = (".vms", ".vmu")
# A larger file is no list of names.
_MAX_INDEX_BYTES = 1 << 20
_HEADINGS = ("[Virtual Microscope Specimen]", "[Uncompressed Virtual Microscope Specimen]")
_READ = r"^(?:ImageFile|MapFile|OptimisationFile)[^=\r\n]*=(.+?)\s*$"
_NAMED = r"^(?:ImageFile|MapFile|OptimisationFile|MacroImage)[^=\r\n]*=(.+?)\s*$"
_PICTURES = (".jpg", ".jpeg", ".ngr", ".opt")


def index_files(index: Path) -> tuple[Path, ...]:
    """The files that the slide is read from, `index` first; none outside its folder, not the macro picture.

    Raises OSError, and NotAFileError where one that it names is a pipe or the like: OpenSlide would wait for it.
    """
    for part in _named(index, _NAMED):
        if part.exists():
            check_regular(part)
    return (index, *(part for part in _named(index, _READ) if part.is_file()))


def pictures_of_index(index: Path) -> tuple[Path, ...]:
    """The pictures that `index` names, the map and the macro picture too: no slides of their own.

    A text that does not begin as an index does, or that names slides of another kind, hides nothing.
    """
    if not _text(index).lstrip("\ufeff \t\r\n").startswith(_HEADINGS):
        return ()
    return tuple(part for part in _named(index, _NAMED) if part.suffix.lower() in _PICTURES)


def _named(index: Path, lines: str) -> tuple[Path, ...]:
    parts = [index.parent / name.strip() for name in re.findall(lines, _text(index), re.MULTILINE) if "\0" not in name]
    return tuple(part for part in parts if part.parent == index.parent)


def _text(index: Path) -> str:
    with open_slide_file(index) as file:
        return file.read(_MAX_INDEX_BYTES).decode("utf-8", "replace")
