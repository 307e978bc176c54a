"""What a batch does with one slide: the job that engines carry to their workers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SlideJob:
    """One slide to do. `file` is the path as it is told to people, by `wsi.text.escape`; `remote` the address of a
    slide in an object store, whose `path` leads nowhere here.

    `case` and `block` are the manifest's, `case` None where it has no such column. `mask` is a person's tissue mask of
    it, `mask_sha256` its digest once it was read. `problem` is set where it can't even be tried. `pseudonymous`:
    nothing of `path` may be told, in no message either.
    """

    path: Path
    file: str
    slide_id: str = ""
    mpp: float | None = None
    label: str = ""
    case: str | None = None
    block: str = ""
    mask: Path | None = None
    mask_sha256: str = ""
    problem: str = ""
    pseudonymous: bool = False
    remote: str = ""


def absolute(path: Path) -> Path:
    """The path without `..` and links in its folders; the last part stays, so that a link is a slide of its own."""
    # Unlike Path.resolve(), this takes links in circles and names that are too long.
    return Path(os.path.realpath(path.parent)) / path.name
