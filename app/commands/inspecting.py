"""What the tool sees of a slide, of its models and of the machine. Never what it must not tell."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from app.slides.facts import describe
from app.slides.guarded import GuardedSlides
from app.slides.question import SlideAddress
from classifier.model import PACKAGED, packaged_models
from classifier.model_folder.files import read_folder
from wsi.errors import PulmoscopeError
from wsi.process.cores import usable_cores
from wsi.spacing import FillIn

_NEEDED = ("numpy", "zarr", "openslide-python", "opencv-python-headless", "ai-edge-litert", "streamlit", "keras")
_TENSORFLOW = ("tensorflow-cpu", "tensorflow")
# Of a model: `models` prints its words, `models --json` its figures too.
_MEASURED = ("tiles", "groups", "figures", "not_recognised")
_FOR_PROGRAMS = frozenset({"temperature", "familiarity_threshold", "false_alarm_rate", "validation"})
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")


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


def describe_models() -> list[dict[str, Any]]:
    return [
        {
            "name": card.name,
            "version": card.version,
            "classes": list(card.classes),
            "background": card.background,
            "tissues": list(card.tissues),
            "tile": asdict(card.tile),
            "sha256": card.digest,
            "synthetic": card.synthetic,
            "intended_use": card.intended_use,
            "limits": list(card.limits),
            "never_shown": list(card.never_shown),
            "temperature": card.temperature,
            "familiarity_threshold": card.familiarity_threshold,
            "false_alarm_rate": card.false_alarm_rate,
            "validation": {name: card.metrics.get("val", {}).get(name) for name in _MEASURED},
        }
        for card in packaged_models()
    ]


def _in_words(facts: dict[str, Any]) -> dict[str, Any]:
    """The same facts for a person: levels and tiles as one reads them, and no more than fits a screen."""
    told = {name: value for name, value in facts.items() if name not in _FOR_PROGRAMS}
    if "levels" in facts:
        told["levels"] = [
            f"{level['size_px'][0]} x {level['size_px'][1]} px, downsample {level['downsample']:.6g}, "
            f"{level['mpp']:.4g} um/px"
            for level in facts["levels"]
        ]
    if isinstance(tile := facts.get("tile"), dict):
        told["tile"] = f"{tile['size_px']} px at {tile['mpp']:g} um/px"
    return told


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool
    found: str
    figure: float | None = None  # where `found` tells one: in cores, or in bytes

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine_machine() -> list[Check]:
    """What a support call would ask first. Imports nothing heavy."""
    free = shutil.disk_usage(".").free
    return [
        Check("python", sys.version_info >= (3, 11), platform.python_version()),
        Check("cores", True, f"{usable_cores()} of {os.cpu_count()} may be used", usable_cores()),
        Check("memory", True, f"{_memory_bytes() >> 30} GB", _memory_bytes()),
        Check("disk here", free > 1 << 30, f"{free >> 30} GB free", free),
        *(_installed(name) for name in _NEEDED),
        _tensorflow(),
        _optional("onnxruntime", "only models that were imported need it"),
        _attempt("openslide library", _openslide_version),
        *(_attempt(f"model {path.name}", partial(_model, path)) for path in sorted(PACKAGED.glob("*/"))),
        Check("browser", True, next((name for name in _BROWSERS if shutil.which(name)), "none on the path")),
    ]


def _installed(name: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "not installed")


def _optional(name: str, what_for: str) -> Check:
    found = _installed(name)
    return found if found.ok else Check(name, True, f"not installed; {what_for}")


def _tensorflow() -> Check:
    found = [_installed(name) for name in _TENSORFLOW]
    present = [f"{check.name} {check.found}" for check in found if check.ok]
    # Both own the same files: with both, an uninstall of one breaks the other.
    return Check("tensorflow", len(present) == 1, " and ".join(present) or "not installed")


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except (PulmoscopeError, ImportError, OSError) as error:
        return Check(name, False, str(error))


def _openslide_version() -> str:
    import openslide

    return str(openslide.__library_version__)


def _model(path: Path) -> str:
    card = read_folder(path).card
    return f"version {card.version}, whole ({card.digest[:12]})"


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def as_lines(facts: dict[str, Any]) -> str:
    """`name  value` lines for a person, nested facts indented."""
    return _lines(_in_words(facts))


def _lines(facts: dict[str, Any]) -> str:
    width = max((len(name) for name in facts), default=0)
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [name, *(f"  {line}" for line in _lines(value).splitlines())]
        elif isinstance(value, list) and any(isinstance(one, str) for one in value) and len(value) > 1:
            lines += [f"{name if i == 0 else '':<{width}}  {one}" for i, one in enumerate(value)]
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines.append(f"{name:<{width}}  {text}")
    return "\n".join(lines)
