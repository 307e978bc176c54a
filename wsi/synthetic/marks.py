"""Things that lie on real slides and are not tissue: pen, black edges, blur, folds. Drawn on synthetic slides only.

The demonstration draws pen; the other three are the known truth of the tests of tissue, quality and review reasons.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from wsi.synthetic.shapes import Shape, fill_rows

Points = tuple[tuple[float, float], ...]


class Mark(Protocol):
    def touches(self, first: int, last: int, mpp: float) -> bool:
        """Whether pixel rows from `first` up to `last` hold some of the mark."""
        ...

    def reach_px(self, mpp: float) -> int:
        """How many rows above and below the mark needs to see."""
        ...

    def draw(self, pixels: NDArray[np.uint8], first: int, size_px: tuple[int, int], mpp: float) -> NDArray[np.uint8]:
        """`pixels` (rows from `first` on, full width, 3) with the mark; `size_px` is the slide's."""
        ...


@dataclass(frozen=True)
class _Line(ABC):
    """A line `width_um` wide through `points_um` (x, y), laid over what is there."""

    points_um: Points
    width_um: float

    def touches(self, first: int, last: int, mpp: float) -> bool:
        return _line_touches(self.points_um, self.width_um, first, last, mpp)

    def reach_px(self, mpp: float) -> int:
        return 0

    def draw(self, pixels: NDArray[np.uint8], first: int, size_px: tuple[int, int], mpp: float) -> NDArray[np.uint8]:
        """(rows, width, 3): see `Mark.draw`."""
        columns = _line_window(self.points_um, self.width_um, size_px[0], mpp)
        window = pixels[:, columns]
        cover = _line_cover(window.shape, self.points_um, self.width_um, (columns.start, first), mpp)
        pixels[:, columns] = _blend(window, self._over(window, mpp), cover)
        return pixels

    @abstractmethod
    def _over(self, window: NDArray[np.uint8], mpp: float) -> NDArray[np.float32]:
        """(rows, columns, 3) of 0 to 255: `window` as it looks under the line."""


@dataclass(frozen=True)
class PenStroke(_Line):
    """A felt pen's line: ink that lets some light through."""

    rgb: tuple[int, int, int] = (20, 60, 160)

    def _over(self, window: NDArray[np.uint8], mpp: float) -> NDArray[np.float32]:
        return np.asarray(window * (np.array(self.rgb, np.float32) / 255.0), np.float32)


@dataclass(frozen=True)
class BlackBorder:
    """What a scanner leaves where it saw no glass: a black frame `width_um` wide along all four edges."""

    width_um: float

    def touches(self, first: int, last: int, mpp: float) -> bool:
        return True

    def reach_px(self, mpp: float) -> int:
        return 0

    def draw(self, pixels: NDArray[np.uint8], first: int, size_px: tuple[int, int], mpp: float) -> NDArray[np.uint8]:
        """(rows, width, 3): see `Mark.draw`."""
        border = round(self.width_um / mpp)
        pixels[:, :border] = 0
        pixels[:, size_px[0] - border :] = 0
        pixels[: max(0, border - first)] = 0
        pixels[max(0, size_px[1] - border - first) :] = 0
        return pixels


@dataclass(frozen=True)
class BlurPatch:
    """Out of focus inside `shape`: a Gaussian of `sigma_um`."""

    shape: Shape
    sigma_um: float = 6.0

    def touches(self, first: int, last: int, mpp: float) -> bool:
        return any(self.shape.spans((row + 0.5) * mpp) for row in range(first, last))

    def reach_px(self, mpp: float) -> int:
        return math.ceil(4 * self.sigma_um / mpp)

    def draw(self, pixels: NDArray[np.uint8], first: int, size_px: tuple[int, int], mpp: float) -> NDArray[np.uint8]:
        """(rows, width, 3): see `Mark.draw`."""
        inside = fill_rows([(self.shape, 1)], first, len(pixels), pixels.shape[1], mpp)
        soft = cv2.GaussianBlur(pixels, (0, 0), self.sigma_um / mpp)
        return np.where(inside[..., None] > 0, soft, pixels)


@dataclass(frozen=True)
class Fold(_Line):
    """A fold: tissue lies on tissue, so light passes both."""

    def _over(self, window: NDArray[np.uint8], mpp: float) -> NDArray[np.float32]:
        light = window.astype(np.float32) / 255.0
        beneath = np.roll(light, round(self.width_um / mpp), axis=1)
        return np.asarray(light * beneath * np.minimum(light, beneath) * 255.0, np.float32)


def _line_touches(points_um: Points, width_um: float, first: int, last: int, mpp: float) -> bool:
    rows = [y / mpp for _, y in points_um]
    margin = width_um / mpp
    return min(rows) - margin < last and max(rows) + margin > first


def _line_window(points_um: Points, width_um: float, width_px: int, mpp: float) -> slice:
    """The columns that a line can reach."""
    columns = [x / mpp for x, _ in points_um]
    margin = width_um / mpp
    return slice(max(0, math.floor(min(columns) - margin)), min(width_px, math.ceil(max(columns) + margin)))


def _line_cover(
    shape: tuple[int, ...], points_um: Points, width_um: float, corner_px: tuple[int, int], mpp: float
) -> NDArray[np.float32]:
    """(height, width, 1) share of the line in each pixel of a window whose top-left corner is `corner_px` (x, y)."""
    mask = np.zeros(shape[:2], np.uint8)
    line = np.array([(x / mpp - corner_px[0], y / mpp - corner_px[1]) for x, y in points_um])
    cv2.polylines(mask, [np.round(line).astype(np.int32)], False, 255, max(1, round(width_um / mpp)), cv2.LINE_AA)
    return mask.astype(np.float32)[..., None] / 255.0


def _blend(pixels: NDArray[np.uint8], over: NDArray[np.float32], cover: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(pixels * (1.0 - cover) + over * cover + 0.5, 0, 255).astype(np.uint8)
