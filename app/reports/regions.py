"""Cells of a grid to the polygons around them. Knows rows and columns only, neither classes nor pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int]
Ring = list[Corner]


@dataclass(frozen=True)
class Region:
    """Cells joined by their sides. `rings` are closed (first corner = last), (column, row) of cell corners.

    The first ring is the outline, counter-clockwise with y upwards as RFC 7946 asks; holes follow, the other way round.
    """

    cells: NDArray[np.int64]  # (n, 2) row, column
    rings: tuple[Ring, ...]


def connected_regions(mask: NDArray[np.bool_]) -> list[Region]:
    """The regions of a (rows, columns) mask, in reading order of their first cells.

    Cells that touch at a corner alone are two regions, so that every polygon is valid (OGC Simple Features).
    """
    from scipy import ndimage

    labels, _ = ndimage.label(mask)
    regions = []
    for index, window in enumerate(ndimage.find_objects(labels), start=1):
        corner = np.array([window[0].start, window[1].start])
        inside = labels[window] == index
        rings = [[(x + int(corner[1]), y + int(corner[0])) for x, y in ring] for ring in _rings(inside)]
        regions.append(Region(np.argwhere(inside) + corner, tuple(rings)))
    return regions


def signed_area(ring: Ring) -> float:
    """Area in cells by the shoelace formula, positive where the ring turns from the x axis to the y axis."""
    x, y = np.array(ring, float).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def _rings(inside: NDArray[np.bool_]) -> list[Ring]:
    """Outline first, then holes, without the corners that lie on a straight line."""
    rings = [_straightened(ring) for loop in _loops(_edges(inside)) for ring in _split_at_touching_corners(loop)]
    return sorted(rings, key=signed_area, reverse=True)


def _edges(inside: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Directed sides between a cell and no cell: start corner -> end corners. The cell lies on the same hand of all."""
    padded = np.pad(inside, 1)
    edges: dict[Corner, list[Corner]] = {}
    for row, column in np.argwhere(inside).tolist():
        sides = (
            (padded[row, column + 1], (column, row), (column + 1, row)),
            (padded[row + 1, column + 2], (column + 1, row), (column + 1, row + 1)),
            (padded[row + 2, column + 1], (column + 1, row + 1), (column, row + 1)),
            (padded[row + 1, column], (column, row + 1), (column, row)),
        )
        for neighbour, start, end in sides:
            if not neighbour:
                edges.setdefault(start, []).append(end)
    return edges


def _loops(edges: dict[Corner, list[Corner]]) -> list[Ring]:
    loops = []
    while edges:
        start = next(iter(edges))
        loop = [start]
        while len(loop) == 1 or loop[-1] != start or start in edges:
            here = loop[-1]
            ends = edges[here]
            loop.append(ends.pop())
            if not ends:
                del edges[here]
        loops.append(loop)
    return loops


def _split_at_touching_corners(loop: Ring) -> list[Ring]:
    """A loop that passes a corner twice is two rings that touch there; a polygon's ring may not touch itself."""
    rings: list[Ring] = []
    path: Ring = []
    position: dict[Corner, int] = {}
    for corner in loop:
        if corner in position:
            first = position[corner]
            rings.append([*path[first:], corner])
            for dropped in path[first + 1 :]:
                del position[dropped]
            del path[first + 1 :]
        else:
            position[corner] = len(path)
            path.append(corner)
    return rings


def _straightened(ring: Ring) -> Ring:
    points = ring[:-1]
    kept = [
        point
        for before, point, after in zip(points[-1:] + points[:-1], points, points[1:] + points[:1], strict=True)
        if not (before[0] == point[0] == after[0] or before[1] == point[1] == after[1])
    ]
    return [*kept, kept[0]]
