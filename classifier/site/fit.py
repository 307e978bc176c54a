"""From what was seen of a laboratory's unlabelled slides to its profile. Pure: arrays in, a profile out.

Conservative: it takes only `known_share` of the site's tissue, the nearest tiles, to be of kinds that the model has
learned, refuses the promised share of those, and stops where things that plainly are no tissue would pass. What the
model recognises without a profile it recognises with one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

import wsi
from classifier.colour.look import Correction, Look
from classifier.familiarity import THRESHOLD, Alignment, Familiarity, UnknownFamiliarity
from classifier.model import TileModel
from classifier.site.profile import Made, SiteProfile
from wsi.errors import SiteError

LEAST_SLIDES, LEAST_TILES = 3, 100
KNOWN_SHARE = 0.5
_ROUNDS = 15

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class SlideSeen:
    """What a slide's tiles gave, corrected as the profile will: `features` (n, d) of those of good quality, `plain` of
    the same as they are, and of each set of pictures made of them that no model should recognise, `made` (m, d)."""

    sha256: str
    features: NDArray[np.float32]
    plain: NDArray[np.float32]
    made: tuple[NDArray[np.float32], ...]


def refuse_without_familiarity(model: TileModel) -> Familiarity:
    """What the model knows of its training tissue. Raises SiteError where that is nothing."""
    if isinstance(model.familiarity, UnknownFamiliarity):
        raise SiteError(
            f"{model.card.name} knows no familiarity, so there is nothing to fit",
            hint="train a model on its features, and adapt that",
        )
    return model.familiarity


def fit_site(
    model: TileModel, slides: Sequence[SlideSeen], look: Look, correction: Correction, known_share: float = KNOWN_SHARE
) -> SiteProfile:
    """The profile of a site for a model without one. Raises SiteError where there is too little to learn from."""
    tiles = sum(len(slide.features) for slide in slides)
    if len(slides) < LEAST_SLIDES or tiles < LEAST_TILES:
        raise SiteError(
            f"{len(slides)} slides with {tiles} good tiles are too few for a site profile",
            hint=f"give at least {LEAST_SLIDES} slides of different patients, with {LEAST_TILES} tiles together",
        )
    card, known = model.card, refuse_without_familiarity(model)
    alignment, limit = fit_alignment(known, slides, known_share, card.false_alarm_rate)
    stains = look.stains if np.isfinite(look.stains).all() else np.empty((0, 3))
    return SiteProfile(
        made=Made(
            model=card.name,
            model_version=card.version,
            model_sha256=card.digest,
            slide_sha256=tuple(sorted(slide.sha256 for slide in slides)),
            tiles=tiles,
            created=datetime.now(UTC).date().isoformat(),
            pulmoscope=wsi.__version__,
        ),
        correction=correction,
        stains=tuple(_three(row) for row in stains),
        densities=_three(np.nan_to_num(look.densities)),
        known_share=known_share,
        false_alarm_rate=card.false_alarm_rate,
        threshold_distance=alignment.threshold_distance,
        model_threshold_distance=known.threshold_distance,
        limit_distance=limit,
        figures=_figures(known, slides, alignment, known_share, card.false_alarm_rate),
        shift=alignment.shift,
    )


def fit_alignment(
    known: Familiarity, slides: Sequence[SlideSeen], known_share: float, false_alarm_rate: float
) -> tuple[Alignment, float]:
    """The alignment of the slides, and the distance that its threshold may not pass."""
    white = [known.whitened(slide.features) for slide in slides]
    shift = _common_shift(known, white, known_share)
    share = known_share * (1 - false_alarm_rate)
    # The typical slide's, not that of all tiles together: the two slides that are nearest would satisfy that alone.
    wanted = float(np.median([np.quantile(known.distances_of_whitened(one - shift), share) for one in white]))
    made = [np.concatenate(one) for one in zip(*(slide.made for slide in slides), strict=True)]
    nearest = [np.quantile(known.distances_of_whitened(known.whitened(one) - shift), false_alarm_rate) for one in made]
    limit = float(min(nearest, default=0.0))
    threshold = max(known.threshold_distance, min(wanted, limit))
    return Alignment(shift.astype(np.float32), threshold), limit


def _common_shift(known: Familiarity, white: Sequence[Rows], known_share: float) -> Rows:
    """(d,) what the slides' nearest tiles have in common beyond the centres: the median slide's, feature by feature.

    In turns: which tiles are nearest, and to which centre, changes as the shift is taken away.
    """
    shift = np.zeros(white[0].shape[1])
    for _ in range(_ROUNDS):
        residuals = [known.typical_residual(one - shift, known_share) for one in white]
        shift = shift + np.median(residuals, axis=0)
    return shift


def _figures(
    known: Familiarity, slides: Sequence[SlideSeen], alignment: Alignment, known_share: float, rate: float
) -> dict[str, float]:
    """Shares of the tiles not recognised, slides alike: before, after, and each slide by the profile of the others."""
    others = [fit_alignment(known, [*slides[:i], *slides[i + 1 :]], known_share, rate)[0] for i in range(len(slides))]
    return {
        "not_recognised_before": _refused([replace(one, features=one.plain) for one in slides], [known] * len(slides)),
        "not_recognised_after": _refused(slides, [known.aligned(alignment)] * len(slides)),
        "not_recognised_left_out": _refused(slides, [known.aligned(one) for one in others]),
    }


def _refused(slides: Sequence[SlideSeen], known: Sequence[Familiarity]) -> float:
    shares = [float((one.of(slide.features) < THRESHOLD).mean()) for one, slide in zip(known, slides, strict=True)]
    return round(float(np.mean(shares)), 6)


def _three(values: NDArray[np.floating]) -> tuple[float, float, float]:
    first, second, third = (round(float(value), 4) for value in values)
    return first, second, third
