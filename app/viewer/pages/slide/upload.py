"""What the page of an upload has besides: whose it is, shown to others or not, and how to be rid of it."""

from __future__ import annotations

import streamlit as st

from app.viewer.catalog import Entry
from app.viewer.pages import parts, people
from app.viewer.site import Site
from app.viewer.uploads.owners import Ownership, ownership, share
from app.viewer.uploads.stored import delete_upload
from wsi.errors import PulmoscopeError

_SHARED = "share-upload"


def show(site: Site, entry: Entry) -> None:
    """Draws that; what may be done to it only for its owner, and for an admin."""
    who, owned = people.asking(), ownership(entry.folder)
    st.html(parts.section("This upload"))
    if site.gate.is_login:
        st.html(f'<p class="ps-note">{parts.safe(_whose(owned, mine=owned.owner == who.owner))}</p>')
    if not who.handles(owned.owner):
        return
    if site.gate.is_login:
        key = f"{_SHARED}-{entry.row.slide_id}"
        st.session_state[key] = owned.shared
        st.toggle("Show it to everybody who may log in", key=key, on_change=_share, args=(entry, key))
    sure = st.checkbox("Delete the image and all that was made of it", key="sure-to-delete")
    if st.button("Delete this upload", disabled=not sure, key="delete-upload") and sure:
        delete_upload(site.uploads, entry.row.slide_id)
        parts.go()


def _share(entry: Entry, key: str) -> None:
    try:
        if people.asking().handles(ownership(entry.folder).owner):
            share(entry.folder, bool(st.session_state.get(key)))
    except PulmoscopeError as error:
        parts.show_error(str(error))


def _whose(owned: Ownership, *, mine: bool) -> str:
    whose = "You uploaded it" if mine else f"Uploaded by {owned.by or 'somebody before logins were asked for'}"
    return f"{whose}; {'everybody who may log in sees it' if owned.shared else 'only its owner and admins see it'}."
