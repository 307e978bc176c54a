"""`pulmoscope doctor`: what the machine has, as a support call would ask first."""

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

from classifier.model_folder.files import read_folder
from classifier.model_folder.find import PACKAGED
from wsi.errors import PulmoscopeError
from wsi.process.cores import usable_cores

_NEEDED = ("numpy", "zarr", "openslide-python", "opencv-python-headless", "ai-edge-litert", "streamlit", "keras")
_TENSORFLOW = ("tensorflow-cpu", "tensorflow")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")


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
