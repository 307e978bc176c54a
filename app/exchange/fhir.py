"""A result as FHIR R5: a bundle of a DiagnosticReport, its Observations and the Device that made them.

It is the program's reading alone, so the report is `preliminary`; it names no patient, since a result knows none.
Identifiers are made of the digests of slide, model and settings: one result gives one bundle, byte for byte.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from aggregate.result import SlideResult
from app.presentation import words
from wsi.text import plain

_NAMESPACE = uuid.UUID("0f6e4f0e-3c1e-5b0e-9d3f-6a5b8f1f2c77")
_UCUM = "http://unitsofmeasure.org"
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_PATHOLOGY_STUDY = {"system": "http://loinc.org", "code": "11526-1", "display": "Pathology study"}
# Figure of the quality control -> what it is called, unit as people write it, and as UCUM does.
_FIGURES = {
    "tissue_mm2": ("Tissue", "mm2", "mm2"),
    "tumour_mm2": ("Area called tumour", "mm2", "mm2"),
    "tiles": ("Tiles", "tiles", "{tiles}"),
    "tiles_voting": ("Tiles that took part in the call", "tiles", "{tiles}"),
}


def render_fhir(result: SlideResult) -> bytes:
    """The bundle of one slide as ASCII JSON."""
    device = _resource(result, "Device", "device", _device(result))
    observations = [_resource(result, "Observation", name, told) for name, told in _observations(result)]
    for observation in observations:
        observation["device"] = {"reference": _address(device)}
    report = _resource(result, "DiagnosticReport", "report", _report(result, observations))
    bundle = {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{_id(result, 'bundle')}"},
        "type": "collection",
        **({"timestamp": result.provenance.started} if result.provenance.started else {}),
        "entry": [{"fullUrl": _address(one), "resource": one} for one in (report, *observations, device)],
    }
    return (json.dumps(bundle, indent=2, allow_nan=False) + "\n").encode("ascii")


def _report(result: SlideResult, observations: list[dict[str, Any]]) -> dict[str, Any]:
    conclusion = f"{words.call_in_words(result.decision)} {words.RESEARCH_USE}"
    return {
        "identifier": [{"value": plain(result.slide_id)}],
        "status": "preliminary",
        "code": {"coding": [_PATHOLOGY_STUDY], "text": "Reading of a lung whole-slide image by a program alone"},
        **_when(result),
        "result": [{"reference": _address(one)} for one in observations],
        "conclusion": plain(conclusion, 4000),
    }


def _observations(result: SlideResult) -> Iterator[tuple[str, dict[str, Any]]]:
    decision = result.decision
    yield "call", _told(result, "Call", valueString=plain(words.call_title(decision)))
    for name, probability in zip(result.classes, decision.probabilities, strict=True):
        yield f"p_{name}", _told(result, f"Score: {words.class_title(name)}", **_quantity(probability, "1", "1"))
    yield "confidence", _told(result, "Confidence", **_quantity(decision.confidence, "1", "1"))
    yield "review", _told(result, "Reasons to look again", **_reasons(result))
    yield "mpp", _told(result, "Pixel size of level 0", **_quantity(result.slide.mpp, "um/px", "um"))
    for key, (title, unit, code) in _FIGURES.items():
        if key in result.qc:
            yield key, _told(result, title, **_quantity(result.qc[key], unit, code))
    yield "digests", _told(result, "What it was made of", component=list(_digests(result)))


def _told(result: SlideResult, title: str, **value: Any) -> dict[str, Any]:
    return {"status": "preliminary", "code": {"text": title}, **_when(result), **value}


def _quantity(value: float, unit: str, code: str) -> dict[str, Any]:
    """A figure; where there is none, that it is not known."""
    if not math.isfinite(value):
        return {"dataAbsentReason": {"coding": [{"system": _ABSENT, "code": "not-a-number"}]}}
    return {"valueQuantity": {"value": float(value), "unit": unit, "system": _UCUM, "code": code}}


def _reasons(result: SlideResult) -> dict[str, Any]:
    codes = result.decision.review_reasons
    if not codes:
        return {"valueString": "none"}
    return {"component": [{"code": {"text": code}, "valueString": plain(words.reason(code).title)} for code in codes]}


def _digests(result: SlideResult) -> Iterator[dict[str, Any]]:
    """SHA-256 of slide, model and settings."""
    provenance = result.provenance
    digests = {"slide": result.slide.sha256, "model": provenance.model.sha256, "settings": provenance.config_sha256}
    for name, digest in digests.items():
        if digest:
            yield {"code": {"text": f"SHA-256 of the {name}"}, "valueString": plain(digest)}


def _device(result: SlideResult) -> dict[str, Any]:
    provenance = result.provenance
    model = provenance.model
    versions = [("model", model.version), ("pulmoscope", provenance.pulmoscope)]
    told = [{"type": {"text": what}, "value": plain(version)} for what, version in versions if version]
    return {
        "name": [{"value": plain(f"pulmoscope, model {model.name or 'unknown'}"), "type": "user-friendly-name"}],
        **({"version": told} if told else {}),
    }


def _when(result: SlideResult) -> Mapping[str, str]:
    return {"effectiveDateTime": result.provenance.started} if result.provenance.started else {}


def _resource(result: SlideResult, kind: str, part: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"resourceType": kind, "id": str(_id(result, part)), **fields}


def _address(resource: Mapping[str, Any]) -> str:
    return f"urn:uuid:{resource['id']}"


def _id(result: SlideResult, name: str) -> uuid.UUID:
    provenance = result.provenance
    made_of = (result.slide_id, result.slide.sha256, provenance.model.sha256, provenance.config_sha256, name)
    return uuid.uuid5(_NAMESPACE, "\0".join(made_of))
