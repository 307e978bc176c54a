"""What is told of an open slide to who asks for it from outside its process."""

from __future__ import annotations

from typing import Any

from wsi.errors import CorruptSlideError
from wsi.slide import Slide
from wsi.spacing import Level
from wsi.text import escape


def describe(slide: Slide) -> tuple[dict[str, Any], bytes]:
    """What `pulmoscope info` shows."""
    return {
        "file": escape(slide.path.name),
        "reader": slide.backend,
        "size_px": list(slide.size_px),
        "mpp": slide.spacing.mpp,
        "mpp_source": slide.spacing.source,
        "levels": [
            {
                "size_px": list(level.size_px),
                "downsample": level.downsample,
                "mpp": slide.spacing.mpp * level.downsample,
            }
            for level in slide.levels
        ],
        "bounds_px": list(slide.bounds_px),
        "metadata": dict(slide.metadata),
        "colour_profile": _profile(slide),
    }, b""


def _profile(slide: Slide) -> str:
    from wsi.readers.icc import check_profile, profile_of  # only who asks for a slide's facts

    try:
        profile = profile_of(slide.path)
        if not profile:
            return "none"
        check_profile(slide.path, profile)
    except CorruptSlideError:
        return "damaged, ignored"
    return "present, ignored (run --icc applies it)"


def tell_levels(slide: Slide) -> tuple[list[list[float]], bytes]:
    """(width, height, downsample) of each level."""
    return [[*level.size_px, level.downsample] for level in slide.levels], b""


def read_levels(told: list[list[float]]) -> tuple[Level, ...]:
    """The levels of `tell_levels`. Raises ValueError, TypeError on anything else."""
    return tuple(Level((int(width), int(height)), float(downsample)) for width, height, downsample in told)
