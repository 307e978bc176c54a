"""The files of `component/`: what a browser runs, given as text or served by a route of ours."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

COMPONENT_DIR = Path(__file__).parent.parent / "component"
ASSETS = "/assets"
LIBRARY = "openseadragon.min.js"


@lru_cache
def asset(name: str) -> str:
    """The text of a file of `component/`. Given as text, since Streamlit finds asset folders through a distribution's
    list of files, which an editable install does not have."""
    return (COMPONENT_DIR / name).read_text(encoding="utf-8")
