"""Streamlit runs this file at every visit and every click."""

from app.viewer.pages.router import show

show()
