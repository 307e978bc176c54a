"""A tile as the model saw it, and beside it where its evidence lies; or one line that says why there is no such map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from aggregate.result import SlideResult
from app.presentation import words
from app.slides.files import SlideFile
from app.viewer.explain.ask import Answer, Question
from app.viewer.explain.picture import RAMP
from app.viewer.pages import parts
from app.viewer.reading.spot import Reading
from app.viewer.site import Site
from classifier.model_folder.files import read_card

# The model at hand must give what the result holds; processors round a little differently.
_TOLERANCE = 0.05
_NO_MODEL = (
    "No map of the evidence: the model that made this result is not the one at hand. Run the slide again with it, or "
    "start the app where that model is."
)
_MADE_ELSEWHERE = "No map of the evidence: the network was made elsewhere, and its layers are not known here."
_NOT_THE_SAME = (
    "No map of the evidence: the tile at hand does not give the stored probabilities again. The slide file is not the "
    "one that was run."
)
_OF_A_SITE = (
    "No map of the evidence: the result was made under a site profile, which shows the model other colours than the "
    "slide's."
)


@dataclass(frozen=True)
class Evidence:
    """What can be shown of a tile: an answer, or else a line that says why not."""

    answer: Answer | None
    why_not: str = ""


def show(site: Site, file: SlideFile, result: SlideResult, tile: int) -> None:
    """Draws tile number `tile` of a result with its evidence."""
    with st.spinner("Looking at the tile ...", show_time=False):
        evidence = find(site, file, result, tile)
    if evidence.answer is None:
        st.caption(evidence.why_not)
    else:
        st.html(picture(evidence.answer))


def find(site: Site, file: SlideFile, result: SlideResult, tile: int) -> Evidence:
    """The evidence of a tile that voted, from the very slide and model of the result."""
    if not result.tiles.votes[tile]:
        return Evidence(None, why_silent(result, tile))
    if result.provenance.model.runtime == "onnx":
        return Evidence(None, _MADE_ELSEWHERE)
    sha256 = result.provenance.model.sha256
    model = site.model_folder(sha256)
    if model is None:
        return Evidence(None, _NO_MODEL)
    x, y = (int(value) for value in result.tiles.xy[tile])
    asked = read_card(model).tile
    white = result.provenance.tile.white_point
    question = Question(file.address, x, y, asked.size_px, asked.mpp, str(model), sha256, white)
    answer = site.explainer.ask(question)
    if answer.problem:
        return Evidence(None, f"No map of the evidence: the tile could not be read again ({answer.problem}).")
    if not _agrees(answer, result.tiles.probabilities[tile]):
        return Evidence(None, _OF_A_SITE if result.provenance.config.get("site") else _NOT_THE_SAME)
    return Evidence(answer)


def why_silent(result: SlideResult, tile: int) -> str:
    """Why a tile that did not vote has no map."""
    reason = "it is of poor quality" if result.tiles.quality[tile] else "the model does not recognise its tissue"
    return f"No map of the evidence: this tile took no part in the call, since {reason}."


def tile_to_show(result: SlideResult, reading: Reading | None, first: int | None) -> int | None:
    """The tile under the last click; before any, `first`. None where there is no tissue."""
    if reading is None:
        return first
    return reading.tile if reading.tissue else None


def picture(answer: Answer) -> str:
    """Both pictures with what to make of them, HTML."""
    called, rival = (parts.safe(words.class_title(name)) for name in (answer.called, answer.rival))
    ramp = f'<i style="background:linear-gradient(90deg,{",".join(RAMP)})"></i>'
    return (
        f"{parts.section('Where the evidence of this tile lies')}"
        '<div class="ps-evidence" data-testid="evidence">'
        f"{_figure(answer.tile_png, 'The tile', 'As the model saw it')}"
        f"{_figure(answer.evidence_png, 'Map of the evidence over the tile', f'Weaker{ramp}stronger')}"
        f"<p>Warm: what speaks for <b>{called}</b>, and not for {rival}. It shows where the network looked, not why it "
        "is right. Each tile has a scale of its own.</p></div>"
    )


def _figure(png: str, meaning: str, caption: str) -> str:
    return f'<figure><img src="data:image/png;base64,{png}" alt="{meaning}"><figcaption>{caption}</figcaption></figure>'


def _agrees(answer: Answer, stored: np.ndarray) -> bool:
    given = np.array(answer.probabilities)
    return given.shape == stored.shape and bool(np.abs(given - stored).max() <= _TOLERANCE)
