"""The local engine: slides are done in worker processes, so that a slide that aborts, hangs or eats the memory of the
process that reads it costs itself alone. A lost worker is replaced; the parent opens no slide."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from app.config import RunConfig
from app.engines.events import Event, SlideFinished, SlideProgress, SlideStarted
from app.engines.limits import die_with, memory_limit, silent
from app.inputs import SlideJob
from app.records import SlideRow

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from app.engines.task import SlideOutcome

# Between two progress reports of one slide.
_REPORT_EVERY_S = 0.2


@dataclass(frozen=True)
class LocalEngine:
    """`workers` processes on this machine, each with the memory and the time a slide that `RunConfig` allows."""

    workers: int = 1

    def run_jobs(self, jobs: Sequence[SlideJob], config: RunConfig) -> Generator[Event, None, None]:
        waiting = deque(jobs)
        crew: list[_Worker] = []
        try:
            crew += (_Worker(config) for _ in range(max(1, min(self.workers, len(jobs)))))
            while waiting or any(worker.job for worker in crew):
                for worker in crew:
                    if worker.job is None and waiting:
                        yield SlideStarted(worker.give(waiting.popleft()))
                yield from _listen(crew, config)
        finally:
            for worker in crew:
                worker.stop()


def _listen(crew: list[_Worker], config: RunConfig) -> Iterator[Event]:
    busy = [worker for worker in crew if worker.job]
    ready = wait([worker.connection for worker in busy], timeout=0.5)
    for worker in busy:
        if worker.connection in ready:
            yield from worker.receive()
        elif worker.seconds > config.slide_timeout_s:
            yield worker.lose("timed-out", f"took more than {config.slide_timeout_s:g} s; raise --slide-timeout")


class _Worker:
    """One worker process and the job it is at."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.job: SlideJob | None = None
        self._start()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._since

    def give(self, job: SlideJob) -> SlideJob:
        self.job, self._since = job, time.monotonic()
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
            self._process.join(5)
            yield self.lose("crashed", f"reading it ended its process ({_end_of(self._process)})")
            return
        if isinstance(message, tuple):
            yield SlideProgress(self.job, *message)
        else:
            outcome: SlideOutcome = message
            job, self.job = self.job, None
            yield outcome.of(job)

    def lose(self, code: str, message: str) -> SlideFinished:
        """Ends the process, starts another, and gives the lost job's end."""
        assert self.job is not None
        job, self.job = self.job, None
        self._restart()
        row = SlideRow(job.slide_id, job.file, "failed", error_code=code, message=f"{Path(job.file).name} {message}")
        return SlideFinished(job, row, "ran")

    def stop(self) -> None:
        if self.job is None:
            self.connection.close()  # it reads the end of its jobs and goes
            self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(
            target=_work, args=(theirs, self._config, os.getpid()), daemon=True
        )
        with _interrupts_held():
            self._process.start()
        theirs.close()
        self._since = time.monotonic()

    def _restart(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.join()
        self._start()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process started in here has Ctrl-C blocked for good: it is the parent's to handle, from the first moment."""
    resource_tracker.ensure_running()  # its start lets both signals through again, so it must not come later
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_of(process: SpawnProcess) -> str:
    code = process.exitcode
    if code is None or code >= 0:
        return f"exit code {code}"
    return f"signal {signal.Signals(-code).name}"


# --- in the worker process


def _work(connection: Connection, config: RunConfig, parent: int) -> None:
    die_with(parent)
    with silent():
        from app.engines.task import ModelCache, process_slide
        from app.engines.tuning import tune_process

        tune_process()
        model = ModelCache(config)
        with memory_limit(config.memory_gb):
            while True:
                try:
                    job = connection.recv()
                except (EOFError, OSError):
                    return
                connection.send(process_slide(job, config, model, _Reporter(connection)))


class _Reporter:
    """Sends progress, but not every batch."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = 0.0

    def __call__(self, tiles_done: int, tiles: int) -> None:
        now = time.monotonic()
        if tiles_done == tiles or now - self._last >= _REPORT_EVERY_S:
            self._last = now
            self._connection.send((tiles_done, tiles))
