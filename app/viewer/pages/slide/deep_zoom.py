"""The slide-with-heatmap element: what it is given, what a click gives back. The drawing is `component/viewer.js`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

from aggregate.result import SlideResult
from app.viewer.pages.assets import ASSETS, LIBRARY, asset
from app.viewer.reading.overlay import Placement, Rgba, encode_png, placement
from app.viewer.reading.slide_files import SlideFile
from app.viewer.site import MOUNT
from app.viewer.tiles.pyramid import TILE_PX, lay_pyramid
from wsi.spacing import Level


@dataclass(frozen=True)
class LegendItem:
    """`look` is ``solid``, ``ramp`` (from pale to `colour`) or ``hatched``."""

    title: str
    colour: str
    look: str = "solid"


@dataclass(frozen=True)
class Picture:
    """What lies over the slide: a layer of cells, the cells that said nothing, and the legend to both."""

    layer: Rgba | None
    silent: Rgba | None
    legend: Sequence[LegendItem]
    opacity: float


def clicked_point(slide_id: str) -> tuple[int, int] | None:
    """(x, y), level-0 px, of the last click in this slide, None before the first."""
    state = st.session_state.get(_key(slide_id))
    spot = None if state is None else dict(state).get("spot")
    try:
        return None if spot is None or spot["view"] != slide_id else (int(spot["x"]), int(spot["y"]))
    except (KeyError, TypeError, ValueError):
        return None


def show_slide(
    result: SlideResult, file: SlideFile | None, tiles_path: str | None, picture: Picture, spot: Placement | None
) -> None:
    """Mounts the element; a neutral ground of the slide's size where its file is not at hand."""
    levels = file.levels if file else (Level(result.slide.size_px, 1.0),)
    pyramid = lay_pyramid(levels)
    data: dict[str, Any] = {
        "library": f"{MOUNT}{ASSETS}/{LIBRARY}",
        "view": result.slide_id,
        "width": result.slide.size_px[0],
        "height": result.slide.size_px[1],
        "mpp": result.slide.mpp,
        "tiles": tiles_path,
        "tile_px": TILE_PX,
        "min_level": pyramid.min_level,
        "max_level": pyramid.max_level,
        "placement": asdict(placement(result.heatmap)),
        "layer": _data_address(picture.layer),
        "silent": _data_address(picture.silent),
        "opacity": picture.opacity,
        "legend": [asdict(item) for item in picture.legend],
        "spot": asdict(spot) if spot else None,
    }
    # `renew` has no value that counts: the page is drawn again, and that gives new leave for the tiles.
    _renderer()(
        key=_key(result.slide_id),
        data=data,
        default={"spot": None},
        on_spot_change=lambda: None,
        on_renew_change=lambda: None,
    )


@lru_cache
def _renderer() -> Any:
    return st.components.v2.component(
        "pulmoscope_slide",
        html=asset("viewer.html"),
        css=asset("viewer.css"),
        js=asset("viewer.js"),
    )


def _key(slide_id: str) -> str:
    return f"slide-{slide_id}"


def _data_address(layer: Rgba | None) -> str | None:
    return None if layer is None else "data:image/png;base64," + base64.b64encode(encode_png(layer)).decode()
