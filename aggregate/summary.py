"""Puts one slide's predictions together: who votes, the pooled figures, the decision, the heatmap. No I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aggregate.decision import ScanFacts, TissueShares, decide
from aggregate.doubts import Doubts, find_doubts
from aggregate.heatmap import build_heatmap
from aggregate.pool import Pooled, pool
from aggregate.provenance import Provenance
from aggregate.result import SlideRecord, SlideResult, TileTable
from aggregate.thresholds import DecisionRules
from classifier.familiarity import not_turned_away
from classifier.model import TilePredictions, fold_tissues
from classifier.model_folder.card import ModelCard
from tiler.spec import Grid, TileQuality
from tiler.survey import Survey
from wsi.slide import OTHER_IMAGES
from wsi.spacing import MPP_OTHERWISE, STATED, area_mm2


@dataclass(frozen=True)
class TileReadings:
    """What was seen of the n tiles of a grid, in its order."""

    predictions: TilePredictions
    quality: NDArray[np.uint8]  # (n,) TileQuality
    unlike_slide: float = float("nan")  # above 1 the whole slide is unlike what the model learned from
    detail: float = float("nan")  # median of the good tiles' finest detail, as `tiler.quality` measures it


def summarise(
    slide_id: str,
    slide: SlideRecord,
    survey: Survey,
    readings: TileReadings,
    card: ModelCard,
    rules: DecisionRules,
    provenance: Provenance,
) -> SlideResult:
    """The result of one slide. A tile votes when its quality is good and its familiarity reaches the threshold; where a
    model cannot know familiarity, every good tile does, and the result says so."""
    grid, predictions = survey.grid, readings.predictions
    recognised = not_turned_away(predictions.familiarity, card.familiarity_threshold)
    background, tumour = card.classes.index(card.background), _tumour_outputs(card)
    of_classes = fold_tissues(predictions.probabilities, card)
    votes = recognised & (readings.quality == TileQuality.GOOD)
    shares = _tissue_shares(
        survey, readings.quality, recognised, votes, known=not np.isnan(predictions.familiarity).any()
    )
    if predictions.by_site is not None:
        shares = replace(shares, by_site=_share(survey, votes & predictions.by_site))
    pooled = pool(
        of_classes[votes],
        grid.cell[votes],
        grid.tissue_fraction[votes],
        background=background,
        cells_per_side=grid.cells_per_side,
    )
    doubts = find_doubts(
        grid,
        votes,
        readings.quality,
        1.0 - of_classes[:, background],
        unjudged_tiles=rules.unjudged_tiles,
        tumour_like=rules.tumour_like,
    )
    scan = _scan_facts(slide, survey, readings.unlike_slide > rules.unfamiliar_slide)
    decision = replace(
        decide(pooled, shares, doubts, card.classes, rules, scan, background=card.background),
        sure_from=card.sure_from,
    )
    return SlideResult(
        slide_id,
        card.classes,
        card.background,
        slide,
        decision,
        {
            **_quality_figures(survey, shares, pooled, int(votes.sum()), slide.mpp),
            **_given(survey),
            **_look(survey),
            "detail": readings.detail,
            "unlike_slide": readings.unlike_slide,
            **_places(doubts),
        },
        _tile_table(grid, readings, votes),
        build_heatmap(grid, predictions.probabilities, votes, slide.mpp, tumour),
        provenance,
        card.tissues,
    )


def _tumour_outputs(card: ModelCard) -> NDArray[np.bool_]:
    """(c,) which of the card's outputs are a tumour."""
    return np.array([name in card.tumour_classes for name in card.outputs])


def _scan_facts(slide: SlideRecord, survey: Survey, unlike: bool) -> ScanFacts:
    return ScanFacts(
        unfamiliar=unlike,
        several_images=bool(slide.metadata.get(OTHER_IMAGES, 0)),
        other_stain=survey.areas.other_stain,
        tinted_glass=survey.areas.tinted_glass,
        false_colours=survey.areas.false_colours,
        dark_background=survey.areas.dark_background,
        colours_righted=bool(survey.areas.righted),
        mpp_contradicted=MPP_OTHERWISE in slide.metadata,
        mpp_inferred=slide.mpp_source not in STATED,
        enlarged=survey.grid.plan.enlarged,
    )


def _quality_figures(
    survey: Survey, shares: TissueShares, pooled: Pooled, n_voting: int, slide_mpp: float
) -> dict[str, float]:
    """Areas (mm2), shares (0 to 1) and counts behind the review reasons."""
    return {
        "tissue_mm2": shares.tissue_mm2,
        "tiles": float(len(survey.grid)),
        "tiles_voting": float(n_voting),
        "share_voting": shares.voting,
        "share_unfamiliar": shares.unfamiliar,
        "share_known_by_site": shares.by_site,
        "share_set_aside": shares.set_aside,
        "share_blur": shares.blur,
        "share_pen": shares.pen,
        "share_dark": shares.dark,
        "share_edge": shares.edge,
        "pen_mm2_on_slide": survey.areas.pen_mm2,
        "tumour_mm2": area_mm2(pooled.tumour_tiles * survey.grid.plan.span_px**2, slide_mpp),
        "hotspot": pooled.hotspot,
        "scatter": pooled.scatter,
        "second_type_share": pooled.second_type_share,
        "entropy": pooled.entropy,
    }


def _given(survey: Survey) -> dict[str, float]:
    """What a person's mask came to; nothing of it where there was none."""
    given = survey.given
    if given is None:
        return {}
    return {
        "mask_regions": float(given.regions),
        "mask_repaired": float(given.repaired),
        "mask_passed_over": float(given.passed_over),
        "mask_left_out_mm2": given.left_out_mm2,
    }


def _look(survey: Survey) -> dict[str, float]:
    """Colours of glass (grey levels) and stain (optical density), for watching a laboratory over time."""
    look = survey.areas.look
    glass, density = (look.glass, look.density) if look else ((math.nan,) * 3, (math.nan,) * 3)
    channels = ("red", "green", "blue")
    return {
        **{f"glass_{name}": value for name, value in zip(channels, glass, strict=True)},
        **{f"density_{name}": value for name, value in zip(channels, density, strict=True)},
    }


def _places(doubts: Doubts) -> dict[str, float]:
    """What a person should look at and where, level-0 px; NaN where there is nothing."""
    return {
        "unjudged_areas": float(doubts.unjudged_areas),
        "unjudged_tiles": doubts.unjudged.tiles,
        "unjudged_x_px": doubts.unjudged.x_px,
        "unjudged_y_px": doubts.unjudged.y_px,
        "tumour_like_tiles": doubts.tumour_like.tiles,
        "tumour_like_x_px": doubts.tumour_like.x_px,
        "tumour_like_y_px": doubts.tumour_like.y_px,
    }


def _tile_table(grid: Grid, readings: TileReadings, votes: NDArray[np.bool_]) -> TileTable:
    return TileTable(
        xy=grid.xy,
        probabilities=readings.predictions.probabilities,
        familiarity=readings.predictions.familiarity,
        quality=readings.quality,
        features=readings.predictions.features,
        tissue_fraction=grid.tissue_fraction,
        votes=votes,
    )


def _share(survey: Survey, chosen: NDArray[np.bool_]) -> float:
    """Of the tissue's area, what lies in the chosen tiles (n,)."""
    area = survey.grid.tissue_fraction.astype(np.float64)
    return float(area[chosen].sum() / area.sum())


def _tissue_shares(
    survey: Survey,
    quality: NDArray[np.uint8],
    recognised: NDArray[np.bool_],
    votes: NDArray[np.bool_],
    *,
    known: bool,
) -> TissueShares:
    def share(chosen: NDArray[np.bool_]) -> float:
        return _share(survey, chosen)

    def flagged(flag: TileQuality) -> NDArray[np.bool_]:
        return (quality & np.uint8(flag)) > 0

    # A blurred or inked tile is foreign to any model; it is told once, as what it is.
    unfamiliar = ~recognised & (quality == TileQuality.GOOD)
    return TissueShares(
        tissue_mm2=survey.areas.tissue_mm2,
        voting=share(votes),
        unfamiliar=share(unfamiliar) if known else math.nan,
        blur=share(flagged(TileQuality.BLUR)),
        pen=share(flagged(TileQuality.PEN)),
        dark=share(flagged(TileQuality.DARK)),
        edge=share(flagged(TileQuality.EDGE)),
        set_aside=share(quality != TileQuality.GOOD),
    )
