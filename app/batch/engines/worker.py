"""A worker process of the local engine: how it is started, and what it does from its first to its last moment.

It is told what for only later, so that it loads its libraries while the parent still loads its own and looks at the
options. Importing this module costs next to nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from app.batch.engines.limits import die_with, memory_limit, silent

# -P: the folder where the user stands holds slides, and maybe a file that is called as one of our modules.
_PYTHON = (
    "-P",
    "-c",
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import app.batch.engines.worker as w; w.work()",
)
# NumPy's BLAS reads it once, when it is loaded. Its own threads, waiting for each other on two busy cores, made the
# small products of a batch of tiles 60 times as dear as one thread does.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
# Between two progress reports of one slide.
_REPORT_EVERY_S = 0.2


@dataclass(frozen=True)
class WorkerProcess:
    """It wants to be sent a RunConfig with a SlideWork or None, then SlideJobs; it answers each with (tiles done,
    tiles) and a SlideOutcome."""

    process: subprocess.Popen[bytes]
    connection: Connection

    def dismiss(self) -> None:
        """Ends it politely: what it is at is finished first, for two seconds at most."""
        self.connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.connection.close()


def start_worker() -> WorkerProcess:
    ours, theirs = socket.socketpair()
    with theirs, _interrupts_held():
        process = subprocess.Popen(
            [sys.executable, *_PYTHON, json.dumps(sys.path), str(theirs.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return WorkerProcess(process, Connection(ours.detach()))


@contextlib.contextmanager
def started_early(wanted: bool) -> Iterator[list[WorkerProcess]]:
    """A worker that starts now, if `wanted`, for the engine to take from the list; dismissed if none did."""
    workers = [start_worker()] if wanted else []
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process started in here has Ctrl-C blocked for good: it is the parent's to handle, from the first moment."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- in the worker process


def work() -> None:
    """Does the slides that it is sent, until the parent closes the connection or is gone."""
    connection, parent = Connection(int(sys.argv[2])), int(sys.argv[3])
    die_with(parent)
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    with silent(), contextlib.suppress(EOFError, OSError):
        _serve(connection)
    # Results are on disk; there is nothing that taking the libraries down in order would save.
    os._exit(0)


def _serve(connection: Connection) -> None:
    from app.batch.engines.task import ModelCache, process_slide
    from app.batch.engines.tuning import tune_process

    tune_process()
    # The store is wanted last, and takes longest to load.
    threading.Thread(target=_load_store, daemon=True).start()
    config, other_work = connection.recv()
    do, model = other_work or process_slide, ModelCache(config)
    with memory_limit(config.memory_gb):
        while True:
            job = connection.recv()
            connection.send(do(job, config, model, _Reporter(connection)))


def _load_store() -> None:
    import zarr  # noqa: F401


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
