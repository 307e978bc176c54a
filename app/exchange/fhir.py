"""A result as FHIR R5 or R4: a bundle of a DiagnosticReport, its Observations and the Device that made them.

The program's reading alone is `preliminary`; signed by a person it is `final`, with addenda `appended` or `amended`.
No patient is named, since a result knows none. Identifiers are made of the digests of slide, model and settings: one
result gives one bundle, byte for byte, and what people add changes the bundle's identifier and not the report's.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from aggregate.result import SlideResult
from app.exchange.signed import Stated, stated
from app.presentation import words
from app.presentation.synoptic import SYNOPTIC_ITEMS, SYNOPTIC_TITLE
from app.review import words as review_words
from app.review.records import SlideRecord
from wsi.text import plain

VERSIONS = ("R5", "R4")
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


def render_fhir(result: SlideResult, record: SlideRecord | None = None, version: str = VERSIONS[0]) -> bytes:
    """The bundle of one slide as ASCII JSON; `record` is what people decided, `version` one of VERSIONS."""
    told = stated(record)
    device = _resource(result, "Device", "device", _device(result, version))
    observations = [_resource(result, "Observation", name, said) for name, said in _observations(result)]
    for observation in observations:
        observation["device"] = {"reference": _address(device)}
    if told:
        observations.append(_resource(result, "Observation", "decision", _decision(told)))
    report = _resource(result, "DiagnosticReport", "report", _report(result, observations, told))
    identity = _id(result, "\0".join(("bundle", told.state)) if told else "bundle")
    bundle = {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{identity}"},
        "type": "collection",
        **({"timestamp": result.provenance.started} if result.provenance.started else {}),
        "entry": [{"fullUrl": _address(one), "resource": one} for one in (report, *observations, device)],
    }
    return (json.dumps(bundle, indent=2, allow_nan=False) + "\n").encode("ascii")


def _report(result: SlideResult, observations: list[dict[str, Any]], told: Stated | None) -> dict[str, Any]:
    program = f"{words.call_in_words(result.decision)} {words.RESEARCH_USE}"
    by = "by a program and a person" if told else "by a program alone"
    return {
        "identifier": [{"value": plain(result.slide_id)}],
        "status": _status(told),
        "code": {"coding": [_PATHOLOGY_STUDY], "text": f"Reading of a lung whole-slide image {by}"},
        **_when(result),
        **_issued(told),
        "result": [{"reference": _address(one)} for one in observations],
        "conclusion": plain(f"{_concluded(told)} The program: {program}" if told else program, 8000),
    }


def _status(told: Stated | None) -> str:
    if told is None or not told.final:
        return "preliminary"
    addenda = told.reading.addenda
    if not addenda:
        return "final"
    return "amended" if any(one.call for one in addenda) else "appended"


def _issued(told: Stated | None) -> dict[str, Any]:
    """Who stands for the report, and since when."""
    if told is None:
        return {}
    last = [one.at for one in (told.reading.signature, *told.reading.addenda) if one]
    return {**({"issued": last[-1]} if last else {}), "performer": [{"display": told.person}]}


def _concluded(told: Stated) -> str:
    call = review_words.call_of_a_person(told.reading.call)
    return f"{call}. {'. '.join(told.lines())}."


def _decision(told: Stated) -> dict[str, Any]:
    """What a person said, each line of it a note, and the digests of the signature."""
    decision, status = told.reading.decision, _status(told)
    assert decision is not None
    return {
        "status": "amended" if status == "appended" else status,
        "code": {"text": "Decision of a person"},
        "effectiveDateTime": decision.at,
        "performer": [{"display": told.person}],
        "valueString": plain(review_words.call_of_a_person(told.reading.call)),
        "note": [{"text": line} for line in told.lines()],
        **({"component": list(map(_digest, told.digests().items()))} if told.digests() else {}),
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
    yield "synoptic", _told(result, SYNOPTIC_TITLE, component=list(map(_left_empty, SYNOPTIC_ITEMS.values())))
    yield "digests", _told(result, "What it was made of", component=list(_digests(result)))


def _told(result: SlideResult, title: str, **value: Any) -> dict[str, Any]:
    return {"status": "preliminary", "code": {"text": title}, **_when(result), **value}


def _quantity(value: float, unit: str, code: str) -> dict[str, Any]:
    """A figure; where there is none, that it is not known."""
    if not math.isfinite(value):
        return {"dataAbsentReason": {"coding": [{"system": _ABSENT, "code": "not-a-number"}]}}
    return {"valueQuantity": {"value": float(value), "unit": unit, "system": _UCUM, "code": code}}


def _left_empty(title: str) -> dict[str, Any]:
    """An item of a synoptic report, which a person may fill in later."""
    return {"code": {"text": title}, "dataAbsentReason": {"coding": [{"system": _ABSENT, "code": "temp-unknown"}]}}


def _reasons(result: SlideResult) -> dict[str, Any]:
    codes = result.decision.review_reasons
    if not codes:
        return {"valueString": "none"}
    return {"component": [{"code": {"text": code}, "valueString": plain(words.reason(code).title)} for code in codes]}


def _digests(result: SlideResult) -> Iterator[dict[str, Any]]:
    """SHA-256 of slide, model and settings."""
    provenance = result.provenance
    digests = {"slide": result.slide.sha256, "model": provenance.model.sha256, "settings": provenance.config_sha256}
    return (_digest((f"SHA-256 of the {name}", digest)) for name, digest in digests.items() if digest)


def _digest(told: tuple[str, str]) -> dict[str, Any]:
    return {"code": {"text": told[0]}, "valueString": plain(told[1])}


def _device(result: SlideResult, version: str) -> dict[str, Any]:
    provenance = result.provenance
    model = provenance.model
    versions = [("model", model.version), ("pulmoscope", provenance.pulmoscope)]
    told = [{"type": {"text": what}, "value": plain(number)} for what, number in versions if number]
    name = plain(f"pulmoscope, model {model.name or 'unknown'}")
    named = (
        {"deviceName": [{"name": name, "type": "user-friendly-name"}]}
        if version == "R4"
        else {"name": [{"value": name, "type": "user-friendly-name"}]}
    )
    return {**named, **({"version": told} if told else {})}


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
