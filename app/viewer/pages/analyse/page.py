"""Analyse: upload slides or choose those of the folders, state what is missing, start, and follow the jobs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import streamlit as st

from app.viewer.catalog import look
from app.viewer.gate.visitors import Visitor
from app.viewer.pages import parts, people
from app.viewer.pages.analyse import choose, elements
from app.viewer.pages.analyse.jobs import show_jobs
from app.viewer.site import Site, upload_size
from classifier.model_folder.find import DEFAULT_MODEL
from wsi.errors import PulmoscopeError

_NO_SITE = "none"
_KEPT = (
    "Whole slides as SVS, NDPI or TIFF; MRXS with its folder, or one DICOM series, as a zip; JPEG or PNG for a field "
    "of view. Up to {most}. The name of the file never leaves the browser. What is kept: the slide, under a name of "
    "ours, and what is made of it, until it is deleted on its page. What fails is removed at once."
)


def show(site: Site) -> None:
    """Draws the page."""
    who = people.asking()
    _, middle, _ = st.columns([1, 6, 1])
    with middle:
        st.subheader("Analyse slides", anchor=False)
        if not who.may_work:
            st.info("Your role is reader, which looks at slides, and neither uploads nor starts any.")
            return
        _act(site, who)
        elements.show_upload(site, who)
        st.html(f'<p class="ps-note">{parts.safe(_KEPT.format(most=upload_size(site.max_upload_bytes)))}</p>')
        _ask_how(site)
        elements.show_choice(choose.offered(site, who, str(elements.told("upload", "whole") or "")))
        show_jobs(site, who)


def _act(site: Site, who: Visitor) -> None:
    """What a person asked for just now, before the page is drawn anew."""
    try:
        if (key := elements.told("choose", "remove")) is not None:
            site.incoming.drop(str(key).removeprefix("upload:"), who)
        if (chosen := elements.told("choose", "start")) is not None:
            profile = st.session_state.get("site", _NO_SITE)
            told = "" if profile == _NO_SITE else str(dict(_profiles(site))[profile])
            model = dict(_models(site))[st.session_state.get("model", _usual_model(site))]
            for job in choose.jobs_of(site, who, chosen, model, told):
                site.queue.add(job)
    except PulmoscopeError as error:
        parts.show_error(str(error))
    except KeyError:
        parts.show_error("This model or site profile is not offered", "choose another")


def _ask_how(site: Site) -> None:
    names = [name for name, _ in _models(site)]
    model, profile = st.columns(2)
    usual = _usual_model(site)
    model.selectbox("Model", names, index=names.index(usual), key="model")
    profiles = [name for name, _ in _profiles(site)]
    if profiles:
        profile.selectbox("Site profile", [_NO_SITE, *profiles], key="site")


def _usual_model(site: Site) -> str:
    """The model that made the results that are here: one table, one model."""
    made = Counter(
        entry.row.model.partition(" ")[0] for entry in look(site.results).entries.values() if entry.row.model
    )
    names = [name for name, _ in _models(site)]
    return next((name for name, _ in made.most_common() if name in names), DEFAULT_MODEL)


def _models(site: Site) -> list[tuple[str, str]]:
    """(name, what `--model` is given) of the packaged models and of those that the app was started with."""
    packaged = [folder.name for folder in site.packaged_models]
    own = [(folder.name, str(folder)) for folder in site.models if folder.name not in packaged]
    return [*((name, name) for name in packaged), *own]


def _profiles(site: Site) -> list[tuple[str, Path]]:
    return [(folder.name, folder) for folder in site.profiles]
