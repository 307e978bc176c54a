"""A worker process of the local engine: how it is started, and what it does from its first to its last moment.

It is told what for only later, so that it loads its libraries while the parent still loads its own and looks at the
options. Importing this module costs next to nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

from wsi.process.child import Child, parent_connection, start_child
from wsi.process.limits import die_with, memory_limit, no_core_files
from wsi.process.silence import silent

# Between two progress reports of one slide.
_REPORT_EVERY_S = 0.2
# Steps of nice: a batch has what the cores have to spare, and who looks at slides meanwhile does not wait for it.
_PATIENCE = 10

WorkerProcess = Child
"""It wants to be sent a RunConfig with a SlideWork or None, then SlideJobs; it answers each with (tiles done, tiles),
lines that say what it waits for, and a SlideOutcome."""


def start_worker() -> WorkerProcess:
    return start_child(f"{__name__}:{work.__name__}")


@contextlib.contextmanager
def started_early(wanted: bool) -> Iterator[list[WorkerProcess]]:
    """A worker that starts now, if `wanted`, for the engine to take from the list; ended if none did."""
    workers = [start_worker()] if wanted else []
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()


# --- in the worker process


def work() -> None:
    """Does the slides that it is sent, until the parent closes the connection or is gone."""
    connection, parent = parent_connection()
    die_with(parent)
    os.nice(_PATIENCE)
    no_core_files()
    with silent(), contextlib.suppress(EOFError, OSError):
        _serve(connection)
    # Results are on disk; there is nothing that taking the libraries down in order would save.
    os._exit(0)


def _serve(connection: Connection) -> None:
    from app.batch.engines.task import ModelCache, process_slide
    from wsi.process.tuning import tune_process
    from wsi.process.waits import waits_are_told

    tune_process()
    # What packs a result is wanted last, and takes long to load.
    threading.Thread(target=_load_packing, daemon=True).start()
    config, other_work = connection.recv()
    do, model = other_work or process_slide, ModelCache(config)
    with memory_limit(config.memory_gb), waits_are_told(connection.send):
        while True:
            job = connection.recv()
            connection.send(do(job, config, model, _Reporter(connection)))


def _load_packing() -> None:
    from numcodecs import zstd  # noqa: F401


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
