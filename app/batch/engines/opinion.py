"""What a slide model says of a result, in the worker that made it. The model is loaded once a process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from aggregate.result import SlideResult
from aggregate.slide_model.model import SlideModel, load_slide_model, with_opinion
from app.config import RunConfig
from wsi.errors import ModelDigestError, ModelError


def with_slide_model(result: SlideResult, config: RunConfig) -> SlideResult:
    """The result with the opinion of the run's slide model. Raises ModelError."""
    return with_opinion(result, _loaded(config.slide_model or "", config.slide_model_sha256))


@lru_cache(maxsize=1)
def _loaded(folder: str, sha256: str) -> SlideModel:
    try:
        model = load_slide_model(Path(folder))
    except OSError as error:  # its disk went away
        raise ModelError(f"the slide model cannot be read: {error.strerror}") from error
    if model.card.digest != sha256:
        raise ModelDigestError("the slide model is another one than at the start", hint="copy the same to all machines")
    return model
