"""Where to look on a slide: its most telling regions, and the cells behind each reason to look again. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aggregate.heatmap import tile_cells
from aggregate.pool import outvoted
from aggregate.result import OTHER_TUMOUR, UNDETERMINED, SlideResult
from aggregate.thresholds import DecisionRules
from app.presentation.cells import FLAWS, Mask, Silence, covered, silences
from tiler.spec import TileQuality

FEWEST, MOST = 5, 10
# Further places within a region, or without one, lie at least so many cells apart.
_APART = 6
_UNJUDGED_REGIONS = 2


@dataclass(frozen=True)
class Telling:
    """A place in a region, level-0 px. `name` is the region's output, empty where it has no call; `tumour` is the
    probability at the place that it is any tumour, None without a call; `area_mm2` is the whole region's, of which
    this is spot `spot` of `spots`, the most suspicious being 1."""

    name: str
    tumour: float | None
    area_mm2: float
    x: float
    y: float
    spot: int = 1
    spots: int = 1


def telling_regions(result: SlideResult) -> list[Telling]:
    """At most MOST: connected regions called tumour, the most suspicious first; further suspicious places up to
    FEWEST, each behind the first of its region; and the largest areas that could not be judged."""
    suspicion, around = _suspicion(result)
    labels, areas = _labelled(result)
    regions = _peaks(result, around, labels)
    unjudged = _unjudged(result)[:_UNJUDGED_REGIONS]
    regions = regions[: MOST - len(unjudged)]
    regions += _further(around, regions, FEWEST - len(regions) - len(unjudged))
    told = [
        replace(_region(result, cell, suspicion, areas[labels[cell]]), spot=spot, spots=spots)
        for cell, spot, spots in _by_region(regions, labels)
    ]
    return told + [_region(result, cell, None, area) for cell, area in unjudged]


def reason_cells(result: SlideResult, silence: NDArray[np.uint8]) -> dict[str, Mask]:
    """Review reason -> the cells, (rows, columns), it speaks of; reasons that have no place are left out."""
    known = dict(_places(result, silence))
    return {code: known[code] for code in result.decision.review_reasons if code in known and known[code].any()}


def _places(result: SlideResult, silence: NDArray[np.uint8]) -> Iterator[tuple[str, Mask]]:
    call, tiles, rules = result.heatmap.call, result.tiles, DecisionRules()
    tumour_calls = np.flatnonzero(np.array(result.tumour_outputs)) + 1
    unfamiliar = covered(result, ~tiles.votes & (tiles.quality == 0))
    yield "unfamiliar-tissue", unfamiliar
    yield "unfamiliar-slide", unfamiliar
    yield "mostly-set-aside", covered(result, tiles.quality > 0)
    for code in (UNDETERMINED, "partial-negative"):
        yield code, silence > 0
    for code, flaws in (("blur", [Silence.BLUR]), ("pen", [Silence.PEN]), ("artefact", [Silence.DARK, Silence.EDGE])):
        flags = np.uint8(sum(int(FLAWS[flaw]) for flaw in flaws))
        yield code, covered(result, (tiles.quality & flags) > 0)
    yield "unjudged-area", _large(result, _judgeable(result, silence), rules.unjudged_tiles)
    tumour = tiles.probabilities[:, np.array(result.tumour_outputs)].sum(axis=1)
    yield "tumour-like-tiles", covered(result, tiles.votes & (tumour >= rules.tumour_like))
    yield "scattered", covered(result, _stray(result))
    yield "low-margin", _seam(result)
    yield "mixed-types", _second_type(call, tumour_calls)
    yield "little-tissue", call > 0
    if OTHER_TUMOUR in result.outputs:
        yield "other-tumour", call == result.outputs.index(OTHER_TUMOUR) + 1


def _judgeable(result: SlideResult, silence: NDArray[np.uint8]) -> Mask:
    """Silent cells, as `aggregate.doubts` counts them: tiles that are mostly glass line every piece of tissue, and are
    no area of it."""
    rim = (result.tiles.quality & np.uint8(TileQuality.EDGE)) > 0
    return (silence > 0) & covered(result, ~result.tiles.votes & ~rim)


def _stray(result: SlideResult) -> Mask:
    """(n,): voting tiles that their neighbours outvote."""
    tiles = result.tiles
    stray = np.zeros(len(tiles.xy), np.bool_)
    if tiles.votes.any():
        stray[tiles.votes] = outvoted(
            _of_classes(result)[tiles.votes],
            tile_cells(result)[tiles.votes],
            background=result.classes.index(result.background),
            cells_per_side=result.provenance.tile.cells_per_side,
        )
    return stray


def _of_classes(result: SlideResult) -> NDArray[np.float64]:
    """(n, classes): the tissues counted to the background, as the call counts them."""
    count = len(result.classes)
    folded = result.tiles.probabilities[:, :count].astype(np.float64)
    folded[:, result.classes.index(result.background)] += result.tiles.probabilities[:, count:].sum(axis=1)
    return folded


def _seam(result: SlideResult) -> Mask:
    """Cells of either leading class that touch on the other."""
    first, second = (int(i) + 1 for i in np.argsort(result.decision.probabilities)[::-1][:2])
    call = result.heatmap.call
    return (call == first) & _grown(call == second) | (call == second) & _grown(call == first)


def _second_type(call: NDArray[np.uint8], tumour_calls: NDArray[np.intp]) -> Mask:
    counts = sorted(((int((call == kind).sum()), int(kind)) for kind in tumour_calls), reverse=True)
    return call == counts[1][1] if len(counts) > 1 else np.zeros(call.shape, np.bool_)


def _grown(mask: Mask) -> Mask:
    """With the eight cells around each."""
    padded = np.pad(mask, 1)
    rows, columns = mask.shape
    shifted = [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return np.logical_or.reduce(shifted)


def _suspicion(result: SlideResult) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(rows, columns) each: the probability of any tumour, and its mean over a cell and the eight around that voted;
    -1 where there is no call."""
    heatmap = result.heatmap
    voted = heatmap.call > 0
    tumour = np.where(voted, np.nan_to_num(heatmap.probabilities)[np.array(result.tumour_outputs)].sum(axis=0), 0.0)
    rows, columns = tumour.shape
    total, count = (
        sum(np.pad(plane, 1)[i : i + rows, j : j + columns] for i in range(3) for j in range(3))
        for plane in (tumour, voted.astype(float))
    )
    # A cell alone is as often an error as a tumour: what is missing around it counts as none.
    around = np.where(voted, total / np.maximum(count, 4.0), -1.0)
    return np.where(voted, tumour, -1.0), around


def _connected(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """(rows, columns) numbers from 1 of the areas joined by their sides, and the cells of each, of the rest first."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return np.asarray(labels, np.int32), np.asarray(stats[:, cv2.CC_STAT_AREA], np.int64)


def _labelled(result: SlideResult) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Regions of one call each, all calls together."""
    call = result.heatmap.call
    labels, areas = np.zeros(call.shape, np.int32), np.zeros(1, np.int64)
    for kind in range(1, len(result.outputs) + 1):
        of_kind, cells = _connected(call == kind)
        labels[of_kind > 0] = of_kind[of_kind > 0] + len(areas) - 1
        areas = np.concatenate([areas, cells[1:]])
    return labels, areas


def _peaks(result: SlideResult, around: NDArray[np.float64], labels: NDArray[np.int32]) -> list[tuple[int, int]]:
    """The most suspicious cell of each region called tumour, the most suspicious region first, the larger of two."""
    tumour = np.isin(result.heatmap.call, np.flatnonzero(np.array(result.tumour_outputs)) + 1)
    cells = np.argwhere(tumour)
    order = np.argsort(-around[tumour], kind="stable")
    first: dict[int, tuple[int, int]] = {}
    sizes = np.bincount(labels[tumour])
    for row, column in cells[order].tolist():
        first.setdefault(int(labels[row, column]), (row, column))
    found = sorted(first.items(), key=lambda item: (-round(float(around[item[1]]), 2), -sizes[item[0]]))
    return [cell for _, cell in found]


def _further(around: NDArray[np.float64], taken: list[tuple[int, int]], wanted: int) -> list[tuple[int, int]]:
    """The most suspicious cells that are not near those taken, nor near each other."""
    left, found = around.copy(), list[tuple[int, int]]()
    for row, column in taken:
        left[max(0, row - _APART) : row + _APART + 1, max(0, column - _APART) : column + _APART + 1] = -1.0
    while len(found) < wanted and left.size and left.max() >= 0.0:
        row, column = (int(i) for i in np.unravel_index(int(np.argmax(left)), left.shape))
        found.append((row, column))
        left[max(0, row - _APART) : row + _APART + 1, max(0, column - _APART) : column + _APART + 1] = -1.0
    return found


def _by_region(cells: list[tuple[int, int]], labels: NDArray[np.int32]) -> Iterator[tuple[tuple[int, int], int, int]]:
    """(cell, which of its region's it is, how many that has), those of one region together."""
    of_region: dict[int, list[tuple[int, int]]] = {}
    for cell in cells:
        of_region.setdefault(int(labels[cell]), []).append(cell)
    for spots in of_region.values():
        yield from ((cell, spot, len(spots)) for spot, cell in enumerate(spots, start=1))


def _unjudged(result: SlideResult) -> list[tuple[tuple[int, int], int]]:
    """(the cell nearest to the middle, cells) of each area without a call that a reason would speak of, the largest
    first."""
    mask = _large(result, _judgeable(result, silences(result)), DecisionRules().unjudged_tiles)
    labels, cells = _connected(mask)
    found = []
    for number in np.argsort(-cells[1:]) + 1:
        of_area = np.argwhere(labels == number)
        middle = of_area[np.argmin(((of_area - of_area.mean(axis=0)) ** 2).sum(axis=1))]
        found.append(((int(middle[0]), int(middle[1])), int(cells[number])))
    return found


def _large(result: SlideResult, mask: Mask, tiles: float) -> Mask:
    """The areas of a mask that are at least so many tiles large."""
    labels, cells = _connected(mask)
    large: Mask = cells >= tiles * result.provenance.tile.cells_per_side**2
    large[0] = False
    return large[labels]


def _region(result: SlideResult, cell: tuple[int, int], suspicion: NDArray[np.float64] | None, cells: int) -> Telling:
    heatmap, (row, column) = result.heatmap, cell
    x, y = heatmap.origin_px
    call = int(heatmap.call[cell])
    return Telling(
        name=result.outputs[call - 1] if call else "",
        tumour=None if suspicion is None else float(suspicion[cell]),
        area_mm2=float(cells * heatmap.cell_um**2 / 1e6),
        x=x + (column + 0.5) * heatmap.cell_px,
        y=y + (row + 0.5) * heatmap.cell_px,
    )
