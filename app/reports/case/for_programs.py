"""The report of a case as JSON, for programs."""

from __future__ import annotations

import math
from typing import Any

from app.ledger.cases.rows import CaseMember, CaseRow
from app.reports.case.content import CaseContent
from app.reports.content.options import ReportOptions
from app.reports.content.reviewed import review_facts
from app.reports.json_report import as_json, report_facts, synoptic_items
from app.review.records import SlideRecord

SCHEMA, SCHEMA_VERSION = "pulmoscope-case-report", 1


def render_json(row: CaseRow, content: CaseContent, record: SlideRecord | None, options: ReportOptions) -> bytes:
    """ASCII JSON."""
    told, origin = row.told, row.origin
    return as_json(
        {
            **report_facts(options),
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "case": row.case,
            "case_token": row.token,
            "status": told.status,
            "call": told.call,
            "call_in_words": content.call,
            "origin": {"slide_id": told.origin, "block": origin.block, "in_words": content.origin} if origin else None,
            "discordant_slides": told.discordant,
            "slides_without_tumour": told.without_tumour,
            "slides_without_call": told.silent,
            "review_reasons": [
                {
                    "code": code,
                    "title": reason.title,
                    "explanation": reason.explanation,
                    "what_to_do": reason.what_to_do,
                }
                for code, reason in content.reasons
            ],
            "slides": [_slide(one) for one in row.members],
            "note": content.note,
            "synoptic": synoptic_items(),
            "review": review_facts(record),
        }
    )


def _slide(member: CaseMember) -> dict[str, Any]:
    row, slide = member.row, member.slide
    return {
        "slide_id": row.slide_id,
        "block": member.block or None,
        "status": row.status,
        "call": slide.call or None,
        "probabilities": dict(slide.probabilities),
        "confidence": slide.confidence if math.isfinite(slide.confidence) else None,
        "tumour_mm2": slide.tumour_mm2 if slide.is_judged else None,
        "review_reasons": slide.review_reasons,
        "error_code": row.error_code or None,
        "result_sha256": member.result_sha256 or None,
    }
