"""From an input (a slide, a folder, a pattern) to the slides that it names; what is passed over is counted."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.batch.job import SlideJob
from wsi.files.kinds import SLIDE_SUFFIXES, starts_like_a_slide
from wsi.text import escape

_WILD = re.compile(r"[*?\[]")
_NAMED = 5
_TILES = "_files"


@dataclass
class PassedOver:
    """What a search met and did not look at: files of other kinds by their ending, and links, by name."""

    endings: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)

    def in_words(self, *, names: bool = True) -> str:
        """On one line; "" where there is nothing to tell. Without `names`, endings and links are only counted."""
        parts = []
        if files := self.endings.total():
            kinds = ", ".join(f"{escape(ending) or 'no ending'} {n}" for ending, n in self.endings.most_common(_NAMED))
            parts.append(f"{files} files of other kinds" + (f" ({kinds})" if names else ""))
        if self.links:
            shown = ", ".join(map(escape, self.links[:_NAMED])) + (", ..." if len(self.links) > _NAMED else "")
            parts.append(f"{len(self.links)} links" + (f" ({shown})" if names else ""))
        return "; ".join(parts)


def make_job(path: Path, *, mpp: float | None = None, label: str = "", problem: str = "") -> SlideJob:
    return SlideJob(path, escape(str(path)), mpp=mpp, label=label, problem=problem)


def slides_of_input(path: Path, skip: Path | None, passed: PassedOver) -> list[SlideJob]:
    """The slides that one input names; never none: an input that gives nothing is a job with that problem.

    An input that does not exist and holds `*`, `?` or `[` is a pattern; `**` stands for any folders. `skip` is a
    folder that is not searched.
    """
    if os.path.lexists(path) or not _WILD.search(str(path)):
        jobs = list(_from_path(path, skip, passed))
        return jobs or [make_job(path, problem="holds no slide")]
    jobs = [
        job
        for match in _expand(Path(path.anchor), path.parts[1:] if path.anchor else path.parts)
        if _is_folder(match) or is_slide(match)
        for job in _from_path(match, skip, passed)
    ]
    return jobs or [make_job(path, problem="matches no slide")]


def is_slide(path: Path) -> bool:
    """By its ending or its first bytes."""
    return path.suffix.lower() in SLIDE_SUFFIXES or starts_like_a_slide(path)


def _from_path(path: Path, skip: Path | None, passed: PassedOver) -> Iterator[SlideJob]:
    # A folder with a slide's name is one job: opening it says not-a-file.
    if not _is_folder(path) or path.suffix.lower() in SLIDE_SUFFIXES or is_slide(path):
        yield make_job(path)
    else:
        yield from _search(path, skip, passed)


def _expand(base: Path, parts: Sequence[str]) -> Iterator[Path]:
    """What a pattern stands for, in order. A name that exists as written is no pattern; `*` takes no hidden name."""
    if not parts:
        yield base
        return
    head, rest = parts[0], parts[1:]
    if os.path.lexists(base / head):
        yield from _expand(base / head, rest)
    elif head == "**":
        for folder, folders, _ in os.walk(base):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from _expand(Path(folder), rest)
    elif _WILD.search(head):
        try:
            names = sorted(entry.name for entry in base.iterdir())
        except OSError:
            # It is searched, and what stands in the way told, unless it is no folder at all.
            yield from (base,) if _is_folder(base) else ()
            return
        for name in fnmatch.filter(names, head):
            if not name.startswith(".") or head.startswith("."):
                yield from _expand(base / name, rest)


def _search(root: Path, skip: Path | None, passed: PassedOver) -> Iterator[SlideJob]:
    """Every slide below a folder. Links that lead out of it are not followed, tiles of a Deep Zoom picture are none."""
    real_root = os.path.realpath(root)
    real_skip = os.path.realpath(skip) if skip else None
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:  # what lies in it is not known, so the folder itself must not be passed over
            yield make_job(folder, problem=f"cannot be searched ({error.strerror})")
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                yield from _link(entry, real_root, passed)
            elif not _is_folder(entry) or entry.suffix.lower() in SLIDE_SUFFIXES or is_slide(entry):
                yield from _file(entry, passed)
            elif os.path.realpath(entry) != real_skip and entry.suffix != ".zarr" and not _holds_tiles(entry):
                folders.append(entry)


def _holds_tiles(folder: Path) -> bool:
    """Whether it is the `NAME_files` beside a `NAME.dzi`: each tile would be a slide."""
    stem = folder.name.removesuffix(_TILES)
    return stem != folder.name and folder.with_name(f"{stem}.dzi").is_file()


def _file(entry: Path, passed: PassedOver) -> Iterator[SlideJob]:
    if is_slide(entry):
        yield make_job(entry)
    else:
        passed.endings[entry.suffix.lower()] += 1


def _link(link: Path, root: str, passed: PassedOver) -> Iterator[SlideJob]:
    """A linked slide, with its problem where it leads out or nowhere.

    A linked folder is searched where it lies, if that is below the root; else it is passed over.
    """
    problem = _problem_of(link, root)
    by_name = link.suffix.lower() in SLIDE_SUFFIXES
    if by_name or (not problem and not _is_folder(link)):
        if by_name or is_slide(link):
            yield make_job(link, problem=problem)
        else:
            passed.endings[link.suffix.lower()] += 1
    elif problem:
        passed.links.append(str(link))


def _problem_of(link: Path, root: str) -> str:
    try:
        link.stat()
    except OSError as error:
        circle = error.errno == errno.ELOOP
        return "is a link in a circle" if circle else f"is a link that leads nowhere ({error.strerror})"
    inside = Path(os.path.realpath(link)).is_relative_to(root)
    return "" if inside else "is a link that leads out of the folder that was searched"


def _is_folder(path: Path) -> bool:
    """`Path.is_dir`, False too where the name is too long or the way to it closed."""
    try:
        return path.is_dir()
    except OSError:
        return False
