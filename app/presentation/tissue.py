"""What became of the tissue: how much of it was called what, not recognised, or of poor quality.

Counts tiles of a result; the viewer and the reports show the same shares. Draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aggregate.heatmap import likeliest
from aggregate.result import SlideResult
from app.presentation import colours, words
from app.presentation.language import said, tell

NOT_RECOGNISED_TITLE = said("Not recognised")
POOR_QUALITY_TITLE = said("Poor quality")


@dataclass(frozen=True)
class TissueShare:
    """One fate of tissue. `fraction` is of the tissue area that tiles cover, 0 to 1; all fates add up to 1."""

    title: str
    fraction: float
    tiles: int
    colour: str


def tissue_shares(result: SlideResult) -> tuple[TissueShare, ...]:
    """The classes in their order, the kinds of tissue, tissue not recognised and of poor quality; empty without tiles.

    A tile counts by the share of its area that is tissue. One that votes counts for its likeliest class.
    """
    tiles = result.tiles
    weight = np.asarray(tiles.tissue_fraction, float)
    if not weight.sum():
        return ()
    winner = likeliest(tiles.probabilities, result.tumour_outputs)
    poor = (tiles.quality != 0) & ~tiles.votes
    palette = colours.class_colours(result.classes, result.background, result.tissues)
    fates = [
        (words.class_title(name), tiles.votes & (winner == index), palette[name])
        for index, name in enumerate(result.outputs)
    ]
    fates.append((tell(NOT_RECOGNISED_TITLE), ~tiles.votes & ~poor, colours.NOT_RECOGNISED))
    fates.append((tell(POOR_QUALITY_TITLE), poor, colours.POOR_QUALITY))
    total = float(weight.sum())
    return tuple(
        TissueShare(title, float(weight[of].sum()) / total, int(of.sum()), colour) for title, of, colour in fates
    )
