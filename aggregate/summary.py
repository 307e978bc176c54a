"""Puts one slide's predictions together: who votes, the pooled figures, the decision, the heatmap. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.decision import DecisionRules, TissueShares, decide
from aggregate.heatmap import build_heatmap
from aggregate.pool import pool
from aggregate.result import SlideRecord, SlideResult, TileTable
from classifier.model import TilePredictions
from classifier.model_folder.card import ModelCard
from tiler.spec import Grid, TileQuality
from tiler.tissue import TissueAreas
from wsi.spacing import area_mm2


def summarise(
    slide_id: str,
    slide: SlideRecord,
    tissue: TissueAreas,
    grid: Grid,
    quality: NDArray[np.uint8],
    predictions: TilePredictions,
    card: ModelCard,
    rules: DecisionRules,
    provenance: Mapping[str, Any],
) -> SlideResult:
    """The result of one slide. `quality` and `predictions` are (n, ...) in the grid's order.

    A tile votes when its quality is good and its familiarity reaches the model's threshold.
    """
    recognised = predictions.familiarity >= card.familiarity_threshold
    votes = recognised & (quality == TileQuality.GOOD)
    shares = _tissue_shares(tissue, grid, quality, recognised, votes)
    background = card.classes.index(card.background)
    pooled = pool(
        predictions.probabilities[votes],
        grid.cell[votes],
        grid.tissue_fraction[votes],
        background=background,
        cells_per_side=grid.cells_per_side,
    )
    decision = decide(
        pooled,
        shares,
        card.classes,
        rules,
        mpp_inferred=slide.mpp_source not in ("given", "slide"),
        enlarged=grid.plan.enlarged,
    )
    qc = {
        "tissue_mm2": shares.tissue_mm2,
        "tiles": float(len(grid)),
        "tiles_voting": float(votes.sum()),
        "share_voting": shares.voting,
        "share_unfamiliar": shares.unfamiliar,
        "share_blur": shares.blur,
        "share_pen": shares.pen,
        "share_dark": shares.dark,
        "share_edge": shares.edge,
        "pen_mm2_on_slide": tissue.pen_mm2,
        "tumour_mm2": area_mm2(pooled.tumour_tiles * grid.plan.span_px**2, slide.mpp),
        "hotspot": pooled.hotspot,
        "scatter": pooled.scatter,
        "second_type_share": pooled.second_type_share,
        "entropy": pooled.entropy,
    }
    tiles = TileTable(
        xy=grid.xy,
        probabilities=predictions.probabilities,
        familiarity=predictions.familiarity,
        quality=quality,
        features=predictions.features,
        tissue_fraction=grid.tissue_fraction,
        votes=votes,
    )
    heatmap = build_heatmap(grid, predictions.probabilities, votes, slide.mpp)
    return SlideResult(slide_id, card.classes, card.background, slide, decision, qc, tiles, heatmap, provenance)


def _tissue_shares(
    tissue: TissueAreas,
    grid: Grid,
    quality: NDArray[np.uint8],
    recognised: NDArray[np.bool_],
    votes: NDArray[np.bool_],
) -> TissueShares:
    area = grid.tissue_fraction.astype(np.float64)

    def share(chosen: NDArray[np.bool_]) -> float:
        return float(area[chosen].sum() / area.sum())

    def flagged(flag: TileQuality) -> NDArray[np.bool_]:
        return (quality & np.uint8(flag)) > 0

    # A blurred or inked tile is foreign to any model; it is told once, as what it is.
    unfamiliar = ~recognised & (quality == TileQuality.GOOD)
    return TissueShares(
        tissue_mm2=tissue.tissue_mm2,
        voting=share(votes),
        unfamiliar=share(unfamiliar),
        blur=share(flagged(TileQuality.BLUR)),
        pen=share(flagged(TileQuality.PEN)),
        dark=share(flagged(TileQuality.DARK)),
        edge=share(flagged(TileQuality.EDGE)),
    )
