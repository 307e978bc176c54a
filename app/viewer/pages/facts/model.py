"""A model's card: what it is for, its classes, its figures with their intervals, and what it was never shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from app.presentation import words
from app.viewer.pages import parts
from app.viewer.site import Site
from classifier.model_folder.card import ModelCard
from classifier.model_folder.files import read_card
from wsi.errors import PulmoscopeError

_SPLITS = {"hold_out": "Held out: laboratories and sources that training never saw", "val": "Validation"}
_NAMES = {"nll": "Negative log-likelihood", "ece": "Calibration error (ECE)", "auc": "AUC", "brier": "Brier score"}


def show(site: Site) -> None:
    """Draws the page."""
    folders = {folder.name: folder for folder in (*site.models, *site.packaged_models)}
    names = [folder.name for folder in site.packaged_models]
    names += [name for name in folders if name not in names]
    _, middle, _ = st.columns([1, 6, 1])
    with middle:
        st.subheader("Model", anchor=False)
        chosen = st.selectbox("Which model", names, key="card")
        try:
            card = read_card(folders[chosen])
        except PulmoscopeError as error:
            parts.show_error(str(error))
            return
        st.html("".join(_sections(card)))


def _sections(card: ModelCard) -> Iterable[str]:
    if card.synthetic:
        yield '<div class="ps-synthetic">SYNTHETIC: this model learned from drawn slides, not from tissue.</div>'
    yield f'<p class="ps-lead">{parts.safe_lines(card.intended_use)}</p>'
    yield parts.section("Classes: what it calls a slide") + _listed(_classes(card))
    if card.tissues:
        note = "Kinds of tissue without tumour that it knows by name. They are shown on the map, and are no call."
        tissues = _listed(map(words.class_title, card.tissues))
        yield f'{parts.section("Tissues")}<p class="ps-note">{parts.safe(note)}</p>{tissues}'
    yield parts.section("Limits") + _listed(card.limits)
    yield parts.section("Never shown to it") + _listed(card.never_shown)
    for name, metrics in card.metrics.items():
        if isinstance(metrics, Mapping) and isinstance(metrics.get("figures"), Mapping):
            yield parts.section(_SPLITS.get(name, str(name))) + _figures(metrics)
    yield parts.section("How it works") + facts_table(_facts(card))


def _classes(card: ModelCard) -> Iterable[str]:
    for name in card.classes:
        yield words.class_title(name) + (" (no tumour)" if name == card.background else "")


def _facts(card: ModelCard) -> list[tuple[str, str]]:
    return [
        ("Name and version", f"{card.name} {card.version}"),
        ("Card, SHA-256", card.digest),
        ("Tile", f"{card.tile.size_px} px at {card.tile.mpp:g} µm per px"),
        ("Network", str(card.architecture.get("name", ""))),
        ("Temperature", f"{card.temperature:g}"),
        ("Not recognised under a familiarity of", f"{card.familiarity_threshold:g}"),
        ("Known tissue that falls under it", f"{card.false_alarm_rate:.0%}"),
        ("High confidence from a leading score of", f"{card.sure_from:g}" if card.sure_from else "not measured"),
        ("Training data, SHA-256", str(card.training.get("data_sha256", ""))),
    ]


def _figures(metrics: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{parts.safe(_figure_name(name))}</th><td>{_number(one.get('value'))}</td>"
        f"<td>{_interval(one)}</td></tr>"
        for name, one in metrics["figures"].items()
        if isinstance(one, Mapping)
    )
    over = f"{metrics.get('tiles', '?')} tiles of {metrics.get('groups', '?')} sources. Interval: "
    told = f'<p class="ps-note">{parts.safe(over + str(metrics.get("interval", "")))}</p>'
    head = "<tr><th scope='col'>Figure</th><th scope='col'>Value</th><th scope='col'>95% interval</th></tr>"
    return f'{told}<table class="ps-facts">{head}{rows}</table>'


def _figure_name(name: str) -> str:
    kind, _, of = name.partition(":")
    title = _NAMES.get(kind, words.class_title(kind))
    return f"{title}, {words.spoken(of)}" if of else title


def _interval(one: Mapping[str, Any]) -> str:
    low, high = _number(one.get("low")), _number(one.get("high"))
    return f"{low} to {high}" if low and high else "none"


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) and math.isfinite(value) else ""


def _listed(lines: Iterable[str]) -> str:
    return "<ul class='ps-list'>" + "".join(f"<li>{parts.safe_lines(line)}</li>" for line in lines) + "</ul>"


def facts_table(facts: Iterable[tuple[str, str]]) -> str:
    """(name, value) pairs as a table, HTML."""
    rows = (f"<tr><th scope='row'>{parts.safe(name)}</th><td>{parts.safe(value)}</td></tr>" for name, value in facts)
    return f'<table class="ps-facts">{"".join(rows)}</table>'
