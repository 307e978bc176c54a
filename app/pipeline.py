"""One slide from file to result: the whole story at one level. Nothing is written here."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aggregate.provenance import ModelRecord, Provenance, TileRecord
from aggregate.result import SlideRecord, SlideResult
from aggregate.summary import TileReadings, summarise
from app.config import RunConfig
from classifier.colour.white import WHITE_TILES, White, white_point
from classifier.model import TileModel, TilePredictions
from tiler import Grid, TileBatch, TileQuality, TileSpec, map_tiles, survey_slide
from tiler.false_colours.righted_slide import in_right_colours
from tiler.quality import out_of_focus, usual_detail
from tiler.stream import read_tiles
from wsi import Slide, __version__, open_slide
from wsi.errors import SiteError
from wsi.files.fingerprint import fingerprint_meanwhile
from wsi.metadata import public_label
from wsi.spacing import MPP_OTHERWISE, ReadPlan

if TYPE_CHECKING:
    from tiler.given.mask import GivenMask

Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all)."""

_LIBRARIES = ("numpy", "openslide-python", "zarr", "opencv-python-headless", "ai-edge-litert", "keras")
_FURTHER = {"onnx": ("onnxruntime",)}


def run_slide(
    path: Path,
    slide_id: str,
    model: TileModel,
    config: RunConfig,
    *,
    mpp: float | None = None,
    label: str = "",
    given: GivenMask | None = None,
    progress: Progress | None = None,
) -> SlideResult:
    """Reads, predicts and sums up one slide. `mpp` and the tissue mask `given` are what a person gave for it. Raises
    Slide-, Model- and SiteError."""
    if model.site_sha256 != config.site_sha256:
        raise SiteError("the model is not under the site profile that the result would name")
    mask = given.sha256 if given else ""
    started, clock = datetime.now(UTC), time.perf_counter()
    spec = TileSpec(model.card.tile.size_px, model.card.tile.mpp, config.overlap, config.min_tissue)
    with (
        open_slide(path, mpp=mpp, reader=config.reader, icc=config.icc) as slide,
        slide.files.unchanged(),
        fingerprint_meanwhile(path) as sha256,
    ):
        survey = survey_slide(slide, spec, given)
        with in_right_colours(slide, survey.areas.righted) as seen:
            white = slide_white(seen, survey.grid) if model.sets_white else None
            shown = model if white is None else model.under_white(white)
            readings = predict_tiles(shown, seen, survey.grid, threads=config.threads, progress=progress)
            record = describe(seen, sha256.result())
    provenance = Provenance(
        pulmoscope=__version__,
        model=_describe_model(model),
        config=config.scientific(mpp, mask),
        config_sha256=config.sha256(mpp, mask),
        label=public_label(label, model.card.classes),
        dossier=config.dossier_sha256,
        reader=config.reader,
        libraries=dict(_versions(model.runtime)),
        python=platform.python_version(),
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - clock, 3),
        tile=_describe_tiles(spec, survey.grid.plan, white),
    )
    return summarise(slide_id, record, survey, readings, model.card, config.rules, provenance)


def slide_white(slide: Slide, grid: Grid) -> White:
    """The slide's white, by those of its tiles that hold least tissue: between and beside it there is glass."""
    clean = np.flatnonzero(grid.quality & ~np.uint8(TileQuality.EDGE) == 0)
    candidates = clean if len(clean) else np.arange(len(grid))
    emptiest = candidates[np.argsort(grid.tissue_fraction[candidates], kind="stable")[:WHITE_TILES]]
    return white_point([read_tiles(slide, grid, index, index + 1)[0] for index in np.sort(emptiest).tolist()])


def predict_tiles(
    model: TileModel, slide: Slide, grid: Grid, *, threads: int = 2, progress: Progress | None = None
) -> TileReadings:
    """Predictions and quality of all n tiles of `grid`, in its order; each of `threads` reads and predicts."""

    def predict(batch: TileBatch) -> tuple[TilePredictions, NDArray[np.uint8], NDArray[np.float32]]:
        return model.predict(batch.pixels), batch.quality, batch.details

    parts, quality, seen = [], [], []
    done = 0
    for predictions, flags, detail in map_tiles(slide, grid, predict, threads=threads):
        parts.append(predictions)
        quality.append(flags)
        seen.append(detail)
        done += len(flags)
        if progress:
            progress(done, len(grid))
    together = TilePredictions(
        probabilities=np.concatenate([part.probabilities for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        familiarity=np.concatenate([part.familiarity for part in parts]),
        by_site=np.concatenate([part.by_site for part in parts if part.by_site is not None])
        if model.site_sha256
        else None,
    )
    details = np.concatenate(seen)
    flags = np.concatenate(quality) | out_of_focus(details)
    good = flags == TileQuality.GOOD
    return TileReadings(together, flags, model.unlike_slide(together.features[good]), usual_detail(details[good]))


@cache
def _versions(runtime: str) -> dict[str, str]:
    """Of the libraries that a result rests on. Finding them takes longer than the network over a small slide."""
    return {name: version(name) for name in (*_LIBRARIES, *_FURTHER.get(runtime, ()))}


def describe(slide: Slide, sha256: str) -> SlideRecord:
    """What a result keeps of a slide."""
    spacing = slide.spacing
    otherwise = {} if spacing.otherwise is None else {MPP_OTHERWISE: round(spacing.otherwise, 6)}
    return SlideRecord(
        file=slide.path.name,
        size_px=slide.size_px,
        mpp=spacing.mpp,
        mpp_source=spacing.source,
        sha256=sha256,
        backend=slide.backend,
        synthetic=bool(slide.metadata.get("synthetic", False)),
        metadata=dict(slide.metadata) | otherwise,
        bounds_px=None if slide.bounds_px == (0, 0, *slide.size_px) else slide.bounds_px,
    )


def _describe_model(model: TileModel) -> ModelRecord:
    card = model.card
    return ModelRecord(
        name=card.name,
        version=card.version,
        sha256=card.digest,
        runtime=model.runtime,
        synthetic=card.synthetic,
        intended_use=card.intended_use,
        limits=tuple(card.limits),
        never_shown=tuple(card.never_shown),
        familiarity_threshold=card.familiarity_threshold,
        sure_from=card.sure_from,
        training=dict(card.training),
    )


def _describe_tiles(spec: TileSpec, plan: ReadPlan, white: White | None) -> TileRecord:
    return TileRecord(
        size_px=spec.size_px,
        mpp=spec.mpp,
        effective_mpp=plan.mpp,
        level=plan.level,
        read_px=plan.read_px,
        overlap=spec.overlap,
        white={} if white is None else dict(zip(("red", "green", "blue"), white, strict=True)),
    )
