"""Whole-slide images: open any slide, pixels at a requested mpp, and what may be told of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsi.process.later import from_homes

if TYPE_CHECKING:
    from wsi.files.kinds import SLIDE_SUFFIXES
    from wsi.registry import open_slide
    from wsi.slide import Slide

__version__ = "0.1.0"
__all__ = ["SLIDE_SUFFIXES", "Slide", "__version__", "open_slide"]

__getattr__ = from_homes(__name__, {"open_slide": "registry", "SLIDE_SUFFIXES": "files.kinds", "Slide": "slide"})
