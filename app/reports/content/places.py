"""The places that a report points at: its most telling regions, and a few tiles behind each reason to look again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aggregate.result import SlideResult
from app.presentation import figures, words
from app.presentation.cells import Mask, covered, silences
from app.presentation.colours import NOT_RECOGNISED, class_colours
from app.presentation.language import tell
from app.presentation.telling import Telling, reason_cells, telling_regions
from app.presentation.words import Reason
from wsi.spacing import px_to_um

MOST_REGIONS = 8
_MOST_TILES, _TILES_A_REASON = 12, 3
_MOSTLY_TISSUE = 0.5  # a picture of glass tells nothing, where there is another

Place = tuple[float, float]
"""(x, y), level-0 px."""


@dataclass(frozen=True)
class RegionTold:
    """`score` is the probability of any tumour there, in words; empty without a call. `where` is from the slide's
    top-left corner."""

    number: int
    code: str
    title: str
    score: str
    area: str
    where: str
    colour: str
    place: Place
    place_mm: Place
    tumour: float | None
    area_mm2: float


@dataclass(frozen=True)
class ReasonTold:
    """`places` are of some of its tiles, empty for a reason that has none on the slide."""

    code: str
    title: str
    explanation: str
    what_to_do: str
    places: tuple[Place, ...]
    where: tuple[str, ...]


def regions_told(result: SlideResult) -> tuple[RegionTold, ...]:
    """At most MOST_REGIONS, the most suspicious first; what could not be judged stands last."""
    found = telling_regions(result)
    unjudged = [one for one in found if one.tumour is None]
    kept = [one for one in found if one.tumour is not None][: MOST_REGIONS - len(unjudged)] + unjudged
    return tuple(_region(result, number, one) for number, one in enumerate(kept[:MOST_REGIONS], 1))


def reasons_told(result: SlideResult) -> tuple[ReasonTold, ...]:
    """Each with its words, and a few of its tiles: fewer where there are many reasons."""
    cells = reason_cells(result, silences(result)) if result.decision.review_reasons else {}
    each = max(1, min(_TILES_A_REASON, _MOST_TILES // max(1, len(cells))))
    mostly_tissue = covered(result, result.tiles.tissue_fraction >= _MOSTLY_TISSUE)

    def _shown(mask: Mask) -> Mask:
        return mask & mostly_tissue if (mask & mostly_tissue).any() else mask

    return tuple(
        _reason(result, code, words.reason(code), _spread(result, _shown(cells[code]), each) if code in cells else ())
        for code in result.decision.review_reasons
    )


def _reason(result: SlideResult, code: str, told: Reason, places: tuple[Place, ...]) -> ReasonTold:
    where = tuple(figures.place(*_mm(result, place)) for place in places)
    return ReasonTold(code, told.title, told.explanation, told.what_to_do, places, where)


def _spread(result: SlideResult, mask: Mask, count: int) -> tuple[Place, ...]:
    """The middles of `count` cells that lie far apart; the first is the one nearest to the middle of all."""
    cells = np.argwhere(mask).astype(float)
    chosen = [int(np.argmin(((cells - cells.mean(axis=0)) ** 2).sum(axis=1)))]
    nearest = ((cells - cells[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < count and nearest.max() > 2.0:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, ((cells - cells[chosen[-1]]) ** 2).sum(axis=1))
    heatmap = result.heatmap
    x, y = heatmap.origin_px
    middles = (cells[chosen] + 0.5) * heatmap.cell_px
    return tuple((float(x + column), float(y + row)) for row, column in middles)


def _region(result: SlideResult, number: int, told: Telling) -> RegionTold:
    palette = class_colours(result.classes, result.background, result.tissues)
    x_mm, y_mm = _mm(result, (told.x, told.y))
    title = words.class_title(told.name) if told.name else tell("Not judged")
    if told.spots > 1:
        title = tell("{title}, spot {spot} of {spots}", title=title, spot=told.spot, spots=told.spots)
    return RegionTold(
        number=number,
        code=told.name,
        title=title,
        score="" if told.tumour is None else words.confidence_figure(told.tumour),
        area=figures.area(told.area_mm2),
        where=figures.place(x_mm, y_mm),
        colour=palette.get(told.name, NOT_RECOGNISED),
        place=(told.x, told.y),
        place_mm=(x_mm, y_mm),
        tumour=told.tumour,
        area_mm2=told.area_mm2,
    )


def _mm(result: SlideResult, place: Place) -> Place:
    x, y = (px_to_um(along, result.slide.mpp) / 1000 for along in place)
    return x, y
