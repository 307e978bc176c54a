"""From pooled figures to the call, its confidence, and the reasons why a person should look again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aggregate.doubts import Doubts
from aggregate.pool import Pooled, normalised_entropy
from aggregate.result import OTHER_TUMOUR, UNDETERMINED, Decision
from aggregate.thresholds import DecisionRules


@dataclass(frozen=True)
class TissueShares:
    """Where the tissue went: areas in mm2 and shares of the tissue area (a tile may be counted in several).

    `unfamiliar` is NaN where the model cannot know it; `by_site` took part thanks to a site profile alone; `set_aside`
    is what is blurred, under pen, dark or at an edge, each tile once."""

    tissue_mm2: float
    voting: float
    unfamiliar: float
    blur: float
    pen: float
    dark: float
    edge: float
    by_site: float = 0.0
    set_aside: float = 0.0


@dataclass(frozen=True)
class ScanFacts:
    """What speaks for a second look in the scan itself, whatever the model sees. Each is a review reason of its name;
    `enlarged` is ``low-resolution``, `unfamiliar` (stain and scanner, if tissue is refused) ``unfamiliar-slide``. Of a
    slide in false colours, or on a dark background, there is no call."""

    unfamiliar: bool = False
    several_images: bool = False
    other_stain: bool = False
    tinted_glass: bool = False
    false_colours: bool = False
    dark_background: bool = False
    colours_righted: bool = False
    mpp_contradicted: bool = False
    mpp_inferred: bool = False
    enlarged: bool = False


def decide(
    pooled: Pooled,
    shares: TissueShares,
    doubts: Doubts,
    classes: tuple[str, ...],
    rules: DecisionRules,
    scan: ScanFacts,
    *,
    background: str,
) -> Decision:
    """The slide-level call with its reasons, in order of weight.

    The call is the most probable class, or `undetermined` where more than `undetermined_unfamiliar_share` of the
    tissue is none that the model has learned, less than `undetermined_voting_share` of it could be judged, or the
    slide's colours are false or on black.
    """
    call = UNDETERMINED if scan.false_colours or scan.dark_background else _call(pooled, shares, classes, rules)
    negative = call == background
    confidence, margin = _certainty(pooled) if call != UNDETERMINED else (float("nan"), float("nan"))
    conditions: Mapping[str, bool] = {
        UNDETERMINED: call == UNDETERMINED,
        "false-colours": scan.false_colours,
        "dark-background": scan.dark_background,
        "colours-righted": scan.colours_righted,
        "unfamiliar-slide": scan.unfamiliar and shares.unfamiliar > rules.unfamiliar_share,
        "other-tumour": call == OTHER_TUMOUR,
        "unfamiliar-tissue": shares.unfamiliar > rules.unfamiliar_share,
        "familiarity-unknown": math.isnan(shares.unfamiliar),
        "known-by-site": shares.by_site > rules.by_site_share * shares.voting,
        "unjudged-area": doubts.unjudged.tiles >= rules.unjudged_tiles,
        "mostly-set-aside": shares.set_aside > rules.set_aside_share,
        "partial-negative": negative and shares.voting < rules.negative_voting_share,
        "tumour-like-tiles": negative and doubts.tumour_like.tiles > 0,
        "low-margin": margin < rules.low_margin,
        "scattered": pooled.scatter > rules.scattered_share and pooled.disagreeing_tiles >= rules.scattered_tiles,
        "mixed-types": pooled.second_type_share >= rules.mixed_share
        and pooled.second_type_share * pooled.tumour_tiles >= rules.mixed_tiles,
        "little-tissue": shares.tissue_mm2 < rules.little_tissue_mm2,
        "blur": shares.blur > rules.blur_share,
        "pen": shares.pen > rules.pen_share,
        "artefact": shares.dark > rules.dark_share,
        "several-images": scan.several_images,
        "other-stain": scan.other_stain,
        "tinted-glass": scan.tinted_glass,
        "mpp-contradicted": scan.mpp_contradicted,
        "mpp-inferred": scan.mpp_inferred,
        "low-resolution": scan.enlarged,
    }
    return Decision(
        call=call,
        probabilities=tuple(float(p) for p in pooled.probabilities),
        confidence=confidence,
        margin=margin,
        review_reasons=tuple(code for code, applies in conditions.items() if applies),
        negative=negative,
        judged_share=shares.voting,
    )


def _call(pooled: Pooled, shares: TissueShares, classes: tuple[str, ...], rules: DecisionRules) -> str:
    determined = (
        bool(np.isfinite(pooled.probabilities).all())
        and not shares.unfamiliar > rules.undetermined_unfamiliar_share
        and shares.voting >= rules.undetermined_voting_share
    )
    return classes[int(np.argmax(pooled.probabilities))] if determined else UNDETERMINED


def _certainty(pooled: Pooled) -> tuple[float, float]:
    """Confidence and margin, see `Decision`."""
    second, first = np.sort(pooled.probabilities)[-2:]
    return 1.0 - float(normalised_entropy(pooled.probabilities)), float(first - second)
