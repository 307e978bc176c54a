"""Whole-slide images: open any slide, pixels at a requested mpp, and what may be told of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsi.files.kinds import SLIDE_SUFFIXES
    from wsi.registry import open_slide
    from wsi.slide import Slide

__version__ = "0.1.0"
__all__ = ["SLIDE_SUFFIXES", "Slide", "__version__", "open_slide"]

_HOMES = {"open_slide": "wsi.registry", "SLIDE_SUFFIXES": "wsi.files.kinds", "Slide": "wsi.slide"}


def __getattr__(name: str) -> Any:
    """Loads the readers when they are first asked for: `import wsi` alone opens no library."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wsi' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
