"""`pulmoscope info`: what the tool sees of a slide or of a site profile. Never what it must not tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.slides.facts import describe
from app.slides.guarded import GuardedSlides
from app.slides.question import SlideAddress
from wsi.spacing import FillIn


def describe_input(path: Path, mpp: float | None) -> dict[str, Any]:
    """What is told of a slide, or of a site profile. Raises SlideError, SiteError."""
    from classifier.site.files import is_site, read_site

    if not is_site(path):
        return describe_slide(path, mpp)
    from app.commands.adapt import describe_site

    return describe_site(read_site(path))


def describe_slide(path: Path, mpp: float | None) -> dict[str, Any]:
    """Raises SlideError. The slide is opened in a process of its own."""
    slides = GuardedSlides(processes=1)
    try:
        facts: dict[str, Any] = slides.ask(describe, SlideAddress(path, None if mpp is None else FillIn(mpp)))[0]
        return facts
    finally:
        slides.close()
