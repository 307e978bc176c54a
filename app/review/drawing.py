"""The geometry of a region that a person drew: checked, cut to the slide, in level-0 px."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.review.records import Rings, Shape
from wsi.errors import UsageError

MAX_POINTS = 20_000
_CORNERS = 4

Points = Sequence[Sequence[float]]


def fitted(shape: Shape, rings: Sequence[Points], size_px: tuple[int, int]) -> Rings:
    """The rings with every point inside the slide, to a hundredth of a px. Raises UsageError for what is no region:
    fewer than three points, no area on the slide, numbers that are none, or more points than are kept."""
    if not rings or sum(map(len, rings)) > MAX_POINTS:
        raise UsageError("a region has no points, or too many", hint=f"{MAX_POINTS:,} points are kept")
    kept = tuple(_ring(ring, size_px) for ring in rings)
    if shape is Shape.RECTANGLE and (len(kept) != 1 or not _is_upright(kept[0])):
        raise UsageError("a rectangle has four corners and upright sides")
    if area_px(kept[:1]) <= 0:
        raise UsageError("a region covers nothing of the slide")
    return kept


def rectangle(x: float, y: float, width: float, height: float) -> Rings:
    """The one ring of an upright rectangle, level-0 px."""
    return (((x, y), (x + width, y), (x + width, y + height), (x, y + height)),)


def area_px(rings: Rings) -> float:
    """Of the outer ring without its holes."""
    areas = [abs(_signed_area(ring)) for ring in rings]
    return areas[0] - sum(areas[1:])


def is_rectangle(ring: Points) -> bool:
    """Whether a closed or open ring is an upright rectangle."""
    return _is_upright(_open(ring))


def _ring(ring: Points, size_px: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    try:
        points = [(float(point[0]), float(point[1])) for point in _open(ring)]
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise UsageError("a point of a region is no pair of numbers") from error
    if len(points) < 3 or not all(map(math.isfinite, (value for point in points for value in point))):
        raise UsageError("a region has three points at least, all of them numbers")
    return tuple((_within(x, size_px[0]), _within(y, size_px[1])) for x, y in points)


def _open(ring: Points) -> Points:
    """Without the last point where it repeats the first, as GeoJSON closes a ring."""
    return ring[:-1] if len(ring) > 1 and list(ring[0]) == list(ring[-1]) else ring


def _within(value: float, most: int) -> float:
    return round(min(max(value, 0.0), float(most)), 2)


def _is_upright(ring: Points) -> bool:
    if len(ring) != _CORNERS:
        return False
    xs, ys = {point[0] for point in ring}, {point[1] for point in ring}
    return len(xs) == len(ys) == 2 and len({(point[0], point[1]) for point in ring}) == _CORNERS


def _signed_area(ring: Points) -> float:
    pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs) / 2
