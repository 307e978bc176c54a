"""A slide with the mistake in its colours undone in all that is read of it. Of any other slide nothing here is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from tiler.false_colours.undo import Righting, filled_up, undone
from wsi.slide import COLOURS_RIGHTED, KeepsComponents, Pixels, Recoloured, Slide

# Px of an overview that mix with what an area was filled up with.
_RIM_PX = 5


class RightedSlide(Recoloured):
    """`slide` in right colours."""

    def __init__(self, slide: Slide, righting: Righting) -> None:
        super().__init__(slide, {COLOURS_RIGHTED: str(righting)})
        self._righting = righting

    def _recoloured(self, pixels: Pixels) -> Pixels:
        return undone(pixels, self._righting)

    def thumbnail(self, max_px: int) -> Pixels:
        """See `wsi.slide.Slide.thumbnail`."""
        pixels = self._slide.thumbnail(max_px)
        right = undone(pixels, self._righting)
        if self._righting not in (Righting.STORED, Righting.EXCHANGED):
            fill = filled_up(pixels)
            rim = cv2.dilate(fill.view(np.uint8), np.ones((_RIM_PX, _RIM_PX), np.uint8)).view(np.bool_) & ~fill
            right[rim] = 255
        if self._righting is not Righting.EXCHANGED and min(right.shape[:2]) > 2:
            # What an encoder filled its last blocks up with, beyond the slide, runs into the rim in false colours.
            right[[0, -1]] = right[[1, -2]]
            right[:, [0, -1]] = right[:, [1, -2]]
        return right

    def reopen(self) -> RightedSlide:
        return RightedSlide(self._slide.reopen(), self._righting)


def can_be_righted(slide: Slide, righting: Righting) -> bool:
    """Whether it can be tried: a slide's components can be asked for only where its reader keeps them."""
    return righting is not Righting.STORED or isinstance(slide, KeepsComponents)


def righted(slide: Slide, righting: str) -> Slide:
    """`slide` itself for "", else what stands for it from now on. `righting` is a `Righting`, as results keep it.

    A word that this version doesn't know, or that the slide's reader can't follow, changes nothing.
    """
    if righting not in set(Righting) or not can_be_righted(slide, way := Righting(righting)):
        return slide
    if way is Righting.STORED:
        assert isinstance(slide, KeepsComponents)
        with slide:
            return RightedSlide(slide.stored_components(), way)
    return RightedSlide(slide, way)


@contextmanager
def in_right_colours(slide: Slide, righting: str) -> Iterator[Slide]:
    """The slide itself for "", else another handle of it as `righted` gives; `slide` stays open either way."""
    if not righting:
        yield slide
        return
    with righted(slide.reopen(), righting) as right:
        yield right
