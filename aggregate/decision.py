"""From pooled figures to the call, its confidence, and the reasons why a person should look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aggregate.pool import Pooled, normalised_entropy
from aggregate.result import UNDETERMINED, Decision
from aggregate.thresholds import DecisionRules


@dataclass(frozen=True)
class TissueShares:
    """Where the tissue went: areas in mm2 and shares of the tissue area (a tile may be counted in several)."""

    tissue_mm2: float
    voting: float
    unfamiliar: float
    blur: float
    pen: float
    dark: float
    edge: float


def decide(
    pooled: Pooled,
    shares: TissueShares,
    classes: tuple[str, ...],
    rules: DecisionRules,
    *,
    mpp_inferred: bool,
    enlarged: bool,
) -> Decision:
    """The slide-level call with its reasons, in order of weight.

    The call is the most probable class, or `undetermined` where more than `undetermined_unfamiliar_share` of the
    tissue is none that the model has learned, or less than `undetermined_voting_share` of it could be judged.
    """
    probabilities = pooled.probabilities
    determined = (
        bool(np.isfinite(probabilities).all())
        and shares.unfamiliar <= rules.undetermined_unfamiliar_share
        and shares.voting >= rules.undetermined_voting_share
    )
    if np.isfinite(probabilities).all():
        confidence = 1.0 - float(normalised_entropy(probabilities))
        second, first = np.sort(probabilities)[-2:]
        margin = float(first - second)
    else:
        confidence = margin = float("nan")
    conditions: Mapping[str, bool] = {
        UNDETERMINED: not determined,
        "unfamiliar-tissue": shares.unfamiliar > rules.unfamiliar_share,
        "low-margin": margin < rules.low_margin,
        "scattered": pooled.scatter > rules.scattered_share and pooled.disagreeing_tiles >= rules.scattered_tiles,
        "mixed-types": pooled.second_type_share >= rules.mixed_share
        and pooled.second_type_share * pooled.tumour_tiles >= rules.mixed_tiles,
        "little-tissue": shares.tissue_mm2 < rules.little_tissue_mm2,
        "blur": shares.blur > rules.blur_share,
        "pen": shares.pen > rules.pen_share,
        "artefact": shares.dark > rules.dark_share,
        "mpp-inferred": mpp_inferred,
        "low-resolution": enlarged,
    }
    return Decision(
        call=classes[int(np.argmax(probabilities))] if determined else UNDETERMINED,
        probabilities=tuple(float(p) for p in probabilities),
        confidence=confidence,
        margin=margin,
        review_reasons=tuple(code for code, applies in conditions.items() if applies),
    )
