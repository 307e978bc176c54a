"""What a report tells of the model: its card's own words, and how it did where that was measured.

A result keeps the card's words; its figures are those of the card itself, where the very model is at hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard

from aggregate.provenance import TileRecord
from aggregate.result import SlideResult
from app.presentation import figures, words
from app.presentation.language import said, tell, tell_count
from classifier.model_folder.card import ModelCard
from classifier.model_folder.find import packaged_models
from wsi.text import plain

_MAX_CARD_TEXT = 1200
_SPLITS = {"val": said("Validation"), "hold_out": said("Held out")}


@dataclass(frozen=True)
class Section:
    """A table of two columns: what it is, and its figure."""

    title: str
    rows: tuple[tuple[str, str], ...]


def model_section(result: SlideResult) -> Section:
    """The model as the result keeps it."""
    model = result.provenance.model
    rows = [
        (tell("Model"), f"{plain(model.name)} {plain(model.version)}".strip()),
        (tell("Intended use"), text(model.intended_use)),
        (tell("Trained on"), _training_in_words(model.training)),
        (tell("Classes"), text(", ".join(words.class_title(name) for name in result.classes))),
        (tell("Kinds of tissue without tumour"), text(", ".join(words.class_title(name) for name in result.tissues))),
        (tell("Tile"), _tile_in_words(result.provenance.tile)),
        (tell("Runs on"), text(model.runtime)),
    ]
    return Section(tell("Model"), tuple(row for row in rows if row[1]))


def validation_section(result: SlideResult) -> Section:
    """How the model did on tiles that it did not learn from: each figure with its interval."""
    card = _card(result.provenance.model.sha256)
    if card is None:
        told = tell("the model is not among those that came with this program; its card has them")
        return Section(tell("Validation of the model"), ((tell("Figures"), told),))
    rows = [row for split in _SPLITS for row in _split_rows(split, card.metrics.get(split), result)]
    return Section(tell("Validation of the model"), tuple(rows))


@lru_cache(maxsize=1)
def _packaged() -> Mapping[str, ModelCard]:
    return {card.digest: card for card in packaged_models()}


def _card(sha256: str) -> ModelCard | None:
    return _packaged().get(sha256)


def _split_rows(split: str, metrics: object, result: SlideResult) -> Iterator[tuple[str, str]]:
    told = _mapping(metrics)
    if not (_is_number(told.get("tiles")) and _is_number(told.get("groups"))):
        return
    yield tell(_SPLITS[split]), _over(told)
    known = _mapping(told.get("figures"))
    for title, figure in _wanted(result):
        if (value := _figure_in_words(_mapping(known.get(figure)))) is not None:
            yield title, value
    for site, one in _mapping(told.get("by_site")).items():
        seen = _mapping(one)
        if _is_number(seen.get("right")) and _is_number(seen.get("tiles")):
            yield tell("Right, {site}", site=plain(site)), f"{figures.share(seen['right'])} ({_over(seen)})"


def _wanted(result: SlideResult) -> Iterator[tuple[str, str]]:
    yield tell("Accuracy"), "accuracy"
    for name in result.classes:
        title = words.class_title(name)
        yield tell("Sensitivity, {of}", of=title), f"sensitivity:{name}"
        yield tell("Specificity, {of}", of=title), f"specificity:{name}"
    yield tell("Calibration error"), "ece"


def _figure_in_words(one: Mapping[str, Any]) -> str | None:
    """``95% (92 to 98%)``; None where it was not measured."""
    value, low, high = (one.get(name) for name in ("value", "low", "high"))
    if not _is_number(value):
        return None
    if not (_is_number(low) and _is_number(high)):
        return figures.share(value)
    ends = tell("{low} to {high}", low=figures.share(low), high=figures.share(high))
    return f"{figures.share(value)} ({ends})"


def _over(told: Mapping[str, Any]) -> str:
    tiles, groups = told["tiles"], told.get("groups")
    if not _is_number(groups):
        return tell("{tiles} tiles", tiles=figures.count(tiles))
    return tell_count(
        "{tiles} tiles of {groups} source group",
        "{tiles} tiles of {groups} source groups",
        round(groups),
        tiles=figures.count(tiles),
        groups=figures.count(groups),
    )


def _tile_in_words(tile: TileRecord) -> str:
    if not tile.size_px:
        return ""
    told = tell("{size} px at {mpp}", size=tile.size_px, mpp=figures.pixel_size(tile.mpp))
    if tile.effective_mpp:
        told += tell(" (read at {mpp})", mpp=figures.pixel_size(tile.effective_mpp))
    return told + tell(", overlap {share}", share=figures.share(tile.overlap))


def _training_in_words(training: Mapping[str, Any]) -> str:
    """How many tiles of how many source images."""
    counts = [count for count in _mapping(training.get("tiles")).values() if _is_number(count)]
    groups = training.get("groups")
    if not counts:
        return tell("{groups} source groups", groups=figures.count(groups)) if _is_number(groups) else ""
    return _over({"tiles": sum(counts), "groups": groups})


def listed(sentences: tuple[str, ...]) -> tuple[str, ...]:
    """Sentences of a card, fit to be shown."""
    return tuple(plain(sentence, _MAX_CARD_TEXT) for sentence in sentences)


def text(value: object) -> str:
    """A card's text, fit to be shown; empty for None."""
    return "" if value is None else plain(value, _MAX_CARD_TEXT)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
