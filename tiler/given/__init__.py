"""A tissue mask that a person gives: read, held against the slide, laid over. Loaded for a slide that has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsi.process.later import from_homes

if TYPE_CHECKING:
    from tiler.given.mask import lay_over, read_given

__all__ = ["lay_over", "read_given"]

__getattr__ = from_homes(__name__, dict.fromkeys(__all__, "mask"))
