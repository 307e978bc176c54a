"""A slide made of an array, for tests that need no file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from wsi.identity import SlideFiles
from wsi.spacing import Level, Spacing


class ArraySlide:
    """`pixels` is level 0, (height, width, 3) uint8; further levels are its area averages by `downsamples`."""

    def __init__(self, pixels, mpp=0.5, downsamples=(1,), bounds=None, source="slide"):
        self.path = Path("array.tif")
        self.files = SlideFiles.of(())
        self.backend = "array"
        self._levels = [pixels if d == 1 else _shrunk(pixels, d) for d in downsamples]
        height, width = pixels.shape[:2]
        self.size_px = (width, height)
        self.levels = tuple(
            Level((p.shape[1], p.shape[0]), float(d)) for p, d in zip(self._levels, downsamples, strict=True)
        )
        self.spacing = Spacing(mpp, source)
        self.bounds_px = bounds or (0, 0, width, height)
        self.metadata = {}
        self.handles = [self]
        self.closed = False

    def read_region(self, level_xy, level, size_px):
        pixels = self._levels[level]
        (x, y), (width, height) = level_xy, size_px
        out = np.full((height, width, 3), 255, np.uint8)
        x0, y0 = max(x, 0), max(y, 0)
        x1, y1 = min(x + width, pixels.shape[1]), min(y + height, pixels.shape[0])
        if x1 > x0 and y1 > y0:
            out[y0 - y : y1 - y, x0 - x : x1 - x] = pixels[y0:y1, x0:x1]
        return out

    def thumbnail(self, max_px):
        height, width = self._levels[0].shape[:2]
        scale = min(1.0, max_px / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return cv2.resize(self._levels[0], size, interpolation=cv2.INTER_AREA)

    def reopen(self):
        other = object.__new__(ArraySlide)
        other.__dict__.update(self.__dict__, closed=False)
        self.handles.append(other)
        return other

    def close(self):
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def stained(height, width, seed=0):
    """Pink noise of about H&E's saturation, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    return np.clip(np.array([200, 110, 180]) + rng.normal(0, 25, (height, width, 3)), 0, 255).astype(np.uint8)


def _shrunk(pixels, downsample):
    size = (pixels.shape[1] // downsample, pixels.shape[0] // downsample)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
