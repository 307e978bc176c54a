"""What every engine does with one slide: lock it, keep what is finished, else run it and store the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aggregate import store
from app.config import RunConfig
from app.inputs import SlideJob
from app.locks import try_lock
from app.pipeline import Progress, run_slide
from app.records import SlideRow
from classifier.model import TileModel, load_model
from wsi.errors import NotAFileError, PulmoscopeError, StoreError
from wsi.fingerprint import fingerprint

Fate = Literal["ran", "kept", "held"]


@dataclass(frozen=True)
class SlideOutcome:
    """`kept`: a finished result was there; `held`: another run is at this slide, and will write its row."""

    row: SlideRow
    fate: Fate = "ran"


def process_slide(
    job: SlideJob, config: RunConfig, model: Callable[[], TileModel], progress: Progress | None = None
) -> SlideOutcome:
    """Does one slide. Never raises for anything that is wrong with the slide: that becomes its row."""
    try:
        with try_lock(config.out, job.slide_id) as ours:
            if not ours:
                return SlideOutcome(SlideRow(job.slide_id, job.file, "failed", error_code="held"), "held")
            return _process(job, config, model(), progress)
    except PulmoscopeError as error:
        return SlideOutcome(failed_row(job, error.code, error.detail))
    except MemoryError:
        return SlideOutcome(failed_row(job, "out-of-memory", "the slide needs more memory; give a larger --memory"))
    except Exception as error:  # one slide must never end the batch
        return SlideOutcome(failed_row(job, "internal-error", f"{type(error).__name__}; please report this"))


def failed_row(job: SlideJob, code: str, message: str) -> SlideRow:
    return SlideRow(job.slide_id, job.file, "failed", error_code=code, message=message)


def result_row(file: str, summary: Mapping[str, Any]) -> SlideRow:
    """The row of a stored result, from its attributes (`store.load_summary`)."""
    return SlideRow(
        slide_id=summary["slide_id"],
        file=file,
        status=summary["status"],
        call=summary["call"],
        probabilities={name: p for name, p in summary["probabilities"].items() if p is not None},
        confidence=summary["confidence"],
        review_reasons=tuple(summary["review_reasons"]),
        mpp=summary["slide"]["mpp"],
        mpp_source=summary["slide"]["mpp_source"],
        tissue_mm2=summary["qc"]["tissue_mm2"],
        tiles=round(summary["qc"]["tiles"]),
        seconds=summary["provenance"].get("seconds"),
    )


class ModelCache:
    """Loads the run's model when the first slide needs it, and once."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._model: TileModel | None = None

    def __call__(self) -> TileModel:
        if self._model is None:
            self._model = load_model(self._config.model, runtime=self._config.runtime, threads=self._config.threads)
        return self._model


def _process(job: SlideJob, config: RunConfig, model: TileModel, progress: Progress | None) -> SlideOutcome:
    if job.problem:
        raise NotAFileError(f"{job.path.name} {job.problem}")
    target = store.result_path(config.out, job.slide_id)
    store.clear_staging(config.out, job.slide_id)
    if not config.overwrite and _is_current(target, job, config, model):
        return SlideOutcome(result_row(job.file, store.load_summary(target)), "kept")
    result = run_slide(job.path, job.slide_id, model, config, mpp=job.mpp, label=job.label, progress=progress)
    store.save(result, config.out)
    return SlideOutcome(result_row(job.file, store.load_summary(target)))


def _is_current(target: Path, job: SlideJob, config: RunConfig, model: TileModel) -> bool:
    """A whole result of the same slide, model and configuration."""
    if store.verify(target):
        return False
    try:
        summary = store.load_summary(target)
    except StoreError:
        return False
    provenance = summary["provenance"]
    return (
        provenance["model"]["sha256"] == model.card.digest
        and provenance["model"]["runtime"] == model.runtime
        and provenance["config_sha256"] == config.sha256(job.mpp)
        and summary["slide"]["sha256"] == fingerprint(job.path)
    )
