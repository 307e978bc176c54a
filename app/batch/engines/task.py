"""What every engine does with one slide: lock it, keep what is finished, else run it and store the result."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aggregate import store
from aggregate.provenance import Provenance
from aggregate.result import SlideStatus
from app.batch.engines.events import Fate, SlideOutcome
from app.batch.job import SlideJob
from app.batch.kept import save_announced, tell_anew, told_otherwise, what_changed
from app.config import RunConfig
from app.ledger.locks import try_lock
from app.ledger.records import SlideRow
from app.pipeline import Progress, run_slide
from classifier.model import TileModel, load_model
from tiler import given as given_masks
from wsi.errors import (
    IdentifyingMetadataError,
    MaskMissingError,
    ModelDigestError,
    ModelError,
    NotAFileError,
    OutputUnwritableError,
    PulmoscopeError,
    SiteError,
)
from wsi.text import plain

if TYPE_CHECKING:
    from tiler.given.mask import GivenMask


def process_slide(
    job: SlideJob, config: RunConfig, model: Callable[[], TileModel], progress: Progress | None = None
) -> SlideOutcome:
    """Does one slide. Never raises for anything that is wrong with the slide: that becomes its row."""
    try:
        with try_lock(config.out, job.slide_id) as ours:
            if not ours:
                held = SlideOutcome(SlideRow(job.slide_id, job.file, SlideStatus.FAILED, error_code="held"), "held")
                return _finished_elsewhere(job, config, model()) or held
            return _process(job, config, model(), progress)
    except OutputUnwritableError as error:
        return _ends_the_run(job, error, "unwritable")
    except (ModelError, SiteError) as error:
        return _ends_the_run(job, error, "no-model")
    except PulmoscopeError as error:
        return SlideOutcome(failed_row(job, error.code, error.detail))
    except Exception as error:  # one slide must never end the batch
        if _lacks_memory(error):
            return SlideOutcome(failed_row(job, "out-of-memory", "the slide needs more memory; give a larger --memory"))
        if os.environ.get("PULMOSCOPE_DEBUG"):
            import traceback  # a slide that goes well has no use for it

            traceback.print_exc()
        return SlideOutcome(failed_row(job, "internal-error", f"{type(error).__name__}; please report this"))


def _ends_the_run(job: SlideJob, error: PulmoscopeError, fate: Fate) -> SlideOutcome:
    """What is no slide's fault, and would meet every further one. The words are of the output or the model."""
    row = SlideRow(job.slide_id, job.file, SlideStatus.FAILED, error_code=error.code, message=error.detail)
    return SlideOutcome(row, fate)


def _lacks_memory(error: Exception) -> bool:
    """Whether there was no room for data, or none for the stack of a thread."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "start new thread" in str(error))


def failed_row(job: SlideJob, code: str, message: str) -> SlideRow:
    """The row of a slide that failed. Under a pseudonym the message is ours alone: most original ones name the file."""
    if job.pseudonymous and code != IdentifyingMetadataError.code:
        message = f"{job.file} failed; `pulmoscope info` on the original says more"
    return SlideRow(job.slide_id, job.file, SlideStatus.FAILED, error_code=code, message=message)


class ModelCache:
    """Loads the run's model, under its site profile, when the first slide needs it, and once."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._model: TileModel | None = None

    def __call__(self) -> TileModel:
        if self._model is None:
            model = self._loaded()
            if self._config.model_sha256 not in ("", model.card.digest):
                raise ModelDigestError(
                    f"the model {model.card.name} is another one on this machine", hint="install the same on all"
                )
            self._model = self._of_site(model)
        return self._model

    def _loaded(self) -> TileModel:
        try:
            return load_model(self._config.model, runtime=self._config.runtime, threads=self._config.threads)
        except OSError as error:  # its disk went away
            raise ModelError(f"the model cannot be read: {error.strerror}", hint="run again when it is back") from error

    def _of_site(self, model: TileModel) -> TileModel:
        if not self._config.site:
            return model
        from classifier.site.files import read_site

        profile = read_site(Path(self._config.site))
        if profile.digest != self._config.site_sha256:
            raise SiteError("the site profile is another one than at the start", hint="copy the same to all machines")
        return profile.laid_over(model)


def _process(job: SlideJob, config: RunConfig, model: TileModel, progress: Progress | None) -> SlideOutcome:
    if job.problem:
        raise NotAFileError(f"{job.path.name} {job.problem}")
    if config.require_deidentified:
        from wsi.deidentify.formats import refuse_identifying  # most runs do not ask

        refuse_identifying(job.path, Path(job.file).name)
    given = given_mask(job) if config.tissue_mask else None
    job = replace(job, mask_sha256=given.sha256) if given else job
    target = store.result_path(config.out, job.slide_id)
    store.clear_staging(config.out, job.slide_id)
    changed = ("overwrite",) if config.overwrite and target.exists() else what_changed(target, job, config, model)
    if changed == ():
        return _kept(target, job, tell_anew(target, job, config, model))
    result = run_slide(
        job.path, job.slide_id, model, config, mpp=job.mpp, label=job.label, given=given, progress=progress
    )
    result = replace(result, slide=replace(result.slide, file=Path(job.file).name))
    if config.slide_model:
        from app.batch.engines.opinion import with_slide_model  # most runs have none

        result = with_slide_model(result, config)
    save_announced(result, config)
    summary = store.load_summary(target)
    return SlideOutcome(SlideRow.of_summary(job.file, summary), "ran", changed or (), _digests(target, summary))


def given_mask(job: SlideJob) -> GivenMask:
    """A person's tissue mask of this slide. Raises MaskMissingError, BadMaskError."""
    if job.mask is None:
        raise MaskMissingError(
            f"no mask is this slide's ({plain(job.slide_id)})",
            hint=f"name one {plain(job.slide_id)}.geojson or .png, or run the slide without --tissue-mask",
        )
    return given_masks.read_given(job.mask)


def _finished_elsewhere(job: SlideJob, config: RunConfig, model: TileModel) -> SlideOutcome | None:
    """The end of a slide that another run holds, where its result is there already: that run only looks at it too.

    A result appears and goes as a whole, so it can be read without the lock.
    """
    target = store.result_path(config.out, job.slide_id)
    with contextlib.suppress(PulmoscopeError, OSError):
        if config.tissue_mask:
            job = replace(job, mask_sha256=given_mask(job).sha256)
        if not config.overwrite and what_changed(target, job, config, model) == ():
            # Where it tells what holds no longer, that run's lock must fall first.
            return None if told_otherwise(target, job, config, model) else _kept(target, job)
    return None


def _kept(target: Path, job: SlideJob, told_anew: tuple[str, ...] = ()) -> SlideOutcome:
    summary = store.load_summary(target)
    return SlideOutcome(SlideRow.of_summary(job.file, summary), "kept", told_anew, _digests(target, summary))


def _digests(target: Path, summary: Mapping[str, Any]) -> dict[str, str]:
    provenance = Provenance.from_dict(summary["provenance"])
    return {
        "slide_sha256": summary["slide"]["sha256"],
        "model_sha256": provenance.model.sha256,
        "config_sha256": provenance.config_sha256,
        **store.committed_digests(target),
    }
