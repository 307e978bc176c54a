"""The thread that copies slides ahead of need, in the order in which they will be done, never more than fits."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from app.batch.engines.staging.copying import FileSource, Source, StagingError, copy_hashed
from app.batch.engines.staging.tickets import Ticket, place_of, write_ticket
from app.batch.job import SlideJob
from wsi.errors import SlideError
from wsi.readers.slide_files import slide_files

Parts = Sequence[tuple[str, Callable[[], Source]]]
"""Each file of a slide: its place beside the slide's own, and how it is opened."""
PartsOf = Callable[[SlideJob], Parts]


def local_parts(job: SlideJob) -> Parts:
    """The files of a slide on a disk. Raises OSError, SlideError."""
    base = job.path.parent
    return [(str(file.relative_to(base)), lambda file=file: FileSource.of(file)) for file in slide_files(job.path)]  # type: ignore[misc]


class Stager:
    """Copies the slides of `jobs` into `folder`, at most `limit_bytes` of them at a time. `release` gives room again.

    A slide that is larger than the limit, or cannot be copied, is read where it lies; that one tells its own trouble.
    """

    def __init__(
        self, folder: Path, jobs: Sequence[SlideJob], limit_bytes: int, parts_of: PartsOf = local_parts
    ) -> None:
        self._folder, self._jobs, self._limit, self._parts_of = folder, jobs, limit_bytes, parts_of
        self._held: dict[str, int] = {}
        self._done: set[str] = set()
        self._change = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="staging", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def release(self, job: SlideJob) -> None:
        """The slide is done with: its copy goes."""
        with self._change:
            self._done.add(job.slide_id)
            shutil.rmtree(place_of(self._folder, job.slide_id), ignore_errors=True)
            self._held.pop(job.slide_id, None)
            self._change.notify_all()

    def stop(self) -> None:
        """Ends copying; who waits for a disk that hangs is left behind."""
        self._stop.set()
        with self._change:
            self._change.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        for job in self._jobs:
            if self._stop.is_set():
                return
            if not job.problem:
                self._hand_out(job, self._staged(job))

    def _hand_out(self, job: SlideJob, ticket: Ticket) -> None:
        """Somebody waits for this ticket. On a disk that is full to the last byte the copy goes, so that there is room
        for it; where even that is none the folder goes, and every slide is read where it lies."""
        try:
            write_ticket(self._folder, job.slide_id, ticket)
        except OSError:
            self._give_up(job)
            try:
                write_ticket(self._folder, job.slide_id, Ticket(problem=ticket.problem))
            except OSError:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _staged(self, job: SlideJob) -> Ticket:
        sources: list[tuple[str, Source]] = []
        try:
            for name, opened in self._parts_of(job):
                sources.append((name, opened()))
            size = sum(source.size_bytes for _, source in sources)
            if size > self._limit and not job.remote:
                return Ticket()
            if size > self._limit:
                raise StagingError("it is larger than the cache")
            if not self._room_for(job, size):
                return Ticket()
            return self._copied(job, sources)
        except Exception as error:  # a store's client raises nearly anything, and its words may hold what is secret
            self._give_up(job)
            return Ticket(problem=_words(error)) if job.remote else Ticket()
        finally:
            for _, source in sources:
                with contextlib.suppress(Exception):
                    source.close()

    def _room_for(self, job: SlideJob, size: int) -> bool:
        """Waits until there is room, and takes it; False where the slide is done by then, or the run."""
        with self._change:
            self._change.wait_for(
                lambda: (
                    self._stop.is_set()
                    or job.slide_id in self._done
                    or not self._held
                    or sum(self._held.values()) + size <= self._limit
                )
            )
            if self._stop.is_set() or job.slide_id in self._done:
                return False
            self._held[job.slide_id] = size
            return True

    def _copied(self, job: SlideJob, sources: Sequence[tuple[str, Source]]) -> Ticket:
        place = place_of(self._folder, job.slide_id)
        digests = {}
        for name, source in sources:
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            digests[str(target)] = copy_hashed(source, target, self._stop)
        return Ticket(str(place / job.path.name), digests)

    def _give_up(self, job: SlideJob) -> None:
        with self._change:
            self._held.pop(job.slide_id, None)
        shutil.rmtree(place_of(self._folder, job.slide_id), ignore_errors=True)


def _words(error: Exception) -> str:
    told = isinstance(error, StagingError | SlideError)
    return f"cannot be fetched ({error if told else type(error).__name__})"
