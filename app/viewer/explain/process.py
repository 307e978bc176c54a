"""The process that explains tiles: `python -m app.viewer.explain.process` answers questions, one JSON line each.

Inference and slide files stay out of the server's own process, as for uploads. It ends when its questions do.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from app.batch.engines.limits import memory_limit, silent
from app.viewer.explain.ask import Answer, Question
from app.viewer.explain.picture import paint_evidence
from app.viewer.overlay import encode_png
from classifier.explain import explain
from classifier.model import TileModel, load_model
from tiler.spec import Grid
from tiler.stream import read_tiles
from wsi.errors import ModelDigestError, PulmoscopeError
from wsi.slide import Pixels, Slide
from wsi.spacing import plan_read

_MEMORY_GB = 4.0


def main() -> None:
    """Answers until the questions end. Only answers go to the real standard output."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers, silent():
        from app.batch.engines.tuning import tune_process

        tune_process()
        with memory_limit(_MEMORY_GB):
            for line in sys.stdin:
                answers.write(answer(Question(**json.loads(line))).to_line() + "\n")
                answers.flush()


def answer(question: Question) -> Answer:
    """The tile explained. Never raises for what is wrong with slide or model; no name of a file is in the answer."""
    from wsi import open_slide

    try:
        model = _model(question.model, question.model_sha256)
        with open_slide(Path(question.slide), mpp=question.mpp) as slide:
            tile = read_tile(slide, (question.x, question.y), model)
        found = explain(model, tile)
    except PulmoscopeError as error:
        return Answer(problem=error.code)
    except MemoryError:
        return Answer(problem="out-of-memory")
    except Exception as error:  # one bad slide must not end the process for all that follow
        return Answer(problem=type(error).__name__)
    return Answer(
        found.called,
        found.rival,
        found.probabilities,
        _base64_png(tile),
        _base64_png(paint_evidence(tile, found.evidence)),
    )


def read_tile(slide: Slide, xy: tuple[int, int], model: TileModel) -> Pixels:
    """The tile at level-0 px `xy` (top-left), (size, size, 3), as a run shows it to `model`. Raises SlideError."""
    plan = plan_read(slide.levels, slide.spacing, model.card.tile.size_px, model.card.tile.mpp)
    corner = np.array([xy])
    alone = Grid(
        plan=plan,
        shape=(1, 1),
        origin_px=xy,
        cell_px=plan.span_px,
        cells_per_side=1,
        xy=corner.astype(np.int32),
        # The grid rounds px of the level to level 0, where none is lost: rounding back finds them again.
        level_xy=np.rint(corner / slide.levels[plan.level].downsample).astype(np.int32),
        cell=np.zeros((1, 2), np.int32),
        tissue_fraction=np.ones(1, np.float32),
        quality=np.zeros(1, np.uint8),
        tissue_cells=np.ones((1, 1), np.bool_),
    )
    return read_tiles(slide, alone, 0, 1)[0]


@lru_cache(maxsize=2)
def _model(folder: str, sha256: str) -> TileModel:
    model = load_model(Path(folder))
    if model.card.digest != sha256:
        raise ModelDigestError("the model is not the one that made the result")
    return model


def _base64_png(pixels: Pixels) -> str:
    return base64.b64encode(encode_png(pixels)).decode()


if __name__ == "__main__":
    main()
