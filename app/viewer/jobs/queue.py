"""The queue of jobs: one runs at a time, each in a process of its own, through the same `run` that a terminal gives.

What is queued is on disk before anyone is told, and stays so over a restart: a job that was running then is queued
again, and its run keeps what was finished. Of several viewers over one folder one works the queue off; all show it.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from app.batch import exit_codes
from app.ledger.audit import USER_VARIABLE
from app.ledger.locks import prepare_locks, try_lock
from app.viewer.gate.visitors import Visitor
from app.viewer.jobs.job import JOBS, MAX_JOBS, MAX_SLIDES, Job, JobState, again, read_jobs
from app.viewer.uploads.stored import discard_failed
from wsi.errors import PulmoscopeError, UsageError
from wsi.files.writing import write_file
from wsi.text import plain

_LOCK = "~jobs"  # no slide's id begins with "~"
_LOOK_EVERY_S = 0.5
_ORDERLY_S = 30.0
_TRIES = 5
_WAITS_S = 5.0
_WORDS = 20  # lines of what a run complained of


@dataclass
class Queue:
    """Jobs of a results folder. `program` is the command line without its words. Safe to share among threads."""

    results: Path
    program: tuple[str, ...]
    _live: dict[str, Job] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _wake: threading.Event = field(default_factory=threading.Event)
    _cancelled: set[str] = field(default_factory=set)
    _worker: threading.Thread | None = None

    @property
    def folder(self) -> Path:
        return self.results / JOBS

    # --- what a page asks

    def jobs(self) -> list[Job]:
        """All jobs, newest first."""
        return [self._live.get(job.job_id, job) for job in reversed(read_jobs(self.folder))]

    def jobs_of(self, who: Visitor) -> list[Job]:
        """The jobs that are `who`'s to follow, newest first."""
        return [job for job in self.jobs() if who.handles(job.owner)]

    def waiting(self, who: Visitor) -> tuple[str, ...]:
        """The names of the slides that wait, for the list of `who`: of uploads theirs alone. What a run will call them
        is not known before it begins."""
        queued = [job for job in read_jobs(self.folder) if job.state is JobState.QUEUED]
        waits = [job for job in queued if not job.upload or who.handles(job.owner)]
        return tuple(sorted({job.upload or Path(one.path).stem for job in waits for one in job.slides}))

    def add(self, job: Job) -> Job:
        """Queues a job. Raises UsageError where there are too many, OutputUnwritableError."""
        if not 1 <= len(job.slides) <= MAX_SLIDES:
            raise UsageError(f"a job has 1 to {MAX_SLIDES} slides", hint="choose fewer, or use `pulmoscope run`")
        with self._lock:
            known = read_jobs(self.folder)
            if sum(not one.state.is_over for one in known) >= MAX_JOBS:
                raise UsageError("too many jobs wait", hint="wait for some to end, or cancel some")
            for old in [one for one in known if one.state.is_over][: max(0, len(known) - MAX_JOBS)]:
                self._remove(old)
            job.write(self.folder)
        self._wake.set()
        return job

    def cancel(self, job_id: str, who: Visitor) -> None:
        """Ends a job of `who`; what it finished is kept. Nothing for one that is over. Raises OutputUnwritableError."""
        with self._lock:
            job = self._find(job_id, who)
            if job is None or job.state.is_over:
                return
            self._cancelled.add(job_id)
            if job_id not in self._live:
                self._end(job, JobState.CANCELLED, "Cancelled before it began.")

    def run_again(self, job_id: str, who: Visitor) -> None:
        """Queues what is over once more; finished slides are kept. Raises UsageError, OutputUnwritableError."""
        job = self._find(job_id, who)
        if job is not None and job.state.is_over:
            self.add(again(job))

    def forget(self, job_id: str, who: Visitor) -> None:
        """Takes a job that is over from the list; its results stay."""
        job = self._find(job_id, who)
        if job is not None and job.state.is_over:
            self._remove(job)

    # --- the worker

    def start(self) -> None:
        """Begins to work the queue off, on a thread of its own."""
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, daemon=True, name="jobs")
            self._worker.start()

    def stop(self) -> None:
        """Ends in good order: the run under way is stopped, and queued for the next start."""
        self._stop.set()
        self._wake.set()
        if self._worker is not None:
            self._worker.join(_ORDERLY_S + 5)
            self._worker = None

    def _work(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(PulmoscopeError, OSError):
                if read_jobs(self.folder):
                    prepare_locks(self.results)
                    with try_lock(self.results, _LOCK) as ours:
                        if ours:
                            self._work_off()
            self._wake.wait(_LOOK_EVERY_S)
            self._wake.clear()

    def _work_off(self) -> None:
        for left in read_jobs(self.folder):
            if left.state is JobState.RUNNING:  # of a viewer that is gone
                replace(left, state=JobState.QUEUED).write(self.folder)
        while not self._stop.is_set():
            if (job := self._next()) is None:
                self._wake.wait(_LOOK_EVERY_S)
                self._wake.clear()
                continue
            try:
                job.write(self.folder)
                self._run(job)
            finally:
                self._live.pop(job.job_id, None)

    def _next(self) -> Job | None:
        with self._lock:
            job = next((one for one in read_jobs(self.folder) if one.state is JobState.QUEUED), None)
            if job is None:
                return None
            job = replace(job, state=JobState.RUNNING, tries=job.tries + 1, done=0, failed=0)
            self._live[job.job_id] = job
            return job

    def _run(self, job: Job) -> None:
        try:
            words = self._words_of(job)
            running = _Running.start((*self.program, *words), job.by)
        except OSError as error:
            self._end(job, JobState.FAILED, f"The run could not be started ({error.strerror}).")
            return
        with contextlib.closing(running.events(lambda: self._is_wanted(job))) as events:
            for event in events:
                job = self._live[job.job_id] = _told(job, event)
        code = running.end()
        if job.job_id in self._cancelled:
            self._end(job, JobState.CANCELLED, "Cancelled. What was finished is kept.")
        elif self._stop.is_set() and code not in (exit_codes.OK, exit_codes.FAILURES):
            replace(job, state=JobState.QUEUED, tries=job.tries - 1).write(self.folder)
        elif code == exit_codes.HELD and job.tries < _TRIES:
            replace(job, state=JobState.QUEUED, message="Another run is at these slides; waits for it.").write(
                self.folder
            )
            self._stop.wait(_WAITS_S)
        else:
            self._end(job, *_ending(job, code, running.complaint()))

    def _is_wanted(self, job: Job) -> bool:
        return not self._stop.is_set() and job.job_id not in self._cancelled

    def _words_of(self, job: Job) -> tuple[str, ...]:
        """The words of the command line. Slides go by a manifest, which states the pixel size of each."""
        out = self.results if not job.upload else self.results / "uploads" / job.upload
        text = io.StringIO()
        csv.writer(text).writerows([("slide", "mpp"), *((one.path, one.mpp or "") for one in job.slides)])
        manifest = self.folder / f"{job.job_id}.csv"
        write_file(manifest, text.getvalue().encode("utf-8", "surrogateescape"))
        words = ["run", "--manifest", str(manifest), "--out", str(out), "--model", job.model, "--json"]
        words += ["--site", job.site] if job.site else []
        words += ["--mpp", f"{job.mpp:.6g}"] if job.mpp else []
        return (*words, *(["--overwrite"] if job.overwrite else []))

    def _end(self, job: Job, state: JobState, message: str) -> None:
        replace(job, state=state, message=plain(message, 400), ended_s=time.time()).write(self.folder)
        if job.upload:
            discard_failed(self.results / "uploads", job.upload)

    def _find(self, job_id: str, who: Visitor) -> Job | None:
        """None too where it is another's."""
        return next((job for job in self.jobs_of(who) if job.job_id == job_id), None)

    def _remove(self, job: Job) -> None:
        for ending in (".json", ".csv"):
            with contextlib.suppress(OSError):
                (self.folder / f"{job.job_id}{ending}").unlink()


@dataclass
class _Running:
    """A run's process. What it complains of is read aside, so that it never waits for us to listen."""

    process: subprocess.Popen[str]
    _complaints: deque[str] = field(default_factory=lambda: deque(maxlen=_WORDS))
    _aside: threading.Thread | None = None

    @classmethod
    def start(cls, command: Sequence[str], by: str = "") -> _Running:
        """`by` is who the audit log will name."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # A signal to the viewer's terminal is the viewer's to handle.
            process_group=0,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **({USER_VARIABLE: by} if by else {})},
        )
        running = cls(process)
        assert process.stderr is not None
        running._aside = threading.Thread(target=running._listen, args=(process.stderr,), daemon=True)
        running._aside.start()
        return running

    def events(self, is_wanted: Callable[[], bool]) -> Generator[dict[str, Any], None, None]:
        """What the run tells, until it ends; it is asked to end as soon as it is not wanted any more."""
        watch = threading.Thread(target=self._watch, args=(is_wanted,), daemon=True)
        watch.start()
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    yield event
        self.process.wait()
        watch.join()

    def end(self) -> int:
        self.process.wait()
        if self._aside is not None:
            self._aside.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return self.process.returncode

    def complaint(self) -> str:
        """The last line that it had to say."""
        return next((line.removeprefix("pulmoscope: ") for line in reversed(self._complaints) if line.strip()), "")

    def _listen(self, stream: IO[str]) -> None:
        self._complaints.extend(iter(stream.readline, ""))

    def _watch(self, is_wanted: Callable[[], bool]) -> None:
        while self.process.poll() is None:
            if not is_wanted():
                self.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(_ORDERLY_S)
                self.process.kill()
                return
            time.sleep(_LOOK_EVERY_S / 2)


def _told(job: Job, event: dict[str, Any]) -> Job:
    """The job after an event of its run; one that makes no sense changes nothing."""
    try:
        if event["event"] == "progress":
            share = event["tiles_done"] / event["tiles"] if event["tiles"] else 0.0
            return replace(job, current=str(event["slide_id"]), fraction=min(1.0, share))
        if event["event"] == "slide" and event["fate"] != "held":
            failed = event["status"] == "failed"
            words = f"{event['error_code']}: {event['message']}" if failed else job.message
            return replace(
                job, done=job.done + 1, failed=job.failed + failed, current="", fraction=0.0, message=plain(words, 400)
            )
    except (KeyError, TypeError):
        pass
    return job


def _ending(job: Job, code: int, complaint: str) -> tuple[JobState, str]:
    """How a job ended by its run's exit code, in words."""
    if code == exit_codes.OK:
        return JobState.DONE, ""
    if code == exit_codes.FAILURES and job.done >= len(job.slides):
        state = JobState.FAILED if job.failed == job.done else JobState.DONE
        return state, job.message
    if code == exit_codes.HELD:
        return JobState.FAILED, "Another run held some of these slides throughout; run it again later."
    told = complaint or f"exit code {code}"
    return JobState.FAILED, f"The run ended early: {told}"
