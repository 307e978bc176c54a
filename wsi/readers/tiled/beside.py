"""OpenSlide beside a faster reader of the same slide, for what that one leaves to it."""

from __future__ import annotations

from pathlib import Path

from wsi.identity import SlideFiles
from wsi.readers.openslide import OpenSlideReader
from wsi.region import Pair, Pixels


class BesideOpenSlide:
    """Opens the slide when it is first asked: most slides never need it."""

    def __init__(self, path: Path, files: SlideFiles, mpp: float | None) -> None:
        self._path, self._files, self._mpp = path, files, mpp
        self._reader: OpenSlideReader | None = None

    def read_region(self, corner: Pair, level: int, size_px: Pair) -> Pixels:
        """See `wsi.slide.Slide.read_region`. Raises SlideChangedError where the file is another one by now."""
        if self._reader is None:
            self._files.check()
            self._reader = OpenSlideReader(self._path, self._mpp)
        return self._reader.read_region(corner, level, size_px)

    def another(self) -> BesideOpenSlide:
        """One for another handle of the slide."""
        return BesideOpenSlide(self._path, self._files, self._mpp)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None
