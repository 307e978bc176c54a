"""What a site profile wants to know of an open slide. Called in the process that looks at slides, never in ours."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.colour.look import Correction, look_of_tiles
from classifier.colour.white import white_point
from classifier.evaluation.unfamiliar import UNFAMILIAR
from classifier.model import TileModel, load_model
from classifier.model_folder.arrays import pack_arrays
from tiler import Grid, TileQuality, TileSpec, stream_tiles, survey_slide
from tiler.false_colours.righted_slide import in_right_colours
from wsi.errors import ModelDigestError
from wsi.files.fingerprint import fingerprint
from wsi.slide import Slide

# Of a slide, evenly spread: colours need few tiles, features more, and what is made of tiles fewest.
LOOK_TILES, FEATURE_TILES, MADE_TILES = 96, 400, 32


def see_look(slide: Slide, spec: TileSpec) -> tuple[dict[str, Any], bytes]:
    """The slide's digest and the look of its tiles, rims included: they hold the glass."""
    pixels, _ = _tiles(slide, spec, LOOK_TILES, TileQuality.GOOD | TileQuality.EDGE)
    look = look_of_tiles(pixels)
    with slide.files.unchanged():
        sha256 = fingerprint(slide.path)
    told = {name: _plain(value) for name, value in dataclasses.asdict(look).items()}
    return {"sha256": sha256, **told}, b""


def see_features(
    slide: Slide, model_name: str, model_sha256: str, correction: Correction
) -> tuple[dict[str, Any], bytes]:
    """An npz: ``features`` (n, d) of good tiles, ``plain`` of the same as they are, and ``made0``... (m, d) of each set
    that no model should recognise."""
    model = _model(model_name, model_sha256)
    spec = model.card.tile
    pixels, quality = _tiles(slide, spec, FEATURE_TILES, TileQuality.GOOD)
    pixels = pixels[quality == TileQuality.GOOD]
    plain = model.under_white(white_point(pixels)) if model.sets_white and len(pixels) else model
    corrected = plain if model.sets_white else model.of_site(correction.table(), None, "")
    arrays = {"features": corrected.forward(pixels)[1], "plain": plain.forward(pixels)[1]}
    few = pixels[_spread(len(pixels), MADE_TILES)]
    for number, (_, view) in enumerate(UNFAMILIAR):
        made = [view(one, spec.mpp, np.random.default_rng(seed)) for seed, one in enumerate(few)]
        arrays[f"made{number}"] = corrected.forward(np.stack(made) if made else few)[1]
    return {}, pack_arrays(arrays)


def _tiles(
    slide: Slide, spec: TileSpec, most: int, allowed: TileQuality
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pixels (n, size, size, 3) and quality (n,) of at most so many tiles without other flags than those `allowed`."""
    survey = survey_slide(slide, spec)
    fit = np.flatnonzero((survey.grid.quality & ~np.uint8(allowed)) == 0)
    with in_right_colours(slide, survey.areas.righted) as seen:
        batches = list(stream_tiles(seen, _part(survey.grid, fit[_spread(len(fit), most)])))
    if not batches:
        return np.empty((0, spec.size_px, spec.size_px, 3), np.uint8), np.empty(0, np.uint8)
    return np.concatenate([one.pixels for one in batches]), np.concatenate([one.quality for one in batches])


def _part(grid: Grid, chosen: NDArray[np.integer]) -> Grid:
    names = ("xy", "level_xy", "cell", "tissue_fraction", "quality")
    return dataclasses.replace(grid, **{name: getattr(grid, name)[chosen] for name in names})


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """At most so many of `count` places, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))


def _plain(value: NDArray[np.floating]) -> Any:
    """What JSON can hold; null for what is not known."""
    return [_plain(one) for one in value] if np.ndim(value) else (float(value) if np.isfinite(value) else None)


@lru_cache(maxsize=1)
def _model(name: str, sha256: str) -> TileModel:
    model = load_model(name)
    if model.card.digest != sha256:
        raise ModelDigestError("the model was changed meanwhile", hint="give the command again")
    return model
