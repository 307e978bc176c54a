"""`pulmoscope adapt`: a site profile from a handful of a laboratory's unlabelled slides, and what a profile says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.batch.inputs import collect_jobs
from app.batch.job import SlideJob
from app.slides.guarded import GuardedSlides, Limits
from app.slides.observe import see_features, see_look
from app.slides.question import SlideAddress
from classifier.colour.look import Look, correction_of, no_correction, read_model_white, typical_look
from classifier.model import TileModel, load_model
from classifier.model_folder.arrays import unpack_arrays
from classifier.model_folder.card import FAMILIARITY_FILE
from classifier.model_folder.files import read_folder
from classifier.model_folder.find import find_model
from classifier.networks.shape import features_of
from classifier.site.files import refuse_taken, write_site
from classifier.site.fit import SlideSeen, fit_site, refuse_without_familiarity
from classifier.site.profile import WHAT_IT_CHANGES, SiteProfile
from wsi.errors import ModelError, NotAFileError, PulmoscopeError, SlideCrashedError, UsageError
from wsi.spacing import FillIn

Say = Callable[[str], None]
# Where more than this is refused, a profile does not extend what the model knows: it lets it guess.
_HARDLY_KNOWN = 0.8
# Reading and predicting 400 tiles; a slide that takes longer is no ordinary one.
_LIMITS = Limits(memory_gb=4.0, seconds=900.0, cpu_seconds=1800.0)


def adapt_site(
    inputs: Sequence[Path], out: Path, model_name: str, *, known_share: float, mpp: float | None, say: Say
) -> tuple[SiteProfile, int]:
    """Writes the profile of the slides to `out`; gives it, and how many slides failed. `say` is told of each of them.

    Raises UsageError, ModelError, SiteError, OutputUnwritableError.
    """
    refuse_taken(out)
    model = load_model(model_name)
    refuse_without_familiarity(model)
    jobs = collect_jobs(inputs, None, mpp=None if mpp is None else FillIn(mpp), skip=out)
    slides = GuardedSlides(processes=1, limits=_LIMITS)
    try:
        looks, failed = _each(jobs, lambda job: _look(slides, job, model), say)
        unique = {sha256: (job, look) for job, (sha256, look) in looks}
        if len(unique) < len(looks):
            say(f"note: copies of other slides, which count once: {len(looks) - len(unique)}")
        if not unique:
            raise UsageError("no slide could be used", hint="`pulmoscope info SLIDE` says more of each")
        look = typical_look([one for _, one in unique.values()])
        correction = no_correction(look) if model.sets_white else correction_of(look, _model_white(model_name))
        digests = {job.path: sha256 for sha256, (job, _) in unique.items()}

        def features(job: SlideJob) -> SlideSeen:
            question = (str(model_name), model.card.digest, correction)
            _, packed = slides.ask(see_features, _address(job), *question)
            return _seen(digests[job.path], packed, features_of(model.card.network))

        seen, lost = _each([job for job, _ in unique.values()], features, say)
    finally:
        slides.close()
    profile = fit_site(model, [one for _, one in seen if len(one.features)], look, correction, known_share)
    if profile.figures["not_recognised_before"] > _HARDLY_KNOWN:
        say(
            "note: without the profile the model recognises hardly anything of these slides, so what it says with it "
            "is unproven: measure it on labelled tissue of this laboratory first"
        )
    return write_site(out, profile), failed + lost


def describe_site(profile: SiteProfile) -> dict[str, Any]:
    """What `pulmoscope info` shows of a profile."""
    made, correction = profile.made, profile.correction
    return {
        "site_profile": profile.digest,
        "model": f"{made.model} {made.model_version} ({made.model_sha256[:12]})",
        "created": f"{made.created}, by pulmoscope {made.pulmoscope}",
        "slides": len(made.slide_sha256),
        "tiles": made.tiles,
        "glass": list(correction.glass),
        "corrected_to": list(correction.white),
        "densities": list(profile.densities),
        "stains": [[float(one) for one in row] for row in profile.stains],
        "known_share": profile.known_share,
        "false_alarm_rate": profile.false_alarm_rate,
        "threshold_distance": {
            "here": profile.threshold_distance,
            "of_the_model": profile.model_threshold_distance,
            "at_most": profile.limit_distance,
        },
        "shift": round(float(np.linalg.norm(profile.shift)), 3),
        **profile.figures,
        "what_it_changes": WHAT_IT_CHANGES,
    }


def _each(
    jobs: Sequence[SlideJob], work: Callable[[SlideJob], Any], say: Say
) -> tuple[list[tuple[SlideJob, Any]], int]:
    """What `work` gave of each job that it could do, and how many it could not."""
    done: list[tuple[SlideJob, Any]] = []
    for job in jobs:
        try:
            if job.problem:
                raise NotAFileError(f"{job.path.name} {job.problem}")
            done.append((job, work(job)))
        except ModelError:
            raise
        except PulmoscopeError as error:
            say(f"{job.file}: {error}")
    return done, len(jobs) - len(done)


def _address(job: SlideJob) -> SlideAddress:
    return SlideAddress(job.path, job.mpp)


def _look(slides: GuardedSlides, job: SlideJob, model: TileModel) -> tuple[str, Look]:
    told, _ = slides.ask(see_look, _address(job), model.card.tile)
    white, densities, stains = (np.array(told[name], np.float64) for name in ("white", "densities", "stains"))
    return str(told["sha256"]), Look(white, densities, stains)


def _model_white(model_name: str) -> NDArray[np.float64] | None:
    folder = read_folder(find_model(model_name))
    return read_model_white(unpack_arrays(folder.contents[FAMILIARITY_FILE], FAMILIARITY_FILE))


def _seen(sha256: str, packed: bytes, features: int) -> SlideSeen:
    """The arrays that the other process sent, which a hostile slide may have made its own."""
    arrays = unpack_arrays(packed, "the answer")
    known, plain = arrays.pop("features"), arrays.pop("plain")
    made = tuple(arrays[name] for name in sorted(arrays))
    for one in (known, plain, *made):
        if one.ndim != 2 or one.shape[1] != features or one.dtype != np.float32 or not np.isfinite(one).all():
            raise SlideCrashedError("the process that read the slide talked nonsense")
    return SlideSeen(sha256, known, plain, made)
