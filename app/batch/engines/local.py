"""The local engine: slides are done in worker processes, so that a slide that aborts, hangs or eats the memory of the
process that reads it costs itself alone. A lost worker is replaced; the parent opens no slide."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

from aggregate.result import SlideStatus
from app.batch.engines.events import Event, SlideFinished, SlideOutcome, SlideProgress, SlideStarted, SlideWork
from app.batch.engines.slide_clock import LOOK_EVERY_S, SlideClock
from app.batch.engines.worker import WorkerProcess, start_worker
from app.batch.job import SlideJob
from app.config import RunConfig
from app.ledger.records import SlideRow
from wsi.process.waits import tell_wait

# No library ends its own process so.
_FROM_OUTSIDE = "SIGKILL"
_SHORT_OF_MEMORY = "where the machine is short of memory, give fewer --workers"


@dataclass(frozen=True)
class LocalEngine:
    """`workers` processes on this machine, each with the memory and the time a slide that `RunConfig` allows.

    Those in `early` were started beforehand and are taken first. `work` is what a worker does with a slide, if not
    `process_slide`: a function that it can import. `clock` gives seconds."""

    workers: int = 1
    early: list[WorkerProcess] = field(default_factory=list)
    work: SlideWork | None = None
    clock: Callable[[], float] = time.monotonic

    def run_jobs(self, jobs: Sequence[SlideJob], config: RunConfig) -> Generator[Event, None, None]:
        waiting = deque(jobs)
        crew: list[_Worker] = []
        try:
            crew += (_Worker(self, config) for _ in range(max(1, min(self.workers, len(jobs)))))
            while waiting or any(worker.job for worker in crew):
                for worker in crew:
                    if worker.job is None and waiting:
                        yield SlideStarted(worker.give(waiting.popleft()))
                yield from _listen(crew, config)
        finally:
            for worker in crew:
                worker.stop()


def _listen(crew: list[_Worker], config: RunConfig) -> Iterator[Event]:
    """What the busy workers tell within a look at the clock. None is over its time afterwards, whatever it tells."""
    busy = [worker for worker in crew if worker.job]
    limit = config.slide_timeout_s
    left = min(limit - worker.clock.seconds() for worker in busy)
    ready = wait([worker.connection for worker in busy], timeout=max(0.0, min(LOOK_EVERY_S, left)))
    for worker in busy:
        if worker.connection in ready:
            yield from worker.receive()
        if worker.job and worker.clock.seconds() >= limit:
            yield worker.lose("timed-out", f"took more than {limit:g} s; raise --slide-timeout")


class _Worker:
    """One worker process and the job it is at."""

    def __init__(self, engine: LocalEngine, config: RunConfig) -> None:
        self._engine, self._config = engine, config
        self.job: SlideJob | None = None
        self._again = False
        self._begin(engine.early.pop() if engine.early else start_worker())

    def give(self, job: SlideJob, *, again: bool = False) -> SlideJob:
        self.job, self.clock, self._again = job, SlideClock(self._engine.clock), again
        try:
            self.connection.send(job)
        except OSError:  # it died while idle
            self._restart()
            self.connection.send(job)
        return job

    def receive(self) -> Iterator[Event]:
        assert self.job is not None
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            yield from self._lost(self._worker.end())
            return
        if isinstance(message, str):
            tell_wait(message)
        elif isinstance(message, tuple):
            yield SlideProgress(self.job, *message)
        else:
            outcome: SlideOutcome = message
            job, self.job = self.job, None
            yield outcome.of(job)

    def _lost(self, how: str) -> Iterator[Event]:
        """The process is gone. What somebody killed from outside (the system, short of memory) says nothing of the
        slide, which is tried once more."""
        assert self.job is not None
        if _FROM_OUTSIDE not in how:
            yield self.lose("crashed", f"reading it ended its process ({how})")
        elif self._again:
            yield self.lose("crashed", f"its process was killed from outside twice ({how}); {_SHORT_OF_MEMORY}")
        else:
            self._restart()
            self.give(self.job, again=True)

    def lose(self, code: str, message: str) -> SlideFinished:
        """Ends the process, starts another, and gives the lost job's end."""
        assert self.job is not None
        job, self.job = self.job, None
        self._restart()
        row = SlideRow(
            job.slide_id, job.file, SlideStatus.FAILED, error_code=code, message=f"{Path(job.file).name} {message}"
        )
        return SlideFinished(job, row, "ran")

    def stop(self) -> None:
        # One without a job is at nothing: what it did is on the disk, and told.
        self._worker.kill()

    def _begin(self, worker: WorkerProcess) -> None:
        self._worker, self.connection = worker, worker.connection
        self.clock = SlideClock(self._engine.clock)
        with contextlib.suppress(OSError):  # if it has died already, giving it a job will tell
            self.connection.send((self._config, self._engine.work))

    def _restart(self) -> None:
        self._worker.kill()
        self._begin(start_worker())
