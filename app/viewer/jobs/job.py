"""A job: slides that a person chose, and how far their run is. One small file each, below `OUT/.jobs`."""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from wsi.files.reading import is_folder, parse_json, read_regular
from wsi.files.writing import unwritable, write_file

JOBS = ".jobs"
MAX_JOBS, MAX_SLIDES = 200, 2000
_ID = re.compile(r"[0-9]{20}-[0-9a-f]{8}")
_MAX_BYTES = 4 << 20


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Chosen:
    """One slide of a job: where it lies, and what a person stated of its pixel size (um per px), None for nothing."""

    path: str
    mpp: float | None = None


@dataclass(frozen=True)
class Job:
    """`upload` is the id of the upload that it is of, "" for slides of the folders; `owner` is whose it is, `by` their
    name. `message` is one line for a person; `done`, `failed` count slides that ended; `tries` counts starts."""

    job_id: str
    slides: tuple[Chosen, ...]
    model: str
    site: str = ""
    mpp: float | None = None
    upload: str = ""
    owner: str = ""
    by: str = ""
    overwrite: bool = False
    state: JobState = JobState.QUEUED
    done: int = 0
    failed: int = 0
    tries: int = 0
    message: str = ""
    ended_s: float = 0.0
    current: str = field(default="", compare=False)
    fraction: float = field(default=0.0, compare=False)

    def write(self, folder: Path) -> None:
        """Raises OutputUnwritableError."""
        told = {**asdict(self), "slides": [asdict(one) for one in self.slides]}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_file(folder / f"{self.job_id}.json", json.dumps(told).encode())
        except OSError as error:
            raise unwritable("the list of jobs", error, hint="free space") from error


def new_job(slides: tuple[Chosen, ...], model: str, **more: Any) -> Job:
    return Job(f"{time.time_ns():020d}-{secrets.token_hex(4)}", slides, model, **more)


def again(job: Job) -> Job:
    """The same once more, as a job of its own."""
    fresh = new_job(job.slides, job.model)
    return replace(job, job_id=fresh.job_id, state=JobState.QUEUED, done=0, failed=0, tries=0, message="", ended_s=0.0)


def read_jobs(folder: Path) -> list[Job]:
    """The jobs of a folder, oldest first. What is none of ours is passed over."""
    if not is_folder(folder):
        return []
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".json" and _ID.fullmatch(path.stem))
    except OSError:
        return []
    return [job for path in found if (job := _read(path)) is not None]


def _read(path: Path) -> Job | None:
    try:
        told = parse_json(read_regular(path, _MAX_BYTES))
        slides = tuple(Chosen(str(one["path"]), one["mpp"]) for one in told["slides"])
        return Job(**{**told, "slides": slides, "state": JobState(told["state"]), "job_id": path.stem})
    except (OSError, ValueError, KeyError, TypeError):
        return None
