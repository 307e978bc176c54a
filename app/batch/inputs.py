"""From what a user names (slides, folders, a manifest) to the list of slide jobs, each with an id of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from app.batch.ids import first_ids
from app.batch.job import SlideJob, absolute
from app.batch.search import PassedOver, make_job, slides_of_input
from wsi.errors import UsageError
from wsi.files.kinds import SLIDE_SUFFIXES
from wsi.files.parts import slides_of
from wsi.text import escape

# Of an object store. A path has lost one of its slashes.
_ADDRESS = re.compile(r"(s3|gs):/")


def collect_jobs(
    inputs: Sequence[Path],
    manifest: Path | None,
    *,
    mpp: float | None = None,
    skip: Path | None = None,
    passed: PassedOver | None = None,
) -> list[SlideJob]:
    """Every slide named or found, once, in order of path. `skip` is the output folder, which is never searched.

    A part of a slide (an instance of a DICOM series, a picture that a VMS names) stands for its slide. An input that
    gives nothing beside others that give something is a job with that problem. What was passed over is entered in
    `passed`. Raises UsageError where there is nothing to do or the manifest is wrong.
    """
    passed = PassedOver() if passed is None else passed
    jobs: dict[Path, SlideJob] = {}
    found = [job for path in inputs for job in _named_by(path, skip, passed)]
    if manifest is not None:
        from app.batch.manifest import read_manifest  # most runs name slides and folders

        found += read_manifest(manifest)
    for job in _whole_slides(found):
        jobs.setdefault(absolute(job.path), replace(job, mpp=mpp if job.mpp is None else job.mpp))
    if all(job.problem.endswith(" no slide") for job in jobs.values()):
        named = ", ".join(str(path) for path in (*inputs, *([manifest] if manifest else [])))
        raise UsageError(f"no slide found in {named}", hint=f"slides end in {', '.join(sorted(SLIDE_SUFFIXES))}")
    return first_ids(sorted(jobs.values(), key=lambda job: job.file))


def _named_by(path: Path, skip: Path | None, passed: PassedOver) -> Iterable[SlideJob]:
    if not _ADDRESS.match(str(path)):
        return slides_of_input(path, skip, passed)
    from app.batch.engines.staging.remote import remote_jobs  # few slides lie in a store

    jobs = list(remote_jobs(path, passed))
    return jobs or [make_job(path, problem="holds no slide")]


def _whole_slides(jobs: Sequence[SlideJob]) -> Iterator[SlideJob]:
    """The jobs with the file that stands for the slide in the place of each of its parts."""
    slides = slides_of(job.path for job in jobs if not job.problem and not job.remote)
    for job in jobs:
        slide = slides.get(job.path, job.path)
        yield job if slide == job.path else replace(job, path=slide, file=escape(str(slide)))


def shard(jobs: Sequence[SlideJob], text: str | None) -> list[SlideJob]:
    """Part i of n of the jobs, from "i/n" with 1 <= i <= n: every slide falls into exactly one part. None: all."""
    if text is None:
        return list(jobs)
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {text} is not i/n with i from 1 to n")
    return list(jobs[int(match[1]) - 1 :: int(match[2])])
