"""Plane shapes in micrometres, and exactly the pixels they cover: those whose centre lies inside.

Each shape answers one question, where a horizontal line crosses it; filling and point tests follow from that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Spans = list[tuple[float, float]]
"""Half-open intervals [start, end) of x in um."""


class Shape(Protocol):
    def spans(self, y_um: float) -> Spans:
        """Where the horizontal line at `y_um` runs inside the shape."""
        ...


@dataclass(frozen=True)
class Rectangle:
    """`corner_um` is the top-left corner (x, y), `size_um` (width, height)."""

    corner_um: tuple[float, float]
    size_um: tuple[float, float]

    def spans(self, y_um: float) -> Spans:
        (x, y), (width, height) = self.corner_um, self.size_um
        return [(x, x + width)] if y <= y_um < y + height else []


@dataclass(frozen=True)
class Ellipse:
    """`center_um` (x, y) and `radii_um` (x, y)."""

    center_um: tuple[float, float]
    radii_um: tuple[float, float]

    def spans(self, y_um: float) -> Spans:
        reach = 1.0 - ((y_um - self.center_um[1]) / self.radii_um[1]) ** 2
        if reach <= 0:
            return []
        half = self.radii_um[0] * math.sqrt(reach)
        return [(self.center_um[0] - half, self.center_um[0] + half)]


@dataclass(frozen=True)
class Polygon:
    """A closed outline through `points_um` (x, y); where it crosses itself the even-odd rule holds."""

    points_um: tuple[tuple[float, float], ...]

    def spans(self, y_um: float) -> Spans:
        start, end = self._edges
        crossed = (start[1] <= y_um) != (end[1] <= y_um)
        (x0, y0), (x1, y1) = start[:, crossed], end[:, crossed]
        crossings = np.sort(x0 + (y_um - y0) / (y1 - y0) * (x1 - x0)).tolist()
        return list(zip(crossings[::2], crossings[1::2], strict=True))

    @cached_property
    def _edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where each edge starts and ends, (2, n): x, y."""
        end = np.array(self.points_um, np.float64).T
        return np.roll(end, 1, axis=1), end


def organic_outline(
    center_um: tuple[float, float], radii_um: tuple[float, float], seed: int, roughness: float = 0.12, points: int = 240
) -> Polygon:
    """An ellipse whose outline wanders by about `roughness` of its radius, as tissue does."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * math.pi, points, endpoint=False)
    wander = np.zeros(points)
    for waves in range(2, 16):
        wander += rng.normal(0, 1) / waves**2.2 * np.cos(waves * angle + rng.uniform(0, 2 * math.pi))
    radius = 1.0 + roughness * wander / max(float(wander.std()), 1e-9)
    radius = np.maximum(radius, 0.2)
    x = center_um[0] + radii_um[0] * radius * np.cos(angle)
    y = center_um[1] + radii_um[1] * radius * np.sin(angle)
    return Polygon(tuple((float(a), float(b)) for a, b in zip(x, y, strict=True)))


def contains(shape: Shape, x_um: float, y_um: float) -> bool:
    return any(start <= x_um < end for start, end in shape.spans(y_um))


def pixel_spans(shape: Shape, row: int, width_px: int, mpp: float) -> list[tuple[int, int]]:
    """Half-open column intervals of one pixel row whose pixel centres lie in the shape, within `width_px`."""
    spans = []
    for start, end in shape.spans((row + 0.5) * mpp):
        first, last = max(0, math.ceil(start / mpp - 0.5)), min(width_px, math.ceil(end / mpp - 0.5))
        if first < last:
            spans.append((first, last))
    return spans


def fill_rows(
    shapes: Sequence[tuple[Shape, int]], first_row: int, rows: int, width_px: int, mpp: float
) -> NDArray[np.uint8]:
    """(rows, width_px) labels of the pixel rows from `first_row` on; later shapes cover earlier ones, 0 is none."""
    labels = np.zeros((rows, width_px), np.uint8)
    for row in range(rows):
        for shape, label in shapes:
            for first, last in pixel_spans(shape, first_row + row, width_px, mpp):
                labels[row, first:last] = label
    return labels
