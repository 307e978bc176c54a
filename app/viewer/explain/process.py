"""The process that explains tiles: it answers questions, one JSON line each.

Inference stays out of the server's own process, as for uploads, and slides out of both: a tile comes as pixels. It
ends when its questions do.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from app.viewer.explain.ask import Answer, TileQuestion
from app.viewer.explain.picture import encode_png, paint_evidence
from classifier.colour.white import set_white
from classifier.explain import explain
from classifier.model import TileModel, load_model
from wsi.errors import ModelDigestError, PulmoscopeError
from wsi.process.limits import allow_cpu_seconds, memory_limit, no_core_files
from wsi.process.silence import silent
from wsi.slide import Pixels

_MEMORY_GB = 4.0
# On all cores together; who asks waits a minute at most.
_CPU_S = 120.0


def main() -> None:
    """Answers until the questions end. Only answers go to the real standard output."""
    no_core_files()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers, silent():
        from wsi.process.tuning import tune_process

        tune_process()
        with memory_limit(_MEMORY_GB):
            for line in sys.stdin:
                allow_cpu_seconds(_CPU_S)
                answers.write(answer(TileQuestion(**json.loads(line))).to_line() + "\n")
                answers.flush()


def answer(question: TileQuestion) -> Answer:
    """The tile explained. Never raises for what is wrong with tile or model; no name of a file is in the answer."""
    try:
        model = _model(question.model, question.model_sha256)
        side = question.size_px
        tile = np.frombuffer(base64.b64decode(question.pixels), np.uint8).reshape(side, side, 3)
        if question.white is not None and model.sets_white:
            red, green, blue = question.white
            tile = set_white(tile, (red, green, blue), model.card.white)
        found = explain(model, tile)
    except PulmoscopeError as error:
        return Answer(problem=error.code)
    except MemoryError:
        return Answer(problem="out-of-memory")
    except Exception as error:  # one bad tile must not end the process for all that follow
        return Answer(problem=type(error).__name__)
    return Answer(
        found.called,
        found.rival,
        found.probabilities,
        _base64_png(tile),
        _base64_png(paint_evidence(tile, found.evidence)),
    )


@lru_cache(maxsize=2)
def _model(folder: str, sha256: str) -> TileModel:
    model = load_model(Path(folder))
    if model.card.digest != sha256:
        raise ModelDigestError("the model is not the one that made the result")
    return model


def _base64_png(pixels: Pixels) -> str:
    return base64.b64encode(encode_png(pixels)).decode()
