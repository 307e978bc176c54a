"""What a slide is to the rest of the house.

Pixels are uint8 RGB (height, width, 3). A region may reach beyond the slide: what lies outside is white.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wsi.identity import SlideFiles
from wsi.region import clip
from wsi.spacing import Level, Spacing

Pixels = NDArray[np.uint8]

OTHER_IMAGES = "other_images"
"""Of a slide's metadata: how many further pictures of the slide's size the file holds, none of which is read."""
COLOURS_RIGHTED = "colours_righted"
"""Of a slide's metadata: how colours that the file stores wrongly were put right."""


@runtime_checkable
class Slide(Protocol):
    """An open slide. Not thread-safe: each thread calls `reopen()` and closes what it got."""

    path: Path
    files: SlideFiles
    """All files that the slide is read from, as they were when it was opened."""
    backend: str
    """Name of the reader, e.g. ``openslide`` or ``image``."""
    size_px: tuple[int, int]
    """(width, height) of level 0."""
    levels: tuple[Level, ...]
    """Finest first; levels[0].downsample is 1.0."""
    spacing: Spacing
    bounds_px: tuple[int, int, int, int]
    """(x, y, width, height) in level-0 px of the part that holds pixels (MRXS); the whole slide elsewhere."""
    metadata: Mapping[str, str | float | int | bool]
    """Only what `wsi.metadata` allows to leave a slide; ``synthetic: True`` on slides that we drew."""

    def read_region(self, level_xy: tuple[int, int], level: int, size_px: tuple[int, int]) -> Pixels:
        """Pixels of one level. `level_xy` is the top-left corner in px *of that level*; `size_px` (width, height).

        Raises CorruptSlideError.
        """
        ...

    def thumbnail(self, max_px: int) -> Pixels:
        """The whole slide, (height, width, 3), its longer side at most `max_px`. Raises CorruptSlideError."""
        ...

    def reopen(self) -> Slide:
        """The same slide on a handle of its own. Raises SlideChangedError where a file is another one by now."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Slide: ...

    def __exit__(self, *exc: object) -> None: ...


@runtime_checkable
class KeepsComponents(Slide, Protocol):
    """A slide whose reader knows what its pixels are stored as, apart from the colour space that the file names."""

    def stored_components(self) -> Slide:
        """The same slide on a handle of its own, the three stored components shown as red, green and blue."""
        ...


@runtime_checkable
class Halves(Slide, Protocol):
    """A slide whose reader gives a level at half its size for less than reading it whole.

    A picture for the eye: its px are within a few grey levels of averages of four, and no model has seen such.
    """

    def half_region(self, level_xy: tuple[int, int], level: int, size_px: tuple[int, int]) -> Pixels | None:
        """As `read_region`, in px of the halved level. None where that cannot be had: at the right and lower edge of a
        level whose last px are not whole, and where a tile is damaged, missing, or no JPEG."""
        ...


class Recoloured(ABC):
    """`slide` with its pixels in other colours: it is this one's from now on, and closed with it. `told` is added to
    its metadata. Not thread-safe, as any slide."""

    def __init__(self, slide: Slide, told: Mapping[str, str]) -> None:
        self._slide = slide
        self.path, self.files, self.backend = slide.path, slide.files, slide.backend
        self.size_px, self.levels, self.spacing = slide.size_px, slide.levels, slide.spacing
        self.bounds_px = slide.bounds_px
        self.metadata: Mapping[str, str | float | int | bool] = MappingProxyType({**slide.metadata, **told})

    @abstractmethod
    def _recoloured(self, pixels: Pixels) -> Pixels:
        """Pixels of the slide, (height, width, 3), in the other colours; one px each, none looked at beside it."""

    @abstractmethod
    def reopen(self) -> Slide:
        """See `Slide.reopen`."""

    def read_region(self, level_xy: tuple[int, int], level: int, size_px: tuple[int, int]) -> Pixels:
        """See `Slide.read_region`. What lies beyond the slide stays white."""
        region = self._slide.read_region(level_xy, level, size_px)
        window = clip(level_xy, size_px, self.levels[level].size_px)
        if window is None:
            return region
        (left, top), _, (width, height) = window
        recoloured = self._recoloured(region[top : top + height, left : left + width])
        if recoloured.shape == region.shape:
            return recoloured
        region[top : top + height, left : left + width] = recoloured
        return region

    def thumbnail(self, max_px: int) -> Pixels:
        """See `Slide.thumbnail`."""
        return self._recoloured(self._slide.thumbnail(max_px))

    def close(self) -> None:
        self._slide.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
