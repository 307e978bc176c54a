"""Which page an address names, drawn under one header; whatever goes wrong in it becomes one line."""

from __future__ import annotations

import logging

import streamlit as st

from app.viewer.pages import parts, people
from app.viewer.pages.analyse import page as upload_page
from app.viewer.pages.assets import COMPONENT_DIR
from app.viewer.pages.case import cases as cases_page
from app.viewer.pages.case import page as case_page
from app.viewer.pages.facts import about as about_page
from app.viewer.pages.facts import drift as drift_page
from app.viewer.pages.facts import model as model_page
from app.viewer.pages.slide import page as slide_page
from app.viewer.pages.slide.ahead import shared_reader
from app.viewer.pages.worklist import page as list_page
from app.viewer.pages.worklist import under_way
from app.viewer.pages.worklist import worth as worth_page
from app.viewer.site import current
from wsi.errors import PulmoscopeError

# "upload" was the name of the page once.
_NAMES = {
    "worth": "worth",
    "analyse": "analyse",
    "upload": "analyse",
    "drift": "drift",
    "model": "model",
    "about": "about",
    "cases": "cases",
}


def show() -> None:
    """Draws the page of this visit: ``/``, ``/?slide=<slide_id>``, ``/?case=<token>``, or ``/?page=`` with one
    of _NAMES."""
    slide_id = st.query_params.get("slide")
    asked = str(st.query_params.get("page"))
    token = st.query_params.get("case")
    page = "slide" if slide_id else "case" if token else _NAMES.get(asked, "list")
    st.set_page_config(page_title="pulmoscope", page_icon=str(COMPONENT_DIR / "icon.png"), layout="wide", menu_items={})
    who = people.visitor()
    parts.show_header(page, who if current().gate.is_login else None)
    try:
        people.settle(people.asking())
        if slide_id and under_way.is_busy(current(), slide_id):
            under_way.show(current(), slide_id)
        elif slide_id:
            slide_page.show(current(), slide_id)
        elif token:
            case_page.show(current(), token)
        elif page == "cases":
            cases_page.show(current())
        elif page == "analyse":
            upload_page.show(current())
        elif page == "worth":
            worth_page.show(current())
        elif page == "drift":
            drift_page.show(current())
        elif page == "model":
            model_page.show(current())
        elif page == "about":
            about_page.show()
        else:
            list_page.show(current())
            shared_reader().wish(current(), people.asking())
    except PulmoscopeError as error:
        parts.show_error(str(error))
    except Exception as error:
        # Names and text of a slide may be in the message: only the kind of error is logged.
        logging.getLogger("pulmoscope.viewer").error("page %s failed: %s", page, type(error).__name__)
        parts.show_error("This page could not be drawn", "reload it; if that does not help, run `pulmoscope doctor`")
