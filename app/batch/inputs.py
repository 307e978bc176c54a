"""From what a user names (slides, folders, a manifest) to the list of slide jobs, each with an id of its own."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from app.batch.ids import first_ids
from app.batch.job import SlideJob, absolute
from wsi import SLIDE_SUFFIXES
from wsi.errors import UsageError
from wsi.parts import slides_of
from wsi.text import escape

_WILD = re.compile(r"[*?\[]")
_MANIFEST_COLUMNS = {"slide", "mpp", "label"}
_MAX_MANIFEST_BYTES = 256 << 20


def collect_jobs(
    inputs: Sequence[Path], manifest: Path | None, *, mpp: float | None = None, skip: Path | None = None
) -> list[SlideJob]:
    """Every slide named or found, once, in order of path. `skip` is the output folder, which is never searched.

    A part of a slide (an instance of a DICOM series, a picture that a VMS names) stands for its slide.

    An input that does not exist and holds `*`, `?` or `[` is a pattern; `**` stands for any folders.

    Raises UsageError where there is nothing to do or the manifest is wrong.
    """
    jobs: dict[Path, SlideJob] = {}
    found = [job for path in inputs for job in _from_path(path, skip)]
    if manifest is not None:
        found += _from_manifest(manifest)
    for job in _whole_slides(found):
        jobs.setdefault(absolute(job.path), replace(job, mpp=mpp if job.mpp is None else job.mpp))
    if not jobs:
        named = ", ".join(str(path) for path in (*inputs, *([manifest] if manifest else [])))
        raise UsageError(f"no slide found in {named}", hint=f"slides end in {', '.join(sorted(SLIDE_SUFFIXES))}")
    return first_ids(sorted(jobs.values(), key=lambda job: job.file))


def shard(jobs: Sequence[SlideJob], text: str | None) -> list[SlideJob]:
    """Part i of n of the jobs, from "i/n" with 1 <= i <= n: every slide falls into exactly one part. None: all."""
    if text is None:
        return list(jobs)
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {text} is not i/n with i from 1 to n")
    return list(jobs[int(match[1]) - 1 :: int(match[2])])


def _whole_slides(jobs: Sequence[SlideJob]) -> Iterator[SlideJob]:
    """The jobs with the file that stands for the slide in the place of each of its parts."""
    slides = slides_of(job.path for job in jobs if not job.problem)
    for job in jobs:
        slide = slides.get(job.path, job.path)
        yield job if slide == job.path else replace(job, path=slide, file=escape(str(slide)))


def _job(path: Path, *, mpp: float | None = None, label: str = "", problem: str = "") -> SlideJob:
    return SlideJob(path, escape(str(path)), mpp=mpp, label=label, problem=problem)


def _from_path(path: Path, skip: Path | None) -> Iterator[SlideJob]:
    if not path.is_dir():
        yield from _from_pattern(path, skip) if _is_pattern(path) else (_job(path),)
        return
    if path.suffix.lower() in SLIDE_SUFFIXES:
        yield _job(path)  # opening it says not-a-file
        return
    yield from _search(path, path.resolve(), skip.resolve() if skip else None)


def _is_pattern(path: Path) -> bool:
    return any(_WILD.search(part) for part in path.parts) and not os.path.lexists(path)


def _from_pattern(pattern: Path, skip: Path | None) -> Iterator[SlideJob]:
    """Slides that match, and those in folders that match; `*` takes no hidden name and no file that is no slide."""
    first = next(i for i, part in enumerate(pattern.parts) if _WILD.search(part))
    base = Path(*pattern.parts[:first])
    for path in sorted(base.glob(str(Path(*pattern.parts[first:])))):
        hidden = any(part.startswith(".") for part in path.relative_to(base).parts)
        if not hidden and (path.is_dir() or path.suffix.lower() in SLIDE_SUFFIXES):
            yield from _from_path(path, skip)


def _search(folder: Path, root: Path, skip: Path | None) -> Iterator[SlideJob]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:  # what lies in it is not known, so the folder itself must not be passed over
        yield _job(folder, problem=f"cannot be searched ({error.strerror})")
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        is_slide = entry.suffix.lower() in SLIDE_SUFFIXES
        if entry.is_symlink() and not _leads_into(entry, root):
            if is_slide:
                yield _job(entry, problem="is a link that leads out of the folder that was searched")
        elif is_slide:
            yield _job(entry)
        elif entry.is_dir() and not entry.is_symlink() and entry.resolve() != skip and entry.suffix != ".zarr":
            yield from _search(entry, root, skip)


def _leads_into(link: Path, root: Path) -> bool:
    try:
        return link.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # links in a circle lead nowhere
        return False


def _from_manifest(manifest: Path) -> Iterator[SlideJob]:
    try:
        if manifest.stat().st_size > _MAX_MANIFEST_BYTES:
            raise UsageError(f"manifest {manifest} is larger than a table of slides can be")
        text = manifest.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"manifest {manifest}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"manifest {manifest} is not UTF-8 text") from error
    rows = csv.DictReader(text.splitlines())
    columns = set(rows.fieldnames or ())
    if "slide" not in columns or not columns <= _MANIFEST_COLUMNS:
        raise UsageError(
            f"manifest {manifest} has the columns {', '.join(map(str, rows.fieldnames or ['none']))}",
            hint="it needs slide[,mpp,label]",
        )
    for number, row in enumerate(rows, start=2):
        yield _manifest_job(manifest, number, row)


def _manifest_job(manifest: Path, number: int, row: dict[str, str | None]) -> SlideJob:
    slide, mpp = (row.get("slide") or "").strip(), (row.get("mpp") or "").strip()
    if not slide or None in row or "\0" in slide:
        raise UsageError(f"manifest {manifest}, line {number}: not slide[,mpp,label]")
    try:
        given = float(mpp) if mpp else None
    except ValueError:
        raise UsageError(f"manifest {manifest}, line {number}: mpp {mpp!r} is not a number") from None
    path = manifest.parent / slide
    return _job(path, mpp=given, label=(row.get("label") or "").strip())
