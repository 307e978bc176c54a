"""What an engine tells while it works: a slide began, went on, came to its end. Knows no engine and no terminal."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from app.batch.job import SlideJob
from app.config import RunConfig
from app.ledger.records import SlideRow

Fate = Literal["ran", "kept", "held", "unwritable", "no-model"]
"""`kept`: a finished result was there; `held`: another run is at this slide and will write its row;
`unwritable`: the output took no result, `no-model`: the model cannot be used, which says nothing about the slide."""


@dataclass(frozen=True)
class SlideStarted:
    job: SlideJob


@dataclass(frozen=True)
class SlideProgress:
    job: SlideJob
    tiles_done: int
    tiles: int


@dataclass(frozen=True)
class SlideFinished:
    """`changed` names why an earlier result was not kept: slide, model, program, configuration, reader, damage.
    `digests` holds what is known of slide_sha256, model_sha256, config_sha256, result_sha256."""

    job: SlideJob
    row: SlideRow
    fate: Fate
    changed: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SlideOutcome:
    """What a worker answers; the fields are those of SlideFinished, which it becomes in the parent."""

    row: SlideRow
    fate: Fate = "ran"
    changed: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    def of(self, job: SlideJob) -> SlideFinished:
        return SlideFinished(job, self.row, self.fate, self.changed, self.digests)


Event = SlideStarted | SlideProgress | SlideFinished

SlideWork = Callable[[SlideJob, RunConfig, Callable[[], Any], Callable[[int, int], None] | None], SlideOutcome]
"""What is done with one slide, of `task.process_slide`'s shape; tests have others."""


class Engine(Protocol):
    """Carries out jobs somewhere. Closing the iterator early ends all work that is under way."""

    def run_jobs(self, jobs: Sequence[SlideJob], config: RunConfig) -> Generator[Event, None, None]:
        """Events as they happen, exactly one SlideFinished a job."""
        ...
