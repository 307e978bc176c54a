"""What a report for people says, in words: drawn up once from a result, laid out by the HTML and the PDF report.

Every text here has passed `plain`; markup is for the layouts to escape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

from aggregate.provenance import TileRecord
from aggregate.result import UNDETERMINED, SlideResult
from app.presentation import figures, words
from app.presentation.colours import class_colours
from app.presentation.tissue import TissueShare, tissue_shares
from app.presentation.words import ConfidenceLevel, Reason
from app.reports.reviewed import ReviewContent, describe_review
from app.review.records import SlideRecord
from wsi.text import plain

_DRAWN_SLIDE = "This slide was drawn by a program."
_DRAWN_TISSUE = "The model learned from drawn tissue only."
# Metadata that the page says elsewhere, or that only a program asks for: the JSON report has all of it.
_NOT_FOR_PEOPLE = ("synthetic", "mpp", "level", "tile")
_MAX_CARD_TEXT = 1200
_HASH_CHARACTERS = 64


@dataclass(frozen=True)
class ClassProbability:
    title: str
    percent: str
    colour: str


@dataclass(frozen=True)
class Section:
    """A table of two columns: what it is, and its figure."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ReportContent:
    """A report's text, top to bottom. `probabilities` is empty where no call is made: they would mislead."""

    slide_id: str
    synthetic: str
    call: str
    call_sentence: str
    confidence: str
    level: ConfidenceLevel
    undetermined: bool
    probabilities: tuple[ClassProbability, ...]
    reasons: tuple[Reason, ...]
    tissue: tuple[TissueShare, ...]
    sections: tuple[Section, ...]
    digests: Section
    limits: tuple[str, ...]
    never_shown: tuple[str, ...]
    review: ReviewContent
    research_use: str = words.RESEARCH_USE


def describe(result: SlideResult, record: SlideRecord | None = None) -> ReportContent:
    """The content of one slide's report; `record` is what people decided on it."""
    decision = result.decision
    undetermined = decision.call == UNDETERMINED
    model = result.provenance.model
    return ReportContent(
        slide_id=plain(result.slide_id),
        synthetic=synthetic_in_words(result.slide.synthetic, model.synthetic),
        call=words.call_title(decision),
        call_sentence=words.call_in_words(decision),
        confidence=words.confidence_in_words(decision),
        level=words.confidence_level(decision),
        undetermined=undetermined,
        probabilities=() if undetermined else _probabilities(result),
        reasons=tuple(words.reason(code) for code in decision.review_reasons),
        tissue=tissue_shares(result),
        sections=tuple(
            section
            for section in (_tissue_and_tiles(result), _slide(result), _model(result), _run(result))
            if section.rows
        ),
        digests=_digests(result),
        limits=_listed(model.limits),
        never_shown=_listed(model.never_shown),
        review=describe_review(record),
    )


def synthetic_in_words(slide: bool, model: bool) -> str:
    """The banner where slide or model are synthetic; empty where both are real."""
    if not (slide or model):
        return ""
    facts = [text for holds, text in ((slide, _DRAWN_SLIDE), (model, _DRAWN_TISSUE)) if holds]
    return " ".join(["SYNTHETIC.", *facts, "It shows how pulmoscope works and says nothing about real lungs."])


def _probabilities(result: SlideResult) -> tuple[ClassProbability, ...]:
    palette = class_colours(result.classes, result.background)
    return tuple(
        ClassProbability(words.class_title(name), figures.percent(probability), palette[name])
        for name, probability in zip(result.classes, result.decision.probabilities, strict=True)
    )


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _index(number: float) -> str:
    return f"{number:.2f}"


_QC: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("tissue_mm2", "Tissue", figures.area),
    ("tumour_mm2", "Called tumour", figures.area),
    ("tiles", "Tiles", _count),
    ("tiles_voting", "Tiles that took part in the call", _count),
    ("share_voting", "Tissue that took part in the call", figures.share),
    ("share_unfamiliar", "Tissue not recognised", figures.share),
    ("share_known_by_site", "Tissue recognised by the site profile alone", figures.share),
    ("unlike_slide", "Unlike the slides learned from (1: the limit)", _index),
    ("share_blur", "Tissue out of focus", figures.share),
    ("share_pen", "Tissue under pen", figures.share),
    ("share_dark", "Tissue under dark artefacts", figures.share),
    ("share_edge", "Tissue at scan borders", figures.share),
    ("pen_mm2_on_slide", "Pen marks on the slide", figures.area),
    ("hotspot", "Tumour score of the hottest neighbourhood", figures.percent),
    ("scatter", "Tiles in or by tumour that differ from their neighbours", figures.share),
    ("second_type_share", "Tumour tiles of the second tumour type", figures.share),
    ("entropy", "Mean entropy of the tiles (0 sure, 1 unsure)", _index),
)


def _tissue_and_tiles(result: SlideResult) -> Section:
    known = ((title, result.qc.get(key), written) for key, title, written in _QC)
    told = [(title, written(value)) for title, value, written in known if value is not None and math.isfinite(value)]
    return Section("Tissue and tiles", (*told, *words.places_in_words(result)))


def _slide(result: SlideResult) -> Section:
    slide = result.slide
    width_px, height_px = slide.size_px
    rows = (
        ("File", plain(slide.file)),
        ("Size", f"{width_px:,} by {height_px:,} px"),
        ("Pixel size", f"{figures.pixel_size(slide.mpp)}, {words.mpp_source_in_words(slide.mpp_source)}"),
        ("Read with", plain(slide.backend)),
        *(
            (words.class_title(key), plain(value))
            for key, value in slide.metadata.items()
            if not key.startswith(_NOT_FOR_PEOPLE)
        ),
    )
    return Section("Slide", rows)


def _model(result: SlideResult) -> Section:
    model = result.provenance.model
    rows = [
        ("Model", f"{plain(model.name)} {plain(model.version)}".strip()),
        ("Intended use", _text(model.intended_use)),
        ("Trained on", _training_in_words(model.training)),
        ("Classes", _text(", ".join(words.class_title(name) for name in result.classes))),
        ("Kinds of tissue without tumour", _text(", ".join(words.class_title(name) for name in result.tissues))),
        ("Tile", _tile_in_words(result.provenance.tile)),
        ("Runs on", _text(model.runtime)),
    ]
    return Section("Model", tuple(row for row in rows if row[1]))


def _tile_in_words(tile: TileRecord) -> str:
    if not tile.size_px:
        return ""
    text = f"{tile.size_px} px at {figures.pixel_size(tile.mpp)}"
    if tile.effective_mpp:
        text += f" (read at {figures.pixel_size(tile.effective_mpp)})"
    return text + f", overlap {figures.share(tile.overlap)}"


def _training_in_words(training: Mapping[str, Any]) -> str:
    """How many tiles of how many source images."""
    counts = [count for count in _mapping(training.get("tiles")).values() if _is_number(count)]
    parts = [f"{_count(sum(counts))} tiles"] if counts else []
    if _is_number(training.get("groups")):
        parts.append(f"of {_count(training['groups'])} source groups")
    return " ".join(parts)


def _run(result: SlideResult) -> Section:
    provenance = result.provenance
    rows = [
        ("pulmoscope", _text(provenance.pulmoscope)),
        ("Run on", _when(provenance.started)),
        ("Time taken", "" if provenance.seconds is None else figures.duration(provenance.seconds)),
        ("Settings", _pairs(provenance.config, " = ")),
        ("Libraries", _pairs(provenance.libraries, " ")),
    ]
    return Section("Run", tuple(row for row in rows if row[1]))


def _digests(result: SlideResult) -> Section:
    provenance = result.provenance
    digests = (
        ("Slide", result.slide.sha256),
        ("Model", provenance.model.sha256),
        ("Training data", provenance.model.training.get("data_sha256")),
        ("Settings", provenance.config_sha256),
    )
    return Section("SHA-256", tuple((of, plain(digest, _HASH_CHARACTERS)) for of, digest in digests if digest))


def _listed(sentences: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(plain(sentence, _MAX_CARD_TEXT) for sentence in sentences)


def _pairs(values: Mapping[str, Any], between: str) -> str:
    simple = {key: value for key, value in values.items() if isinstance(value, str | int | float)}
    return _text(", ".join(f"{plain(key)}{between}{plain(value)}" for key, value in simple.items()))


def _when(started: str) -> str:
    """``22 November 2026, 20:31 UTC``; a text that is no ISO time is shown as it is."""
    try:
        moment = datetime.fromisoformat(started).astimezone(UTC)
    except ValueError:
        return _text(started)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _text(value: object) -> str:
    return "" if value is None else plain(value, _MAX_CARD_TEXT)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
