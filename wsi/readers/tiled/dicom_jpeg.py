"""DICOM slides whose levels are plain grids of JPEG frames, each frame decoded once and kept for a while.

As with TIFF, what the slide is comes from OpenSlide; only pixels are read here, and a few frames are compared with
OpenSlide's at opening. On any doubt the slide is left to OpenSlide.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from wsi.errors import CorruptSlideError, NotAFileError
from wsi.identity import open_slide_fd
from wsi.readers.beginnings import is_dicom
from wsi.readers.dicom.frames import StoredFrames, read_frames
from wsi.readers.dicom.series import is_volume
from wsi.readers.openslide import OpenSlideReader
from wsi.readers.tiff.directory import FastPathDoubtError
from wsi.readers.tiff.jpeg_tile import OddJpegError, decode_tile, shared_head
from wsi.readers.tiled.beside import BesideOpenSlide
from wsi.readers.tiled.halved import HalvingSlide
from wsi.readers.tiled.slide import unlike
from wsi.region import Pixels


def recognises(path: Path) -> bool:
    """Whether the file begins as a DICOM file does."""
    return is_dicom(path)


class DicomJpegReader(HalvingSlide):
    """A slide of JPEG frames. Raises FastPathDoubtError where OpenSlide should read it, else as OpenSlideReader."""

    backend = "dicom-jpeg"

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        self._opened = ExitStack()
        with OpenSlideReader(path, mpp) as known:
            self._identity = object()
            self._describe(known, known.metadata)
            self._openslide = BesideOpenSlide(path, self.files, mpp)
            self._stored = _stored_levels(known)
            self._heads = tuple(shared_head(b"", level.photometric) for level in self._stored)
            try:
                self._open_files()
                self.files.check()
                checked = self._verify(known)
            except BaseException:
                self.close()
                raise
        self._describe(known, {**known.metadata, "reader": f"{self.backend} (verified on {checked} tiles)"})

    def _open_files(self) -> None:
        self._fds: tuple[int, ...] = ()
        for level in self._stored:
            fd = open_slide_fd(level.path)
            self._opened.callback(os.close, fd)
            self._fds = (*self._fds, fd)

    def _grid(self, level: int) -> StoredFrames:
        return self._stored[level]

    def _check_open(self) -> None:
        if not self._fds:
            raise ValueError("the slide is closed")

    def _decode(self, level: int, index: int, into: Pixels) -> None:
        """Writes a stored frame; one that is odd as OpenSlide paints it, or raises its CorruptSlideError."""
        stored = self._stored[level]
        offset, length = int(stored.offsets[index]), int(stored.lengths[index])
        if length <= _longest_bytes(stored):
            try:
                decode_tile(self._heads[level], os.pread(self._fds[level], length, offset), into)
                return
            except (OddJpegError, OSError):
                pass  # OpenSlide is lenient with some damage, and has the words for the rest
        row, column = divmod(index, stored.columns)
        corner = (column * stored.tile_px[0], row * stored.tile_px[1])
        into[:] = self._openslide.read_region(corner, level, stored.tile_px)

    def _decode_half(self, level: int, index: int, into: Pixels) -> None:
        stored = self._stored[level]
        offset, length = int(stored.offsets[index]), int(stored.lengths[index])
        if length > _longest_bytes(stored):
            raise OddJpegError("longer than any frame of its size")
        decode_tile(self._heads[level], os.pread(self._fds[level], length, offset), into, halved=True)

    def _verify(self, known: OpenSlideReader) -> int:
        """Compares the fullest frame of each level, and the last of level 0, with OpenSlide's; gives their number."""
        picks = [(level, int(np.argmax(stored.lengths))) for level, stored in enumerate(self._stored)]
        picks.append((0, len(self._stored[0].lengths) - 1))
        for level, index in picks:
            stored = self._stored[level]
            row, column = divmod(index, stored.columns)
            corner = (column * stored.tile_px[0], row * stored.tile_px[1])
            try:
                theirs, ours = (slide.read_region(corner, level, stored.tile_px) for slide in (known, self))
            except CorruptSlideError as error:
                raise FastPathDoubtError("some of its frames are damaged") from error
            if unlike(ours, theirs, stored=known.gives_stored_pixels(corner, level)):
                raise FastPathDoubtError("its frames come out differently")
        return len(picks)

    def reopen(self) -> DicomJpegReader:
        """A handle of its own that shares the decoded frames."""
        self._check_open()
        self.files.check()
        other = object.__new__(DicomJpegReader)
        other._describe(self, self.metadata)
        other._openslide, other._opened = self._openslide.another(), ExitStack()
        other._stored, other._heads, other._identity = self._stored, self._heads, self._identity
        other._open_files()
        return other

    def close(self) -> None:
        self._fds = ()
        self._opened.close()
        self._openslide.close()


def _longest_bytes(stored: StoredFrames) -> int:
    """No honest JPEG of a frame's size is longer."""
    return 64 * 1024 + 8 * stored.tile_px[0] * stored.tile_px[1]


def _stored_levels(known: OpenSlideReader) -> tuple[StoredFrames, ...]:
    """The instance of each of OpenSlide's levels, by its size."""
    try:
        instances = [read_frames(file) for file in known.files.paths if is_volume(file)]
    except (OSError, NotAFileError) as error:
        raise FastPathDoubtError("its files cannot be read") from error
    stored = []
    for size_px in known.stored_sizes_px:
        fitting = [frames for frames in instances if frames.size_px == size_px]
        if len(fitting) != 1:
            raise FastPathDoubtError("its levels cannot be told apart")
        stored.append(fitting[0])
    return tuple(stored)
