"""`pulmoscope run`, from the words on the command line to the exit code. The work itself is `batch`'s."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.batch.engines.events import Engine, Event
from app.batch.engines.local import LocalEngine
from app.batch.engines.worker import WorkerProcess
from app.batch.inputs import SlideJob, collect_jobs, shard
from app.batch.run_batch import EXIT_FAILURES, Tally, run_batch
from app.commands.terminal import EXIT_STOPPED, reporter
from app.config import RunConfig
from app.ledger.records import SLIDES_CSV
from wsi.errors import UsageError
from wsi.text import escape


@dataclass(frozen=True)
class RunRequest:
    """The options of `pulmoscope run`, as `--help` tells them."""

    inputs: tuple[Path, ...]
    out: Path
    manifest: Path | None
    model: str
    mpp: float | None
    overlap: float
    reader: str
    engine: str
    scheduler: str | None
    tls_ca: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    resources: tuple[str, ...]
    workers: int
    memory_gb: float
    slide_timeout_s: float
    shard: str | None
    overwrite: bool
    fail_fast: bool
    key_file: Path | None
    as_json: bool


def run_slides(request: RunRequest, early: list[WorkerProcess]) -> int:
    """Runs the batch, shows it, and returns the exit code. `early` are worker processes that the local engine may have.

    Raises UsageError, ModelError, OutputUnwritableError.
    """
    card = _checked_card(request)
    engine, jobs = _engine(request, early), _jobs(request)
    tally, show = Tally(), reporter(request.as_json)
    stopped, code = "", None
    events = run_batch(
        jobs, _config(request, card), card.classes, engine=engine, fail_fast=request.fail_fast, tally=tally
    )
    try:
        with _stoppable() as stop_asked, contextlib.closing(events):
            show.show(_until(stop_asked, events), len(jobs))
    except KeyboardInterrupt:
        stopped, code = "interrupted", EXIT_STOPPED
    if tally.undone and not stopped:
        stopped, code = "a slide failed and --fail-fast was given", EXIT_FAILURES
    show.end(tally, escape(str(request.out / SLIDES_CSV)), stopped=stopped)
    return tally.exit_code if code is None else code


def _checked_card(request: RunRequest) -> Any:
    """The model's card, once the options have been found to make sense."""
    from classifier.model import find_model
    from classifier.model_folder.files import read_card
    from tiler.spec import TileSpec

    if request.mpp is not None and not 0 < request.mpp < 1000:
        raise UsageError(f"--mpp {request.mpp:g} is no pixel size in um")
    card = read_card(find_model(request.model))
    TileSpec(card.tile.size_px, card.tile.mpp, request.overlap)
    return card


def _jobs(request: RunRequest) -> list[SlideJob]:
    jobs = collect_jobs(request.inputs, request.manifest, mpp=request.mpp, skip=request.out)
    if request.shard:
        jobs = shard(jobs, request.shard)
    if request.key_file:
        from app.batch.pseudonyms import pseudonymize

        jobs = pseudonymize(jobs, request.key_file, request.out)
    return jobs


def _config(request: RunRequest, card: Any) -> RunConfig:
    return RunConfig(
        out=request.out.absolute(),  # a worker on another machine stands in another folder
        model=request.model,
        overlap=request.overlap,
        reader=request.reader,
        overwrite=request.overwrite,
        threads=max(1, (os.cpu_count() or 1) // request.workers),
        memory_gb=request.memory_gb,
        slide_timeout_s=request.slide_timeout_s,
        model_sha256=card.digest,
    )


def _engine(request: RunRequest, early: list[WorkerProcess]) -> Engine:
    tls = [request.tls_ca, request.tls_cert, request.tls_key]
    if request.engine == "local":
        if request.scheduler or any(tls) or request.resources:
            raise UsageError("--scheduler, --tls-... and --resource are Dask's", hint="add --engine dask")
        return LocalEngine(request.workers, early)
    from app.batch.engines.dask import DaskEngine, TlsFiles

    if any(tls) != all(tls):
        raise UsageError("--tls-ca, --tls-cert and --tls-key go together")
    ca, cert, key = tls
    files = TlsFiles(ca, cert, key) if ca and cert and key else None
    return DaskEngine(request.workers, request.scheduler, files, _amounts(request.resources))


def _amounts(resources: tuple[str, ...]) -> dict[str, float]:
    amounts = {}
    for text in resources:
        name, _, amount = text.partition("=")
        try:
            amounts[name] = float(amount)
        except ValueError:
            raise UsageError(f"--resource {text} is not NAME=NUMBER") from None
    return amounts


@contextlib.contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Ctrl-C, and a batch system's polite end (SIGTERM), raise KeyboardInterrupt and set the event.

    The event is for an interrupt that comes while Python cleans up an object, where exceptions are not passed on.
    """
    asked = threading.Event()

    def stop(*_: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    before = {by: signal.signal(by, stop) for by in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for by, handler in before.items():
            signal.signal(by, handler)


def _until(stop_asked: threading.Event, events: Iterable[Event]) -> Iterator[Event]:
    for event in events:
        if stop_asked.is_set():
            raise KeyboardInterrupt
        yield event
