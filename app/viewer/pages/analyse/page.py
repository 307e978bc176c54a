"""Upload a field of view, state its pixel size, run the prediction, and go to its slide page."""

from __future__ import annotations

from contextlib import closing

import streamlit as st

from app.viewer.pages import parts
from app.viewer.pages.analyse.image_picker import forget_image, pick_image
from app.viewer.site import Site
from app.viewer.uploads.stored import MAX_UPLOAD_MB, PRESETS_MPP, Outcome, Upload, discard_failed, predict, store_upload
from wsi.errors import PulmoscopeError
from wsi.spacing import PLAUSIBLE_MPP

_OTHER = "Other"


def show(site: Site) -> None:
    """Draws the page."""
    _, middle, _ = st.columns([1, 2.4, 1])
    with middle:
        st.subheader("Predict an uploaded image", anchor=False)
        st.markdown(
            f"A field of view or a tile of H&E-stained lung: JPEG, PNG or TIFF, up to {MAX_UPLOAD_MB} MB. "
            "Its file name is not kept. For whole slides use `pulmoscope run`."
        )
        image = pick_image(site)
        mpp = _ask_mpp()
        ready = image is not None and mpp is not None
        pressed = st.button("Run prediction", type="primary", disabled=not ready, key="predict")
        if not ready:
            st.caption("Choose an image and state its pixel size first: a wrong or guessed size gives a wrong call.")
        if pressed and image is not None:
            _run(site, image, mpp)


def _ask_mpp() -> float | None:
    preset = st.segmented_control(
        "Pixel size, by the objective of the scan or photograph",
        [*PRESETS_MPP, _OTHER],
        format_func=lambda name: f"{name}: {PRESETS_MPP[name]:g} µm/px" if name in PRESETS_MPP else "Other value",
        key="preset",
        help="Rules of thumb for slide scanners. A camera on a microscope differs: measure it with a stage micrometer.",
    )
    if preset != _OTHER:
        return PRESETS_MPP.get(preset) if preset else None
    low, high = PLAUSIBLE_MPP
    return st.number_input(
        "µm per pixel",
        min_value=low,
        max_value=high,
        value=None,
        format="%.4f",
        placeholder="for example 0.5",
        key="mpp",
    )


def _run(site: Site, image: bytes, mpp: float | None) -> None:
    if not site.prediction.acquire(blocking=False):
        parts.show_error("Another upload is being predicted", "try again in a moment")
        return
    upload = None
    try:
        upload = store_upload(image, mpp, site.uploads)
        outcome = _follow(upload, site)
    except PulmoscopeError as error:
        parts.show_error(str(error))
        return
    finally:
        # Also where the person went elsewhere meanwhile: what has no result is not kept.
        if upload is not None:
            discard_failed(upload)
        site.prediction.release()
    if outcome.slide_id is None:
        parts.show_error(outcome.problem)
        return
    forget_image(site)
    parts.go(slide=outcome.slide_id)


def _follow(upload: Upload, site: Site) -> Outcome:
    bar = st.progress(0.0, text="Starting the model ...")
    with closing(predict(upload, upload.path.parent, site.program)) as events:
        for event in events:
            if isinstance(event, Outcome):
                return event
            of = "" if event.tiles is None else f" of {event.tiles:,}"
            bar.progress(event.fraction, text=f"{event.tiles_done:,}{of} tiles classified")
    return Outcome(None, "the prediction ended without a result; try again")
