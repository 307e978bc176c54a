"""The files of `component/`: what a browser runs, given as text or served by routes of ours."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.routing import Route

COMPONENT_DIR = Path(__file__).parent.parent / "component"
ASSETS = "/assets"
LIBRARY = "openseadragon.min.js"
_ROOMS = ("slide", "drawing", "seen")


@lru_cache
def asset(name: str) -> str:
    """The text of a file of `component/`. Given as text, since Streamlit finds asset folders through a distribution's
    list of files, which an editable install does not have."""
    return (COMPONENT_DIR / name).read_text(encoding="utf-8")


def listening(name: str) -> str:
    """The script `name`, which also keeps the keys that are pressed before a slide's own modules are there."""
    return asset("early.js") + asset(name)


@lru_cache
def slide_modules() -> dict[str, bytes]:
    """``room/name`` -> text of the modules that draw a slide, which import each other by name."""
    paths = [path for room in _ROOMS for path in sorted((COMPONENT_DIR / room).glob("*.js"))]
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}


@lru_cache
def slide_module(entrance: str = "slide/main.js") -> str:
    """The address of the module that draws a slide, or of another, below the mount. It changes with any of them, so
    that a browser never mixes those of two versions."""
    return f"{ASSETS}/{_version()}/{entrance}"


def slide_addresses() -> list[str]:
    """What a browser loads to draw a slide, below the mount: it may fetch them before the first slide is opened."""
    return [f"{ASSETS}/{LIBRARY}", *(slide_module(name) for name in slide_modules())]


def routes() -> list[Route]:
    """The library and the modules, to be kept by the browser."""
    from starlette.routing import Route

    return [
        Route(f"{ASSETS}/{LIBRARY}", _library, methods=["GET"]),
        Route(ASSETS + "/{version}/{room}/{name}", _module, methods=["GET"]),
    ]


@lru_cache
def _version() -> str:
    whole = hashlib.sha256(b"\n".join(name.encode() + text for name, text in slide_modules().items()))
    return whole.hexdigest()[:16]


async def _library(request: Any) -> Any:
    from starlette.responses import FileResponse

    kept = {"Cache-Control": "max-age=3600"}
    return FileResponse(COMPONENT_DIR / LIBRARY, media_type="text/javascript", headers=kept)


async def _module(request: Any) -> Any:
    from starlette.responses import Response

    asked = request.path_params
    text = slide_modules().get(f"{asked['room']}/{asked['name']}")
    if text is None or asked["version"] != _version():
        return Response(status_code=404)
    return Response(text, media_type="text/javascript", headers={"Cache-Control": "private, max-age=86400, immutable"})
