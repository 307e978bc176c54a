"""The JSON report: all that the report for people says, for programs. NaN and infinity, which JSON lacks, are null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aggregate.measures import measure
from aggregate.result import SlideResult
from app.ledger.records import SlideRow
from app.presentation import words
from app.presentation.language import tell
from app.presentation.measured import MEASURES_NOTE, Measured
from app.presentation.synoptic import SYNOPTIC_ITEMS, SYNOPTIC_NOTE
from app.reports.cohort.measures import figures_of
from app.reports.content.failed import describe_failure, file_name
from app.reports.content.options import ReportOptions
from app.reports.content.places import ReasonTold, RegionTold
from app.reports.content.reviewed import review_facts
from app.reports.content.slide import ReportContent, describe
from app.review.records import SlideRecord

SCHEMA = "pulmoscope-slide-report"
SCHEMA_VERSION = 2
SCHEMA_FILE = Path(__file__).parent / "schema" / f"slide-report-{SCHEMA_VERSION}.schema.json"
"""What a report of this version may hold, as JSON Schema 2020-12."""
MOST_ATTENDED = 12


def render_json(result: SlideResult, record: SlideRecord | None = None, options: ReportOptions | None = None) -> bytes:
    """The report of one slide as ASCII JSON; any other character is escaped, invisible marks included. `record` is what
    people decided on it."""
    options = options or ReportOptions()
    content = describe(result, record, options)
    return as_json({**_document(result, content), **report_facts(options), "review": review_facts(record)})


def render_failure_json(row: SlideRow, options: ReportOptions) -> bytes:
    """The report of a slide that failed, as ASCII JSON."""
    content = describe_failure(row, options)
    return as_json(
        {
            "slide_id": row.slide_id,
            "status": row.status,
            "error": {"code": row.error_code, "message": content.message, "in_words": content.explanation},
            "slide": {"file": file_name(row), "mpp": row.mpp},
            **report_facts(options),
        }
    )


def as_json(document: Mapping[str, Any]) -> bytes:
    """A document as the bytes of its file."""
    return (json.dumps(_jsonable(document), indent=2, allow_nan=False) + "\n").encode("ascii")


def report_facts(options: ReportOptions) -> dict[str, Any]:
    """Which schema a document keeps to, and what it tells of itself."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "language": options.language,
        "research_use": tell(words.RESEARCH_USE),
        "case": options.case or None,
        "written": options.written.isoformat(timespec="seconds") if options.written else None,
    }


def _document(result: SlideResult, content: ReportContent) -> dict[str, Any]:
    decision, slide, heatmap = result.decision, result.slide, result.heatmap
    return {
        "slide_id": result.slide_id,
        "status": result.status,
        "synthetic": slide.synthetic,
        "call": decision.call,
        "call_in_words": content.call_sentence,
        "probabilities": dict(zip(result.classes, decision.probabilities, strict=True)),
        "background_class": result.background,
        "tissue_kinds": result.tissues,
        "confidence": {
            "level": content.level,
            "value": decision.confidence,
            "margin": decision.margin,
            "in_words": content.confidence,
        },
        "review_reasons": [_reason(one) for one in content.reasons],
        "regions": [_region(one) for one in content.regions],
        **_opinion(result),
        "tissue": [
            {"title": one.title, "fraction": one.fraction, "tiles": one.tiles, "area": area}
            for one, area in zip(content.tissue, content.tissue_areas, strict=True)
        ],
        "measures": _measures(result, content.measures),
        "synoptic": synoptic_items(),
        "qc": dict(result.qc),
        "slide": {
            "file": slide.file,
            "size_px": slide.size_px,
            "bounds_px": slide.bounds_px,
            "mpp": slide.mpp,
            "mpp_source": slide.mpp_source,
            "sha256": slide.sha256,
            "backend": slide.backend,
            "metadata": dict(slide.metadata),
        },
        "heatmap": {
            "shape": heatmap.call.shape,
            "origin_px": heatmap.origin_px,
            "cell_px": heatmap.cell_px,
            "cell_um": heatmap.cell_um,
        },
        "in_words": [
            {"title": section.title, "rows": [{"name": name, "value": value} for name, value in section.rows]}
            for section in content.sections
        ],
        "provenance": result.provenance.to_dict(),
    }


def _reason(told: ReasonTold) -> dict[str, Any]:
    return {
        "code": told.code,
        "title": told.title,
        "explanation": told.explanation,
        "what_to_do": told.what_to_do,
        "places_px": told.places,
    }


def _measures(result: SlideResult, told: tuple[Measured, ...]) -> dict[str, Any] | None:
    """Figures by their codes, and in words; null where there is no call."""
    found = measure(result)
    if found is None:
        return None
    return {
        **figures_of(found),
        "note": tell(MEASURES_NOTE),
        "in_words": [{"code": one.code, "title": one.title, "value": one.value, "is_not": one.is_not} for one in told],
    }


def synoptic_items() -> dict[str, Any]:
    """What is left to a person: each item by its code, without a value."""
    items = [{"code": code, "title": tell(title), "value": None} for code, title in SYNOPTIC_ITEMS.items()]
    return {"note": tell(SYNOPTIC_NOTE), "items": items}


def _region(told: RegionTold) -> dict[str, Any]:
    return {
        "number": told.number,
        "class": told.code or None,
        "title": told.title,
        "tumour_score": told.tumour,
        "area_mm2": told.area_mm2,
        "place_px": told.place,
        "place_mm": told.place_mm,
    }


def _opinion(result: SlideResult) -> dict[str, Any]:
    """What a slide model says beside the rule, and the tiles that it looked at most; nothing where none was asked."""
    if result.opinion is None or result.opinion.attention is None:
        return {}
    attention = result.opinion.attention
    first = np.argsort(-np.nan_to_num(attention, nan=-1.0), kind="stable")[:MOST_ATTENDED]
    tiles = [
        {"xy_px": result.tiles.xy[index], "attention": attention[index]}
        for index in first[np.isfinite(attention[first])]
    ]
    return {"slide_model": {**result.opinion.to_dict(), "side_px": result.tile_side_px, "most_attended": tiles}}


def _jsonable(value: Any) -> Any:
    """`value` in JSON's own types; keys become text, numbers without a finite value null."""
    match value:
        case Mapping():
            return {str(key): _jsonable(item) for key, item in value.items()}
        case list() | tuple() | np.ndarray():
            return [_jsonable(item) for item in value]
        case np.generic():
            return _jsonable(value.item())
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
