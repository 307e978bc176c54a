"""The JSON report: all that the report for people says, for programs. NaN and infinity, which JSON lacks, are null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from aggregate.result import SlideResult
from app.presentation import words
from app.presentation.tissue import tissue_shares
from app.reports.reviewed import review_facts
from app.review.records import SlideRecord

SCHEMA = "pulmoscope-slide-report"
SCHEMA_VERSION = 1


def render_json(result: SlideResult, record: SlideRecord | None = None) -> bytes:
    """The report of one slide as ASCII JSON; any other character is escaped, invisible marks included. `record` is what
    people decided on it."""
    document = {**_document(result), "review": review_facts(record)}
    return (json.dumps(_jsonable(document), indent=2, allow_nan=False) + "\n").encode("ascii")


def _document(result: SlideResult) -> dict[str, Any]:
    decision, slide, heatmap = result.decision, result.slide, result.heatmap
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "research_use": words.RESEARCH_USE,
        "slide_id": result.slide_id,
        "status": result.status,
        "synthetic": slide.synthetic,
        "call": decision.call,
        "call_in_words": words.call_in_words(decision),
        "probabilities": dict(zip(result.classes, decision.probabilities, strict=True)),
        "background_class": result.background,
        "tissue_kinds": result.tissues,
        "confidence": {
            "level": words.confidence_level(decision),
            "value": decision.confidence,
            "margin": decision.margin,
            "in_words": words.confidence_in_words(decision),
        },
        "review_reasons": [
            {
                "code": code,
                "title": words.reason(code).title,
                "explanation": words.reason(code).explanation,
                "what_to_do": words.reason(code).what_to_do,
            }
            for code in decision.review_reasons
        ],
        "tissue": [
            {"title": item.title, "fraction": item.fraction, "tiles": item.tiles} for item in tissue_shares(result)
        ],
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
        "provenance": result.provenance.to_dict(),
    }


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
