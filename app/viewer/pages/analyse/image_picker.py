"""The element that takes an image in: a button, and how much came. The work is `component/upload.js`'s."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import streamlit as st

from app.viewer.pages.assets import asset
from app.viewer.site import MOUNT, Site
from app.viewer.uploads.incoming import INCOMING_ROUTE, MAX_IMAGE_BYTES

_KEY, _TICKET = "image", "image-ticket"


def pick_image(site: Site) -> bytes | None:
    """Mounts the element; the image that was chosen in this session, None before."""
    ticket = st.session_state[_TICKET] = site.incoming.ticket(st.session_state.get(_TICKET))
    image = site.incoming.image(ticket)
    data = {
        "address": f"{MOUNT}{INCOMING_ROUTE}/{ticket}",
        "bytes": len(image or b""),
        "max_bytes": MAX_IMAGE_BYTES,
    }
    # What the browser tells only draws the page again: the image is what came by the route.
    _renderer()(key=_KEY, data=data, default={"image": None}, on_image_change=lambda: None)
    return image


def forget_image(site: Site) -> None:
    """Lets the image of this session go."""
    site.incoming.drop(st.session_state.get(_TICKET, ""))


@lru_cache
def _renderer() -> Any:
    return st.components.v2.component(
        "pulmoscope_upload", html=asset("upload.html"), css=asset("upload.css"), js=asset("upload.js")
    )
