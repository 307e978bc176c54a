"""What a px of a reduced level measures, and whether the level shows the slide at all.

A level's size does not tell: scanners fill levels up to whole tiles, and a file may hold the level of another picture.
Where sizes leave it open, a level's pixels are compared with a finer one's. Knows no file: pixels come by a callable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wsi.errors import SlideError
from wsi.region import Pair, Pixels
from wsi.spacing import Level

Read = Callable[[int, Pair, Pair], Pixels]
"""(level, corner, size), both in px of that level, to (height, width, 3)."""

# Side of the windows that are compared, in px of the coarser level, and how many.
_WINDOW_PX = 128
_WINDOWS = 3
# The last px of a level average what lies beyond the slide; real levels end in a dark or coloured line.
_EDGE_PX = 2
# Grey levels: below it a window is too plain to tell one place from another.
_LEAST_CONTRAST = 4.0
# Correlation of the grey values. Right: over 0.9 in all slides seen; an eighth off, or another picture: under 0.4.
_ALIKE = 0.7
# A level whose size is right is believed down to this: its scanner may have sharpened it.
_NOT_ALIKE = 0.4
# So much alike that the less likely downsamples need not be tried.
_SURELY_ALIKE = 0.9
_MAX_COMPARED_PIXELS = 1 << 24
_MAX_OVERVIEW_PIXELS = 1 << 22
_MAX_PADDED_DOWNSAMPLE = 512
_MAX_ODD_DOWNSAMPLE = 64
_ANY_TILE_PX = (1024, 1024)


@dataclass(frozen=True)
class StoredLevel:
    """A level as a file has it; `said` is the downsample that OpenSlide gives, `tile_px` (width, height) if known."""

    size_px: Pair
    said: float
    tile_px: Pair | None = None


@dataclass(frozen=True)
class ScaledLevels:
    """The levels that may be read, finest first, and for each its number in the file. `left_out` others may not."""

    levels: tuple[Level, ...]
    stored: tuple[int, ...]
    left_out: int = 0


def scale_levels(
    stored: Sequence[StoredLevel], read: Read, *, compare_all: bool = False, made: Collection[int] = ()
) -> ScaledLevels:
    """Levels with their true downsample; padding is cut off, and what does not show level 0 evenly is left out.

    `compare_all` trusts no size, for files whose levels need not belong together. The numbers in `made` are of levels
    that no file has: they are passed over without a word.
    """
    finest = stored[0].size_px
    levels, numbers = [Level(finest, 1.0)], [0]
    places = _Places(stored, read)
    for number, level in enumerate(stored[1:], start=1):
        if number in made:
            continue
        sure, candidates = _candidates(finest, level)
        if not sure or compare_all:
            chosen = places.most_alike(levels[-1], numbers[-1], number, candidates, keep_unclear=sure)
        else:
            chosen = candidates[0]
        if chosen is not None:
            size = tuple(
                min(side, math.ceil(whole / chosen)) for side, whole in zip(level.size_px, finest, strict=True)
            )
            levels.append(Level((size[0], size[1]), chosen))
            numbers.append(number)
    return ScaledLevels(tuple(levels), tuple(numbers), len(stored) - len(levels) - len(made))


def true_downsample(size_px: Pair, level_px: Pair, downsample: float) -> float:
    """The whole number that a level's size is the rounded quotient of, where there is one; else OpenSlide's figure.

    OpenSlide has the mean of both sides' quotients. 300 x 250 px reduced by 4 gives 75 x 62, for which it says 4.016.
    """
    whole = round(downsample)
    if whole < 1 or abs(downsample - whole) > 0.05 * whole:
        return downsample
    for side, level_side in zip(size_px, level_px, strict=True):
        if level_side not in (side // whole, -(-side // whole)):
            return downsample
    return float(whole)


def _candidates(finest: Pair, level: StoredLevel) -> tuple[bool, list[float]]:
    """What the downsample can be, and whether the first of these is sure without a look at the pixels."""
    quotients = [whole / side for whole, side in zip(finest, level.size_px, strict=True)]
    downsample = true_downsample(finest, level.size_px, level.said)
    if abs(level.said / (sum(quotients) / 2) - 1) > 1e-3:
        return True, [downsample]  # not made of the sizes: the format itself says so
    # Each side may have been rounded up or down by a px.
    low = max(whole / (side + 1) for whole, side in zip(finest, level.size_px, strict=True))
    high = min(whole / max(side - 1, 0.5) for whole, side in zip(finest, level.size_px, strict=True))
    even = [downsample] if low <= downsample <= high else []
    filled = [float(d) for d in _padded(finest, level) if d not in even]
    if even and float(even[0]).is_integer():
        # Whole by its size. Padding could still pretend that (768 px by 4, filled up to 256, looks like 3).
        filled = [d for d in filled if math.log2(d).is_integer()]
    return bool(even) and not filled, even + filled


def _padded(finest: Pair, level: StoredLevel) -> Iterator[int]:
    """The whole downsamples by which the level may have been filled up to whole tiles."""
    tile = level.tile_px or _ANY_TILE_PX
    likely = [2**power for power in range(1, _MAX_PADDED_DOWNSAMPLE.bit_length())]
    for d in likely + [d for d in range(3, _MAX_ODD_DOWNSAMPLE) if d not in likely]:
        spare = [side - -(-whole // d) for whole, side in zip(finest, level.size_px, strict=True)]
        whole_tiles = level.tile_px is None or not any(s % t for s, t in zip(level.size_px, tile, strict=True))
        if whole_tiles and max(spare) > 0 and all(0 <= s < t for s, t in zip(spare, tile, strict=True)):
            yield d


class _Places:
    """Compares levels where the slide has contrast; one for all levels of a slide."""

    def __init__(self, stored: Sequence[StoredLevel], read: Read) -> None:
        self._stored = stored
        self._read = read
        self._small: dict[int, NDArray[np.uint8]] = {}

    def most_alike(
        self, known: Level, known_number: int, number: int, candidates: list[float], *, keep_unclear: bool
    ) -> float | None:
        """The downsample by which level `number` shows what the finer level `known` does.

        None where by none of the candidates; and where nothing can be told, unless `keep_unclear` takes the first.
        """
        told: list[tuple[float, float]] = []
        try:
            for downsample in candidates:
                likeness = self._likeness(known, known_number, number, downsample, gaps=keep_unclear)
                if likeness is not None:
                    told.append((likeness, downsample))
                    if likeness >= _SURELY_ALIKE and (
                        downsample == candidates[0] or math.log2(downsample).is_integer()
                    ):
                        break
        except SlideError:
            told = []  # damage is told where it is read for its own sake
        if not told:
            return candidates[0] if keep_unclear and candidates else None
        best, chosen = max(told)
        return chosen if best >= (_NOT_ALIKE if keep_unclear else _ALIKE) else None

    def _likeness(self, known: Level, known_number: int, number: int, downsample: float, *, gaps: bool) -> float | None:
        """Mean correlation of the windows of most contrast; None where they are plain, or looking costs too much."""
        ratio = downsample / known.downsample
        if ratio < 1 or (min(ratio * _WINDOW_PX, *known.size_px)) ** 2 > _MAX_COMPARED_PIXELS:
            return None
        shown = [
            min(side, math.ceil(whole / ratio)) - _EDGE_PX
            for side, whole in zip(self._stored[number].size_px, known.size_px, strict=True)
        ]
        corners = self._corners(number, (shown[0], shown[1]))
        pairs = (self._pair(number, corner, known, known_number, ratio) for corner in corners)
        scores = [_correlation(*pair, gaps=gaps) for pair in pairs]
        told = [score for score in scores if score is not None]
        return float(np.mean(told)) if told else None

    def _corners(self, number: int, shown_px: Pair) -> list[Pair]:
        """Corners of the windows of most contrast in the part that shows the slide, without its padding."""
        width, height = shown_px
        if min(shown_px) < 8:
            return []
        if width * height <= _MAX_OVERVIEW_PIXELS:
            grey = self._grey(number, (0, 0), (width, height))
            spots = [(x, y) for y in range(0, height, _WINDOW_PX) for x in range(0, width, _WINDOW_PX)]
            spread = [_spread(grey[y : y + _WINDOW_PX, x : x + _WINDOW_PX]) for x, y in spots]
        else:
            steps = np.linspace(0.05, 0.9, 6)
            spots = [(int(width * x), int(height * y)) for y in steps for x in steps]
            spread = [_spread(self._grey(number, spot, (_WINDOW_PX, _WINDOW_PX))) for spot in spots]
        order = sorted(range(len(spots)), key=lambda i: spread[i], reverse=True)
        return [spots[i] for i in order[:_WINDOWS] if spread[i] >= _LEAST_CONTRAST]

    def _pair(
        self, number: int, corner: Pair, known: Level, known_number: int, ratio: float
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The window at `corner` of level `number`, and the same place of level `known` at its size; both grey.

        What lies beyond the slide by this downsample is compared with nothing: contrast there speaks against it.
        """
        width, height = (
            min(_WINDOW_PX, side - _EDGE_PX - at) for side, at in zip(self._stored[number].size_px, corner, strict=True)
        )
        window = self._grey(number, corner, (width, height))
        last = [
            min(whole, round((at + side) * ratio))
            for whole, at, side in zip(known.size_px, corner, (width, height), strict=True)
        ]
        first = (round(corner[0] * ratio), round(corner[1] * ratio))
        size = (last[0] - first[0], last[1] - first[1])
        part = (min(width, round(size[0] / ratio)), min(height, round(size[1] / ratio)))
        if min(size) < 1 or min(part) < 8:
            return window, np.zeros_like(window)
        finer = self._grey(known_number, first, size)
        return window[: part[1], : part[0]], np.asarray(cv2.resize(finer, part, interpolation=cv2.INTER_AREA), np.uint8)

    def _grey(self, number: int, corner: Pair, size: Pair) -> NDArray[np.uint8]:
        """Grey values (height, width) of a level that is read whole, and once, where it is small."""
        (x, y), (width, height) = corner, size
        whole_px = self._stored[number].size_px
        if whole_px[0] * whole_px[1] > _MAX_OVERVIEW_PIXELS * 2:
            return _grey(self._read(number, corner, size))
        if number not in self._small:
            self._small[number] = _grey(self._read(number, (0, 0), whole_px))
        return self._small[number][y : y + height, x : x + width]


def _grey(pixels: Pixels) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def _spread(grey: NDArray[np.uint8]) -> float:
    return float(grey.std()) if min(grey.shape) >= 8 else 0.0


def _correlation(one: NDArray[np.uint8], other: NDArray[np.uint8], *, gaps: bool) -> float | None:
    """Pearson's, None where the first is plain. A pixel's worth of misplacement is forgiven by a blur.

    `gaps`: what is pure white may be a tile that was never stored, and is not compared.
    """
    a, b = (np.asarray(cv2.GaussianBlur(part.astype(np.float32), (0, 0), 1.0), np.float32) for part in (one, other))
    if gaps:
        stored = cv2.erode((cv2.max(one, other) < 255).view(np.uint8), np.ones((7, 7), np.uint8)).view(np.bool_)
        if np.count_nonzero(stored) < 64:
            return None
        a, b = a[stored], b[stored]
    if a.std() < _LEAST_CONTRAST / 2:
        return None
    if b.std() < 1e-3:
        return 0.0
    return float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std()))
