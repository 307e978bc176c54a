"""About this program: what it is for, which versions run here, and under which licences."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib import metadata

import streamlit as st

from app.presentation import words
from app.viewer.pages import parts
from app.viewer.pages.facts.model import facts_table
from wsi import __version__
from wsi.text import plain

_RUNS_ON = (
    *("streamlit", "starlette", "uvicorn", "altair", "ai-edge-litert", "keras", "tensorflow-cpu", "tensorflow"),
    *("numpy", "zarr", "openslide-python", "openslide-bin", "simplejpeg", "opencv-python-headless", "pydicom"),
    *("pillow", "scikit-image", "scikit-learn", "scipy", "pandas", "reportlab", "jinja2", "sqlalchemy", "alembic"),
)
_BUNDLED = (
    ("OpenSeadragon (the zoomable slide)", "BSD-3-Clause"),
    ("DejaVu Sans (letters in PDF reports)", "Bitstream Vera and public domain"),
    ("Droid Sans Fallback (letters in PDF reports)", "Apache-2.0"),
    ("EfficientNet-Lite0 (where the models began)", "Apache-2.0"),
)
_PRIVACY = (
    "Nothing leaves this machine: pages, scripts and fonts come from the program itself, and it asks nothing of the "
    "network, save a login service where one is set up. Results, uploads, jobs and what people decide lie in the "
    "results folder that it was started with."
)


def show() -> None:
    """Draws the page."""
    _, middle, _ = st.columns([1, 6, 1])
    with middle:
        st.subheader("About pulmoscope", anchor=False)
        st.html(f'<p class="ps-lead">{parts.safe(words.RESEARCH_USE)}</p><p class="ps-note">{parts.safe(_PRIVACY)}</p>')
        own = [("pulmoscope", f"{__version__}, Apache-2.0"), ("Python", platform.python_version())]
        st.html(parts.section("Versions") + facts_table(own))
        st.html(parts.section("Comes with it") + facts_table(_BUNDLED))
        st.html(parts.section("Runs on") + facts_table(_libraries()))


@lru_cache(maxsize=1)
def _libraries() -> list[tuple[str, str]]:
    """(name, version and licence as its maker states it) of what is installed."""
    found = []
    for name in _RUNS_ON:
        try:
            told = metadata.distribution(name).metadata
        except metadata.PackageNotFoundError:
            continue
        licence = _first(told, "License-Expression") or _short(_first(told, "License")) or _classified(told)
        found.append((name, f"{told['Version']}, {licence or 'see its package'}"))
    return found


def _first(told: metadata.PackageMetadata, field: str) -> str:
    """A field, "" where there is none: asked for by its name alone, some readers of metadata raise KeyError."""
    return (told.get_all(field) or [""])[0]


def _short(licence: str) -> str:
    """Some makers put the whole text there."""
    line = plain(licence, 200)
    return line if 0 < len(line) <= 60 else ""


def _classified(told: metadata.PackageMetadata) -> str:
    named = [line for line in told.get_all("Classifier") or [] if line.startswith("License ::")]
    return ", ".join(line.rpartition(" :: ")[2] for line in named)
