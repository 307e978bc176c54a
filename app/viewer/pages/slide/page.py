"""One slide: the heatmap over it, and next to it the pie chart, the call and the reasons to look again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import streamlit as st

from aggregate import store
from aggregate.result import SlideResult, SlideStatus
from app.presentation import colours, figures, words
from app.slides.files import SlideFile
from app.viewer.catalog import Entry, load_result
from app.viewer.catalog import case_of as case_of_slide
from app.viewer.pages import parts, people
from app.viewer.pages.slide import decision, deep_zoom, downloads, evidence, findings, own, upload
from app.viewer.pages.slide.ahead import shared_reader
from app.viewer.pages.slide.around import Around, neighbours
from app.viewer.pages.slide.drawing import Board, case_of
from app.viewer.pages.slide.style import PANEL_PX, STYLE
from app.viewer.reading.spot import Reading, read_spot, telling_tile
from app.viewer.site import Site
from wsi.text import plain

# A kind of tissue is told of a spot from this probability on.
_TOLD_TISSUE = 0.1
_LOOK_EVERY_S = 20.0


def show(site: Site, slide_id: str) -> None:
    """Draws the page of a slide; one line where the catalog has no such slide, or it failed."""
    around = neighbours(site, slide_id, people.asking())
    entry = site.entry(slide_id, people.asking())
    if entry is None:
        parts.show_error("There is no slide of this name among the results", "choose one from the list")
        return
    st.set_page_config(page_title=f"{plain(slide_id)} - pulmoscope")
    if not entry.has_result:
        _show_failure(entry, around)
        return
    result = load_result(entry)
    st.html(STYLE)
    if result.slide.synthetic:
        st.html('<div class="ps-synthetic">SYNTHETIC slide: drawn by a program, not tissue of a person.</div>')
    _show_result(site, entry, result, around)


def _show_result(site: Site, entry: Entry, result: SlideResult, around: Around) -> None:
    file = site.slide_file(entry, result)
    point = deep_zoom.clicked_point(result.slide_id)
    reading = read_spot(result, *point) if point else None
    with st.container(horizontal=True, gap=None, key="slide-row"):
        stage = st.container(key="stage")
        panel = st.container(width=PANEL_PX, key="panel")
    board = Board(site.reviews, case_of(result, entry.result_path), result, people.current(), site.coverage)
    own.drawn_anew()
    with stage:
        tiles_path = site.tiles_path(result.slide_id, file) if file else None
        deep_zoom.show_slide(
            result,
            file,
            tiles_path,
            around,
            reading.cell if reading else None,
            board,
            lambda: _go(site, result.slide_id),
        )
    with panel:
        _watch(entry.result_path, store.stamp(entry.result_path))
        if entry.row.status is SlideStatus.FAILED:
            parts.show_error(f"The last run of this slide failed ({entry.row.error_code}); this is an older result")
        if file is None:
            _show_absence(site.slide_trouble(entry, result))
        _show_case(site, result.slide_id)
        findings.show_call(result)
        decision.show(site, board.case, result)
        member = case_of_slide(site.results, result.slide_id)
        remembered, case = decision.remembered(site, entry), member.case if member else ""
        findings.show_details(result, remembered, file.path if file else None, case)
        if entry.folder.name == result.slide_id and entry.uploaded:
            upload.show(site, entry)
    _show_spot(site, entry, result, file, reading)
    if around.next is not None:
        shared_reader().wish(site, people.asking(), around.next)


def _show_case(site: Site, slide_id: str) -> None:
    """The way to the case of the slide, where a manifest told one."""
    member = case_of_slide(site.results, slide_id)
    if member is not None:
        block = f", block {parts.safe(member.block)}" if member.block else ""
        way = (
            f'<a href="/?case={member.token}" target="_self" data-testid="case-link">Case {parts.safe(member.case)}</a>'
        )
        st.html(f'<p class="ps-confidence">{way}{block}</p>')


def _go(site: Site, slide_id: str) -> None:
    """To the neighbour that was asked for, as the worklist is now."""
    if (wanted := deep_zoom.wanted_slide(slide_id, neighbours(site, slide_id, people.asking()))) is not None:
        own.fall_behind()
        parts.move(slide=wanted)


def _show_spot(site: Site, entry: Entry, result: SlideResult, file: SlideFile | None, reading: Reading | None) -> None:
    """What was read at the last click. An upload is mostly one tile: it needs no click."""
    tile = evidence.tile_to_show(result, reading, telling_tile(result) if entry.uploaded else None)
    if file is not None:
        site.explainer.start()
    if reading is None and tile is None:
        return
    with st.container(key="spot"):
        st.html('<button type="button" class="ps-close" data-ps-close aria-label="Close (Escape)">&times;</button>')
        if reading is not None:
            _show_reading(result, reading)
        # Last, so that nothing on the page waits for the model.
        if file is not None and tile is not None:
            evidence.show(site, file, result, tile)


@st.fragment(run_every=_LOOK_EVERY_S)
def _watch(path: Path, shown: int) -> None:
    """Tells when the result on the screen is no longer the stored one."""
    now = store.stamp(path)
    if now == shown:
        return
    if not now:
        parts.show_error("The stored result of this slide is gone from the results folder", "what is shown is old")
        return
    st.warning("This slide was run again meanwhile: what is shown is the older result.")
    if st.button("Show the new result", key="show-new-result"):
        st.rerun(scope="app")


def _told(result: SlideResult, probabilities: Sequence[float]) -> Iterator[tuple[str, float]]:
    """Every class with its probability at a spot, and the likeliest tissue where one is likelier than a tenth."""
    yield from zip(result.classes, probabilities, strict=False)
    tissues = sorted(zip(probabilities[len(result.classes) :], result.tissues, strict=True), reverse=True)
    yield from ((name, p) for p, name in tissues[:2] if p >= _TOLD_TISSUE)


def _show_failure(entry: Entry, around: Around) -> None:
    what, ways, keys = st.container(), st.container(horizontal=True, key="around"), st.container()
    # First: keys are heard from when this is there.
    with keys:
        deep_zoom.show_keys()
    with what:
        _tell_failure(entry)
    with ways:
        for name, other in (("previous", around.previous), ("next", around.next)):
            if st.button(f"{name.capitalize()} slide", disabled=other is None, key=f"{name}-slide") and other:
                parts.go(slide=other)


def _tell_failure(entry: Entry) -> None:
    st.html(f'<div class="ps-slide">{parts.safe(entry.row.slide_id)}</div>')
    if entry.row.status is SlideStatus.FAILED:
        parts.show_error(f"{entry.row.error_code}: {entry.row.message}")
        downloads.show_failure(entry.row)
    else:
        parts.show_error("The stored result of this slide is not in the results folder", "run the slide again")


def _show_absence(trouble: str) -> None:
    if trouble:
        parts.show_error(
            f"{trouble}: the slide file could not be opened, so the heatmap stands alone",
            "see what `pulmoscope info` says of it",
        )
    else:
        st.info(
            "The slide file is not at hand, so the heatmap stands alone. Start the app with `--slides DIR` to see it "
            "over the tissue."
        )


def _show_reading(result: SlideResult, reading: Reading) -> None:
    palette = colours.class_colours(result.classes, result.background, result.tissues)
    told = [f"<b>Cell {reading.column + 1} across, {reading.row + 1} down</b>"]
    if reading.probabilities is not None:
        told += [
            f'<span><i style="background:{palette[name]}"></i>{parts.safe(words.class_title(name))} '
            f"<b>{parts.safe(figures.percent(p))}</b></span>"
            for name, p in _told(result, reading.probabilities)
        ]
    told.append(f"<span>{parts.safe(_remark(reading))}</span>")
    if reading.attention is not None:
        told.append(f"<span>Attention: {reading.attention:.1f} times an even share.</span>")
    st.html(f'<div class="ps-spot" role="status">{"".join(told)}</div>')


def _remark(reading: Reading) -> str:
    if not reading.tissue:
        return "No tissue here."
    familiarity = "" if reading.familiarity is None else _familiarity(reading.familiarity)
    if reading.probabilities is not None:
        return familiarity
    if reading.flaws:
        return f"No probabilities: the tile is {' and '.join(reading.flaws)}."
    return f"No probabilities: the model does not recognise this tissue. {familiarity}"


def _familiarity(value: float) -> str:
    return f"Familiarity {value:.2f} of 1." if math.isfinite(value) else "Familiarity: the model cannot tell."
