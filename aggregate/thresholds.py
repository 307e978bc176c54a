"""Every threshold of pooling, decision and words, in one place. `docs/pooling.md` tells each with the figure behind it.

None of them is learned: there is no public cohort of lung slides to learn them from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

# --- pooling: what a neighbourhood is

# A tile with those around it: nine tiles, 0.45 mm2 at 224 um.
NEIGHBOURS = 9
RADIUS_TILES = 2.5
# An island of fewer tiles than this counts as if the rest of it were no tumour.
LEAST_NEIGHBOURS = 4
# A neighbourhood is tumour from here on: more tumour than not.
TUMOUR = 0.5

# --- words: in how far a call may be leaned on, on `Decision.confidence` (1 - H / log c)

# For three classes 0.6 is about 0.89 for the leading class when the other two share the rest, and 0.3 about 0.73.
HIGH_CONFIDENCE = 0.6
MODERATE_CONFIDENCE = 0.3


@dataclass(frozen=True)
class DecisionRules:
    """The thresholds behind the review reasons. Shares are of the tissue area, 0 to 1; tiles are tiles of no overlap.

    They are stored with every result, and a result that was made with others is done anew.
    """

    low_margin: float = 0.40
    scattered_share: float = 0.30
    scattered_tiles: float = 5.0
    # The tenth that the WHO classification (5th edition, 2021) asks of each part of an adenosquamous carcinoma.
    mixed_share: float = 0.10
    mixed_tiles: float = 4.0
    # How far off a slide's typical tile may be, in terms of what the model's own sources have.
    unfamiliar_slide: float = 1.0
    unfamiliar_share: float = 0.20
    undetermined_unfamiliar_share: float = 0.50
    undetermined_voting_share: float = 0.25
    # Of what took part, what only a site profile makes known: it was made without labels.
    by_site_share: float = 0.20
    # Of the tissue, what the filters of quality take away whatever their kind.
    set_aside_share: float = 0.50
    blur_share: float = 0.10
    pen_share: float = 0.0
    dark_share: float = 0.05
    little_tissue_mm2: float = 0.50
    # A connected area without a vote from this size on could hold a tumour that would count as one.
    unjudged_tiles: float = 4.0
    # A negative is told as partial where less of the tissue than this could be judged.
    negative_voting_share: float = 0.90
    # A voting tile that is tumour from here on is named where the slide is not.
    tumour_like: float = 0.90

    def to_dict(self) -> dict[str, float]:
        return asdict(self)
