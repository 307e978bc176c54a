"""One slide: the heatmap over it, and next to it the pie chart, the call and the reasons to look again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from aggregate.result import SlideResult, SlideStatus
from app.presentation import colours, figures, words
from app.viewer.catalog import Entry, find_entry, load_result
from app.viewer.pages import parts
from app.viewer.pages.slide import decision, deep_zoom, evidence, findings
from app.viewer.pages.slide.deep_zoom import LegendItem, Picture
from app.viewer.reading import overlay
from app.viewer.reading.slide_files import SlideFile
from app.viewer.reading.spot import Reading, read_spot, telling_tile
from app.viewer.site import Site
from app.viewer.uploads.stored import delete_upload

_CALL, _TISSUE, _NONE = "call", "tissue", "none"
_CLASS = "class-"
# A kind of tissue is told of a spot from this probability on.
_TOLD_TISSUE = 0.1


@dataclass(frozen=True)
class LayerChoice:
    """What a person chose to see over the slide. `layer` is ``call``, ``class-<index>``, ``tissue`` or ``none``."""

    layer: str
    opacity: float


def show(site: Site, slide_id: str) -> None:
    """Draws the page of a slide; one line where the catalog has no such slide, or it failed."""
    entry = find_entry(site.results, slide_id)
    if entry is None:
        parts.show_error("There is no slide of this name among the results", "choose one from the list")
        return
    if not entry.has_result:
        _show_failure(entry)
        return
    result = load_result(entry)
    if result.slide.synthetic:
        st.html('<div class="ps-synthetic">SYNTHETIC slide: drawn by a program, not tissue of a person.</div>')
    if entry.row.status is SlideStatus.FAILED:
        parts.show_error(f"The last run of this slide failed ({entry.row.error_code}); this is an older result")
    left, right = st.columns([1.75, 1], gap="medium")
    file = site.slide_file(entry, result)
    with left:
        if file is None:
            _show_absence(site.slide_trouble(entry, result))
        reading = _show_slide(site, file, result)
    with right:
        findings.show_call(result)
        decision.show(site, result, entry)
        place = st.container()
        findings.show_details(result)
        if entry.folder.name == slide_id and entry.uploaded:
            _show_deletion(site, slide_id)
    # Last, so that nothing on the page waits for the model. An upload is mostly one tile: it needs no click.
    tile = evidence.tile_to_show(result, reading, telling_tile(result) if entry.uploaded else None)
    if file is not None:
        site.explainer.start()
        if tile is not None:
            with place:
                evidence.show(site, file, result, tile)


def _show_deletion(site: Site, slide_id: str) -> None:
    st.html(parts.section("This upload"))
    sure = st.checkbox("Delete the image and all that was made of it", key="sure-to-delete")
    if st.button("Delete this upload", disabled=not sure, key="delete-upload") and sure:
        delete_upload(site.uploads, slide_id)
        parts.go()


def picture(result: SlideResult, choice: LayerChoice) -> Picture:
    """The layer, the silent cells and the legend of a choice."""
    heatmap, palette = result.heatmap, colours.class_colours(result.classes, result.background, result.tissues)
    silent = LegendItem("Tissue without a call: not recognised, or of poor quality", colours.NOT_RECOGNISED, "hatched")
    if choice.layer == _NONE:
        return Picture(None, None, (), choice.opacity)
    if choice.layer == _TISSUE:
        tissue = LegendItem("Tissue", overlay.TISSUE_COLOUR)
        return Picture(overlay.tissue_layer(heatmap), None, (tissue,), choice.opacity)
    hatched = overlay.silent_layer(heatmap)
    if choice.layer == _CALL:
        legend = [LegendItem(words.class_title(name), palette[name]) for name in _legend_names(result)]
        return Picture(overlay.call_layer(heatmap, list(palette.values())), hatched, (*legend, silent), choice.opacity)
    index = int(choice.layer.removeprefix(_CLASS))
    name = result.outputs[index]
    ramp = LegendItem(f"{words.class_title(name)}, probability 0 to 1", palette[name], "ramp")
    return Picture(overlay.probability_layer(heatmap, index, palette[name]), hatched, (ramp, silent), choice.opacity)


def _legend_names(result: SlideResult) -> list[str]:
    """The classes, and of the tissues those that the map shows: ten swatches would hide the three that matter."""
    shown = set(np.unique(result.heatmap.call).tolist())
    first = len(result.classes) + 1
    return [*result.classes, *(name for rank, name in enumerate(result.tissues, first) if rank in shown)]


def _told(result: SlideResult, probabilities: Sequence[float]) -> Iterator[tuple[str, float]]:
    """Every class with its probability at a spot, and the likeliest tissue where one is likelier than a tenth."""
    yield from zip(result.classes, probabilities, strict=False)
    tissues = sorted(zip(probabilities[len(result.classes) :], result.tissues, strict=True), reverse=True)
    yield from ((name, p) for p, name in tissues[:2] if p >= _TOLD_TISSUE)


def _show_failure(entry: Entry) -> None:
    st.html(f'<div class="ps-slide">{parts.safe(entry.row.slide_id)}</div>')
    if entry.row.status is SlideStatus.FAILED:
        parts.show_error(f"{entry.row.error_code}: {entry.row.message}")
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


def _show_slide(site: Site, file: SlideFile | None, result: SlideResult) -> Reading | None:
    """Draws the slide; gives what was read off it at the last click."""
    choice = _choose_layer(result)
    point = deep_zoom.clicked_point(result.slide_id)
    reading = read_spot(result, *point) if point else None
    tiles_path = site.tiles_path(result.slide_id, file) if file else None
    deep_zoom.show_slide(result, file, tiles_path, picture(result, choice), reading.cell if reading else None)
    _show_reading(result, reading)
    return reading


def _choose_layer(result: SlideResult) -> LayerChoice:
    titles = {_CALL: "Call map", **{f"{_CLASS}{i}": words.class_title(name) for i, name in enumerate(result.classes)}}
    titles |= {_TISSUE: "Tissue", _NONE: "Slide only"}
    layers, opacity = st.columns([4.4, 1], vertical_alignment="bottom")
    layer = layers.segmented_control(
        "Show over the slide",
        list(titles),
        default=_CALL,
        required=True,
        format_func=lambda name: titles[name],
        key="layer",
        wrap=True,
    )
    percent = opacity.slider("Opacity", 0, 100, 40, 5, format="%d%%", key="opacity")
    return LayerChoice(layer or _CALL, percent / 100)


def _show_reading(result: SlideResult, reading: Reading | None) -> None:
    if reading is None:
        st.caption(
            "Click in the slide to read the class probabilities there, and to see where in the tile they come from."
        )
        return
    palette = colours.class_colours(result.classes, result.background, result.tissues)
    told = [f"<b>Cell {reading.column + 1} across, {reading.row + 1} down</b>"]
    if reading.probabilities is not None:
        told += [
            f'<span><i style="background:{palette[name]}"></i>{parts.safe(words.class_title(name))} '
            f"<b>{parts.safe(figures.percent(p))}</b></span>"
            for name, p in _told(result, reading.probabilities)
        ]
    told.append(f"<span>{parts.safe(_remark(reading))}</span>")
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
