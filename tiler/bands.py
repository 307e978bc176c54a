"""Bands of rows, for what is done to a large picture piece by piece."""

from __future__ import annotations

from collections.abc import Iterator


def row_bands(shape: tuple[int, ...], pixels: int) -> Iterator[slice]:
    """The rows of a picture (rows, columns, ...) from top to bottom, in bands of at most `pixels` px or of one row."""
    step = max(1, pixels // max(1, shape[1]))
    for first in range(0, shape[0], step):
        yield slice(first, min(first + step, shape[0]))
