"""Levels that are not just what a file stores of them: a part of a canvas with nothing beside it (Leica SCN), or more,
filled up to whole tiles (Philips TIFF).

OpenSlide puts each level's part at whole px of the canvas, whatever fraction its place comes to, and cuts off what
levels are filled up with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from wsi.readers.openslide import OpenSlideReader
from wsi.readers.tiff.directory import FastPathDoubtError, StoredTiles
from wsi.region import Pair, Pixels, clip

NO_TILES = StoredTiles((1, 1), (1, 1), "rgb", b"", np.zeros(1, np.uint64), np.zeros(1, np.uint64))
"""Of a level that is OpenSlide's to read."""


UNTOLD = "its levels cannot be told apart"


class Placed(NamedTuple):
    """What is stored of a level, and where its corner lies on it, in px."""

    tiles: StoredTiles
    place: Pair


def on_canvas(directories: Sequence[StoredTiles], known: OpenSlideReader) -> list[Placed | None]:
    """For each of `known`'s levels what is stored of it; None where its downsample is not whole, so that OpenSlide
    blends its px, and where the file has no such picture.

    Raises FastPathDoubtError where the finest level is not one picture that fills the slide's bounds.
    """
    found = []
    for number, level in enumerate(known.levels):
        fitting = []
        if known.gives_stored_pixels((1, 1), number):
            place, size = _scaled_bounds(known.bounds_px, level.downsample)
            fitting = [Placed(tiles, place) for tiles in directories if _about(tiles.size_px, size)]
        found.append(fitting[0] if len(fitting) == 1 else None)
    if found[0] is None:
        raise FastPathDoubtError(UNTOLD)
    return found


def filled_up(directories: Sequence[StoredTiles], sizes_px: Sequence[Pair]) -> list[StoredTiles]:
    """What is stored of levels of these sizes, finest first in the file too: the coarsest can be filled up to one size.

    Raises FastPathDoubtError where one has no such directory.
    """
    left, found = list(directories), []
    for size_px in sizes_px:
        at = next((at for at, tiles in enumerate(left) if size_px in (tiles.size_px, _cut(tiles, size_px))), None)
        if at is None:
            raise FastPathDoubtError(UNTOLD)
        found.append(left[at])
        del left[: at + 1]
    return found


def _cut(tiles: StoredTiles, size_px: Pair) -> Pair | None:
    """`size_px` where it is the size of `tiles` without what fills up the last of them."""
    whole = tuple(-(-side // tile) * tile for side, tile in zip(size_px, tiles.tile_px, strict=True))
    return size_px if whole == tiles.size_px else None


def _scaled_bounds(bounds_px: tuple[int, int, int, int], downsample: float) -> tuple[Pair, tuple[float, float]]:
    x, y, width, height = bounds_px
    return (int(x // downsample), int(y // downsample)), (width / downsample, height / downsample)


def _about(size_px: Pair, size: tuple[float, float]) -> bool:
    return all(abs(stored - wanted) < 1 for stored, wanted in zip(size_px, size, strict=True))


def fill_placed(part: Pixels, corner: Pair, place: Pair, size_px: Pair, fill: Callable[[Pixels, Pair], None]) -> None:
    """Fills `part`, from px `corner` of a level on, where a picture of `size_px` lies at `place`: by `fill(part,
    corner)` in the picture's px, and white beside it."""
    from_place = (corner[0] - place[0], corner[1] - place[1])
    window = clip(from_place, (part.shape[1], part.shape[0]), size_px)
    if window is None:
        part[:] = 255
        return
    (left, top), inner, (width, height) = window
    if (height, width) != part.shape[:2]:
        part[:] = 255
    fill(part[top : top + height, left : left + width], inner)
