"""The slide-with-heatmap element: what it is given, what a person's acts in it give back.

The drawing is `component/slide/`; layers, opacity and the like are chosen there and ask nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from aggregate.result import SlideResult
from app.presentation import colours, figures, words
from app.presentation.attention import Attended, attended_regions, attention_cells, shades, top_of
from app.presentation.cells import Silence, packed, silences
from app.presentation.telling import Telling, reason_cells, telling_regions
from app.slides.files import SlideFile
from app.viewer.pages.assets import ASSETS, LIBRARY, asset, listening, slide_addresses, slide_module
from app.viewer.pages.slide.around import Around
from app.viewer.pages.slide.drawing import Board
from app.viewer.reading.overlay import Placement, placement
from app.viewer.site import MOUNT
from app.viewer.tiles.pyramid import TILE_PX, lay_pyramid
from wsi.spacing import Level
from wsi.text import plain

# Title, and the name of a pattern in `component/slide/looks.js`: each silence has a look of its own.
_SILENCES = {
    Silence.NOT_RECOGNISED: ("Not recognised", "hatched"),
    Silence.BLUR: ("Out of focus", "dots"),
    Silence.PEN: ("Under pen", "crossed"),
    Silence.DARK: ("Very dark", "upright"),
    Silence.EDGE: ("Cut off, or mostly glass", "level"),
}


def clicked_point(slide_id: str) -> tuple[int, int] | None:
    """(x, y), level-0 px, of the last click in this slide, None before the first."""
    spot = _state(slide_id).get("spot")
    try:
        return None if spot is None or spot["view"] != slide_id else (int(spot["x"]), int(spot["y"]))
    except (KeyError, TypeError, ValueError):
        return None


def wanted_slide(slide_id: str, around: Around) -> str | None:
    """The neighbour that a person just asked for, else None."""
    return {"next": around.next, "previous": around.previous}.get(str(_state(slide_id).get("go")))


def show_slide(
    result: SlideResult,
    file: SlideFile | None,
    tiles_path: str | None,
    around: Around,
    spot: Placement | None,
    board: Board,
    on_go: Callable[[], None],
) -> None:
    """Mounts the element; a neutral ground of the slide's size where its file is not at hand. `on_go` is called when a
    neighbour was asked for, before the page is drawn again."""
    # Also what was drawn before a name was told.
    board.keep(_state(result.slide_id).get("drawn"))
    pyramid = lay_pyramid(file.levels if file else (Level(result.slide.size_px, 1.0),))
    data: dict[str, Any] = {
        "library": f"{MOUNT}{ASSETS}/{LIBRARY}",
        "ahead": [f"{MOUNT}{address}" for address in slide_addresses()],
        "module": f"{MOUNT}{slide_module()}",
        "view": result.slide_id,
        "width": result.slide.size_px[0],
        "height": result.slide.size_px[1],
        "mpp": result.slide.mpp,
        "tiles": tiles_path,
        "tile_px": TILE_PX,
        "min_level": pyramid.min_level,
        "max_level": pyramid.max_level,
        "around": asdict(around),
        "spot": asdict(spot) if spot else None,
        "coverage": board.coverage_facts(),
        "drawing": board.facts(_state(result.slide_id).get("drawn")),
        **drawn(_Same(result)),
    }
    # `renew` has no value that counts: the page is drawn again, and that gives new leave for the tiles.
    _renderer()(
        key=_key(result.slide_id),
        data=data,
        default={"spot": None, "drawn": None},
        on_spot_change=lambda: None,
        on_drawn_change=lambda: board.keep(_state(result.slide_id).get("drawn")),
        on_renew_change=lambda: None,
        on_go_change=on_go,
    )


def prepare(result: SlideResult) -> None:
    """Makes what the browser draws of a result, before it is asked for."""
    drawn(_Same(result))


def show_keys() -> None:
    """The keys of a page that has no slide to show."""
    _bare()(key="bare", data={"module": f"{MOUNT}{slide_module('slide/bare.js')}"})


class _Same:
    """A result by its identity: the catalog keeps those that are looked at, and nothing changes them."""

    def __init__(self, result: SlideResult) -> None:
        self.result = result

    def __hash__(self) -> int:
        return id(self.result)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.result is other.result


@lru_cache(maxsize=4)
def drawn(same: _Same) -> Mapping[str, Any]:
    """What the browser draws of a result alone: its cells, outputs, silences, regions, reasons, words."""
    result = same.result
    silence = silences(result)
    marks = reason_cells(result, silence)
    times = attention_cells(result)
    shade = None if times is None else shades(times)
    rows, columns = result.heatmap.call.shape
    return {
        "placement": asdict(placement(result.heatmap)),
        "cells": {
            "packed": packed(result, silence, marks, shade),
            "rows": rows,
            "columns": columns,
            "marks": list(marks),
        },
        "attention": None if times is None else {"colour": colours.ATTENTION, "top": f"{top_of(times):.0f}"},
        "outputs": _outputs(result),
        "silences": [
            {"code": int(code), "title": title, "look": look}
            for code, (title, look) in _SILENCES.items()
            if (silence == code).any()
        ],
        "regions": [
            *(_region(result, region) for region in telling_regions(result)),
            *(_attended(region) for region in attended_regions(result)),
        ],
        "reasons": {code: words.reason(code).title for code in marks},
        "told": _told(result),
    }


def _outputs(result: SlideResult) -> list[dict[str, Any]]:
    """Classes, then kinds of tissue; of these the page shows those that the map holds."""
    palette = colours.class_colours(result.classes, result.background, result.tissues)
    called = set(np.unique(result.heatmap.call).tolist())
    return [
        {
            "title": words.class_title(name),
            "colour": palette[name],
            "kind": "class" if name in result.classes else "tissue",
            "shown": rank in called,
        }
        for rank, name in enumerate(result.outputs, 1)
    ]


def _region(result: SlideResult, region: Telling) -> dict[str, Any]:
    palette = colours.class_colours(result.classes, result.background, result.tissues)
    tumour = region.name in result.classes and region.name != result.background
    score = "" if region.tumour is None else words.confidence_figure(region.tumour)
    title = words.class_title(region.name) if region.name else "Not judged"
    return {
        "x": region.x,
        "y": region.y,
        "title": title if tumour or not score else f"{title}; tumour",
        "score": score,
        "area": figures.area(region.area_mm2),
        "spot": region.spot,
        "spots": region.spots,
        "colour": palette.get(region.name, colours.NOT_RECOGNISED),
    }


def _attended(region: Attended) -> dict[str, Any]:
    share = figures.percent(region.share)
    return {
        "x": region.x,
        "y": region.y,
        "title": "Attention",
        "score": share,
        "area": figures.area(region.area_mm2),
        "spot": 1,
        "spots": 1,
        "colour": colours.ATTENTION,
        "words": f"Attention: {share} of all that the slide model paid; {figures.area(region.area_mm2)}",
    }


def _told(result: SlideResult) -> str:
    """What a screen reader says of a slide that was opened."""
    reasons = "; ".join(words.reason(code).title for code in result.decision.review_reasons)
    status = f"To review: {reasons}." if reasons else "Done: no reason to look again."
    return f"Slide {plain(result.slide_id)}. {words.call_in_words(result.decision)} {status}"


def _state(slide_id: str) -> dict[str, Any]:
    return dict(st.session_state.get(_key(slide_id)) or {})


@lru_cache
def _renderer() -> Any:
    return st.components.v2.component(
        "pulmoscope_slide",
        html=asset("viewer.html"),
        css=asset("viewer.css"),
        js=listening("viewer.js"),
    )


@lru_cache
def _bare() -> Any:
    return st.components.v2.component(
        "pulmoscope_keys", html=asset("bare.html"), css=asset("viewer.css"), js=listening("viewer.js")
    )


def _key(slide_id: str) -> str:
    return f"slide-{slide_id}"
