"""The local engine with a cache: this process copies ahead, each worker waits for its slide's copy and reads that."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.batch.engines.events import Event, SlideFinished, SlideOutcome
from app.batch.engines.local import LocalEngine
from app.batch.engines.staging.folder import staging_folder
from app.batch.engines.staging.stager import Parts, PartsOf, Stager, local_parts
from app.batch.engines.staging.tickets import wait_for_ticket
from app.batch.engines.worker import WorkerProcess
from app.batch.job import SlideJob
from app.config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.pipeline import Progress
    from classifier.model import TileModel

# Of what is free in the cache, where nobody says how much may be used.
_SHARE_OF_FREE = 0.5


@dataclass(frozen=True)
class StagedEngine:
    """As LocalEngine, which does the work; `limit_gb` bounds the copies that lie in `cache` at a time."""

    cache: Path
    limit_gb: float | None = None
    workers: int = 1
    early: list[WorkerProcess] = field(default_factory=list)
    parts_of: PartsOf | None = None

    def run_jobs(self, jobs: Sequence[SlideJob], config: RunConfig) -> Generator[Event, None, None]:
        """See `Engine`. Raises OutputUnwritableError where the cache cannot be written to."""
        inner = LocalEngine(self.workers, self.early, work=process_staged)
        with staging_folder(self.cache) as folder:
            stager = Stager(folder, jobs, self._limit_bytes(), self.parts_of or parts_of)
            stager.start()
            try:
                with contextlib.closing(inner.run_jobs(jobs, replace(config, cache=folder))) as events:
                    for event in events:
                        if isinstance(event, SlideFinished):
                            stager.release(event.job)
                        yield event
            finally:
                stager.stop()

    def _limit_bytes(self) -> int:
        if self.limit_gb is not None:
            return int(self.limit_gb * 1e9)
        return int(shutil.disk_usage(self.cache).free * _SHARE_OF_FREE)


def parts_of(job: SlideJob) -> Parts:
    """The files of a slide, wherever they lie."""
    if job.remote:
        from app.batch.engines.staging.remote import remote_parts

        return remote_parts(job)
    return local_parts(job)


def process_staged(
    job: SlideJob, config: RunConfig, model: Callable[[], TileModel], progress: Progress | None = None
) -> SlideOutcome:
    """In a worker: `process_slide` on the copy. The result is that of the original: its name, its bytes' digest."""
    from app.batch.engines.task import failed_row, process_slide
    from wsi.files.fingerprint import digests_known

    if job.problem or config.cache is None:
        return process_slide(job, config, model, progress)
    ticket = wait_for_ticket(config.cache, job.slide_id)
    if ticket.problem:
        return SlideOutcome(failed_row(job, "unreadable-file", f"{os.path.basename(job.file)} {ticket.problem}"))  # noqa: PTH119 (an address)
    if not ticket.path:
        return process_slide(job, config, model, progress)
    with digests_known({Path(path): sha256 for path, sha256 in ticket.digests.items()}):
        return process_slide(replace(job, path=Path(ticket.path)), config, model, progress)
