"""The Dask engine: the same slides and the same result on a local cluster or on machines that a scheduler knows.
Dask is imported when a run asks for it. How to set a cluster up is in docs/clusters.md."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.batch.engines.events import Event, SlideFinished, SlideOutcome, SlideStarted, SlideWork
from app.batch.engines.slide_clock import LOOK_EVERY_S, SlideClock
from app.batch.engines.task import ModelCache, failed_row, process_slide
from app.batch.job import SlideJob
from app.config import RunConfig
from app.ledger.records import SlideRow
from wsi.errors import EngineError, UsageError
from wsi.process.cores import usable_cores
from wsi.process.limits import memory_limit, no_core_files
from wsi.process.silence import silent

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT_S = 20
# A slide may lose this many workers before it is the slide that is blamed.
_ALLOWED_FAILURES = 2
# What a worker needs besides the slide: Python, the libraries, the model.
_WORKER_BASE_GB = 2.0
# A worker that comes waits so long for its first slide at most.
_COUNT_EVERY_S = 0.5


@dataclass(frozen=True)
class TlsFiles:
    """PEM files; all three, since Dask knows no other authentication than a certificate."""

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True)
class DaskEngine:
    """A local cluster of `workers`, or the cluster of `scheduler` (tcp://... or tls://...).

    `resources` is what a worker must offer to get a slide, {"GPU": 1} for one. A worker that is lost costs a retry.
    `work` is what a worker does with a slide, if not `process_slide`.
    """

    workers: int = 1
    scheduler: str | None = None
    tls: TlsFiles | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    work: SlideWork = process_slide

    def run_jobs(self, jobs: Sequence[SlideJob], config: RunConfig) -> Generator[Event, None, None]:
        """Raises UsageError where Dask is not installed, EngineError where no scheduler answers or it goes away."""
        _quieten()
        with self._client(config) as client:
            yield from _carry_out(client, jobs, config, self)

    @contextlib.contextmanager
    def _client(self, config: RunConfig) -> Iterator[Client]:
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise UsageError("--engine dask needs Dask", hint="pip install 'pulmoscope[dask]'") from error
        if self.scheduler is None:
            with (
                _settings(),
                LocalCluster(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    memory_limit=f"{_WORKER_BASE_GB + config.memory_gb}GB",
                    # No dashboard, and its port any that is free: None would still ask for 8787.
                    dashboard_address="127.0.0.1:0",
                    scheduler_kwargs={"dashboard": False},
                    silence_logs=logging.CRITICAL,
                    # Without it any user of this machine could have our workers run code.
                    security=True,
                ) as cluster,
                Client(cluster) as client,
            ):
                yield client
            return
        try:
            client = Client(self.scheduler, timeout=_CONNECT_S, security=_security(self.tls))
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise EngineError(
                f"no Dask scheduler answers at {self.scheduler} ({type(error).__name__})",
                hint="check the address and, for tls://, the --tls options",
            ) from error
        with client:
            yield client


def do_slide(job: SlideJob, config: RunConfig, do: SlideWork = process_slide) -> tuple[SlideOutcome, str]:
    """In a Dask worker: one slide within its limits. The address is that of a worker that must be restarted,
    because the slide still hangs in it; empty where all is well."""
    from distributed import get_worker

    no_core_files()
    # Whoever asks may have another machine; a cluster's workers share theirs as its maker sees fit.
    config = replace(config, threads=min(config.threads, usable_cores()))
    box: list[SlideOutcome] = []
    model = _model(config)
    with silent(), memory_limit(config.memory_gb):
        # A thread of its own can be left behind; the task's thread could not.
        work = threading.Thread(target=lambda: box.append(do(job, config, model, None)), daemon=True)
        work.start()
        clock = SlideClock()
        while work.is_alive() and (left := config.slide_timeout_s - clock.seconds()) > 0:
            work.join(min(LOOK_EVERY_S, left))
    if box:
        return box[0], ""
    late = failed_row(
        job, "timed-out", f"{job.file} took more than {config.slide_timeout_s:g} s; raise --slide-timeout"
    )
    return SlideOutcome(late), str(get_worker().address)


@lru_cache(maxsize=1)
def _model(config: RunConfig) -> ModelCache:
    return ModelCache(config)


def _carry_out(
    client: Client, jobs: Sequence[SlideJob], config: RunConfig, engine: DaskEngine
) -> Generator[Event, None, None]:
    waiting = deque(jobs)
    resources = dict(engine.resources) or None
    under_way: dict[Future, SlideJob] = {}
    hands = _Hands(client)
    try:
        while waiting or under_way:
            # No more than the workers have hands for: Dask blames a lost worker's death on all that it was given.
            while waiting and len(under_way) < hands.count():
                job = waiting.popleft()
                key = f"{config.run_id}-{job.slide_id}"
                future = client.submit(do_slide, job, config, engine.work, key=key, pure=False, resources=resources)
                under_way[future] = job
                yield SlideStarted(job)
            for future in _ended(client, list(under_way)):
                yield _finished(client, under_way.pop(future), future)
    finally:
        with contextlib.suppress(Exception):  # where the scheduler is gone there is nothing to cancel
            client.cancel(list(under_way), force=True)


@dataclass
class _Hands:
    """How many slides the workers can be at together, asked now and then: a question takes as long as handing a slide
    out."""

    client: Client
    clock: Callable[[], float] = time.monotonic
    _known: int = 1
    _due_s: float = -math.inf

    def count(self) -> int:
        if self.clock() >= self._due_s:
            self._known = max(1, sum(self.client.nthreads().values()))
            self._due_s = self.clock() + _COUNT_EVERY_S
        return self._known


def _ended(client: Client, futures: list[Future]) -> list[Future]:
    """Those that came to an end, after half a second at most."""
    from distributed import wait

    if client.status != "running":
        raise EngineError("the Dask scheduler went away", hint="the same command again does what is left")
    with contextlib.suppress(TimeoutError):
        wait(futures, timeout=0.5, return_when="FIRST_COMPLETED")
    ended = [future for future in futures if future.done()]
    if any(future.status in ("cancelled", "lost") for future in ended):
        raise EngineError("the Dask scheduler lost what it was given", hint="the same command again does what is left")
    return ended


def _finished(client: Client, job: SlideJob, future: Future) -> SlideFinished:
    if future.status == "error":
        return SlideFinished(job, _lost_row(job, future.exception()), "ran")
    outcome, hanging = future.result()
    if hanging:
        client.restart_workers([hanging], raise_for_error=False)
    finished: SlideFinished = outcome.of(job)
    return finished


def _lost_row(job: SlideJob, error: BaseException | None) -> SlideRow:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        message = f"{job.file}: {_ALLOWED_FAILURES + 1} workers that read it were lost"
        return failed_row(job, "crashed", message)
    return failed_row(job, "internal-error", f"{type(error).__name__} in a Dask worker; the same version on all?")


def _security(tls: TlsFiles | None) -> Any:
    from distributed.security import Security

    if tls is None:
        return None
    return Security(
        tls_ca_file=str(tls.ca),
        tls_client_cert=str(tls.cert),
        tls_client_key=str(tls.key),
        require_encryption=True,
    )


def _settings() -> Any:
    import dask

    return dask.config.set(
        {
            "distributed.scheduler.allowed-failures": _ALLOWED_FAILURES,
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.logging.distributed": "critical",
        }
    )


def _quieten() -> None:
    """Dask tells of lost workers at length on stderr; the table tells it by slide."""
    for name in ("distributed", "distributed.nanny", "distributed.worker", "distributed.client", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
