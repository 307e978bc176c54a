"""Connected parts of a mask, by size or by where they lie, in memory that does not grow with the mask.

Labels take four bytes a px, so they are made for one band of rows at a time; parts that reach over a seam are joined
there. Masks are uint8, 0 or 1, (rows, columns); neighbours touch at corners too.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tiler.planes.bands import row_bands

Mask = NDArray[np.uint8]

# 16 MB of labels. The mask of a section of 16 x 16 mm is one band.
_BAND_PIXELS = 1 << 22
_CONNECTIVITY = 8


def without_small(mask: Mask, min_px: int, band_pixels: int = _BAND_PIXELS) -> Mask:
    """The parts of `mask` (rows, columns) that have at least `min_px` px, as a mask of the same shape."""
    kept = np.zeros_like(mask)
    if not cv2.countNonZero(mask):
        return kept
    seams = _Seams()
    undecided = []
    for rows in row_bands(mask.shape, band_pixels):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask[rows], connectivity=_CONNECTIVITY)
        area = np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32)
        large = area >= min_px
        large[0] = False
        kept[rows] = large.astype(np.uint8)[labels]
        parts = seams.add(np.asarray(labels, np.int32), area, last=rows.stop == len(mask))
        # What is too small in this band may still be a piece of something large.
        if (small := parts[~large[parts]]).size:
            chosen = np.zeros(count, np.bool_)
            chosen[small] = True
            row, column = np.nonzero(chosen[labels])
            undecided.append((row + rows.start, column, seams.numbers[labels[row, column]]))
    whole = seams.whole_areas()
    for row, column, part in undecided:
        kept[row, column] = whole[part] >= min_px
    return kept


def touching_edge(mask: Mask) -> Mask:
    """The parts of `mask` (rows, columns) that touch the edge of the image, as a mask of the same shape."""
    filled = mask.copy()
    last_row, last_column = (side - 1 for side in mask.shape)
    rim = [(row, int(column)) for row in (0, last_row) for column in np.flatnonzero(mask[row])]
    rim += [(int(row), column) for column in (0, last_column) for row in np.flatnonzero(mask[:, column])]
    for row, column in rim:
        if filled[row, column] == 1:
            # It fills in place: no labels, whatever the size of the mask.
            cv2.floodFill(filled, None, (column, row), 2, flags=_CONNECTIVITY)
    return (filled == 2).view(np.uint8)


class _Seams:
    """The parts at the first or last row of a band, across bands: who belongs to whom, and how large all are."""

    def __init__(self) -> None:
        self._areas: list[int] = []
        self._parent: list[int] = []
        self._above: NDArray[np.int32] | None = None  # part by column of the last row seen, -1 where there is none
        self.numbers: NDArray[np.int32] = np.empty(0, np.int32)  # of the band's parts, by label; -1 off the seams

    def add(self, labels: NDArray[np.int32], areas: NDArray[np.int32], *, last: bool) -> NDArray[np.int32]:
        """Takes the next band, its `labels` (rows, columns) and `areas` (labels,), and gives the labels (n,) of its
        parts at a seam; `last` says that no band follows."""
        rows = ([] if self._above is None else [labels[0]]) + ([] if last else [labels[-1]])
        parts = np.unique(np.concatenate(rows)) if rows else np.empty(0, np.int32)
        parts = parts[parts > 0]
        self.numbers = np.full(len(areas), -1, np.int32)
        self.numbers[parts] = np.arange(len(self._areas), len(self._areas) + len(parts))
        self._areas += areas[parts].tolist()
        self._parent += range(len(self._parent), len(self._areas))
        if self._above is not None:
            self._join(self._above, self.numbers[labels[0]])
        self._above = self.numbers[labels[-1]]
        return parts

    def whole_areas(self) -> NDArray[np.int64]:
        """(n,) px of all that each numbered part belongs to."""
        roots = np.array([self._root(number) for number in range(len(self._areas))], np.int64)
        sums = np.zeros(len(roots), np.int64)
        np.add.at(sums, roots, np.array(self._areas, np.int64))
        return sums[roots]

    def _join(self, above: NDArray[np.int32], below: NDArray[np.int32]) -> None:
        columns = len(above)
        for shift in (-1, 0, 1):
            upper = above[max(0, shift) : columns + min(0, shift)]
            lower = below[max(0, -shift) : columns + min(0, -shift)]
            meeting = (upper >= 0) & (lower >= 0)
            for a, b in np.unique(np.column_stack([upper[meeting], lower[meeting]]), axis=0).tolist():
                self._parent[self._root(a)] = self._root(b)

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number
