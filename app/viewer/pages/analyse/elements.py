"""The two elements of the page: one that takes a file in, one to choose slides and start them. The work is
`component/upload.js`'s and `component/choose.js`'s."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import streamlit as st

from app.viewer.gate.visitors import Visitor
from app.viewer.pages.assets import asset
from app.viewer.site import MOUNT, Site, upload_grant
from app.viewer.uploads.incoming import INCOMING_ROUTE
from wsi.spacing import PLAUSIBLE_MPP

_UPLOAD, _CHOOSE = "upload", "choose"
_EMPTY = (
    "There is no slide to choose. Upload one, or start the app with `--slides DIR` to see the slides of a folder here."
)


def show_upload(site: Site, who: Visitor) -> None:
    """Mounts the element that takes a file in."""
    data = {
        "address": f"{MOUNT}{INCOMING_ROUTE}/{site.signer.sign(upload_grant(who.owner), time.time())}",
        "max_bytes": site.max_upload_bytes,
        "broken": bool(site.incoming.coming(who.owner)),
    }
    _renderer(_UPLOAD)(key=_UPLOAD, data=data, on_whole_change=lambda: None)


def show_choice(slides: Sequence[dict[str, Any]]) -> None:
    """Mounts the slides to choose from."""
    data = {"slides": list(slides), "plausible": list(PLAUSIBLE_MPP), "empty": _EMPTY}
    _renderer(_CHOOSE)(key=_CHOOSE, data=data, on_start_change=lambda: None, on_remove_change=lambda: None)


def told(element: str, what: str) -> Any:
    """What a browser told just now, None for nothing; it comes as the browser likes."""
    state = st.session_state.get(element)
    return None if state is None else dict(state).get(what)


@lru_cache
def _renderer(name: str) -> Any:
    return st.components.v2.component(
        f"pulmoscope_{name}",
        html=asset(f"{name}.html"),
        css=asset(f"{name}.css"),
        js=asset(f"{name}.js"),
        isolate_styles=False,
    )
