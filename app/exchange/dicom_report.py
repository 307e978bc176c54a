"""The call of a slide as a DICOM Structured Report (TID 1500): the program's, and beside it a person's.

`VERIFIED` where a person with a name signed; else `UNVERIFIED`, also where somebody decided and did not sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as standard

from aggregate.result import UNDETERMINED, SlideResult
from app.exchange import dicom_codes as codes
from app.exchange.dicom_source import MAKER, SLIDE_IMAGE, Place, made_of, source_image, uid
from app.exchange.signed import Stated, stated
from app.presentation import words
from app.review.records import OTHER, SlideRecord
from app.review.words import OTHER_TITLE, decision_in_words
from wsi.text import plain

# The standard demands an organisation; we know of none.
_ORGANISATION = "not stated"
_MAX_NAME = 64


def structured_report(result: SlideResult, place: Place, record: SlideRecord | None) -> Any:
    """The dataset of the report; `record` is what people decided."""
    from highdicom import sr

    told = stated(record)
    groups = [_of_program(result, place), *([_of_person(result, place, told)] if told else [])]
    content = sr.MeasurementReport(
        observation_context=_observers(result, told),
        procedure_reported=codes.PROCEDURE,
        imaging_measurements=groups,
    )
    signature = told.reading.signature if told and told.final else None
    report = sr.Comprehensive3DSR(
        evidence=[source_image(result, place)],
        content=content,
        manufacturer=MAKER,
        series_instance_uid=uid("series", "sr", *made_of(result)),
        series_number=103,
        sop_instance_uid=uid("instance", "sr", *made_of(result), *([told.state] if told else [])),
        instance_number=1,
        is_complete=True,
        is_final=signature is not None,
        is_verified=signature is not None,
        verifying_observer_name=_person_name(signature.by.name) if signature else None,
        verifying_organization=_ORGANISATION if signature else None,
    )
    if told and signature:
        report.VerifyingObserverSequence = [
            _observer(signature.by.name, signature.at),
            *(_observer(one.by.name, one.at) for one in told.reading.addenda),
        ]
    return report


def _of_program(result: SlideResult, place: Place) -> Any:
    from highdicom import sr

    decision = result.decision
    evaluations = [sr.QualitativeEvaluation(codes.CALL, _code_of(decision.call))]
    evaluations += [
        sr.QualitativeEvaluation(codes.REASON, codes.ours(code, words.reason(code).title))
        for code in decision.review_reasons
    ]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(result, "tracking"),
        qualitative_evaluations=evaluations,
        measurements=[
            sr.Measurement(name, float(value), unit) for name, value, unit in _figures(result) if np.isfinite(value)
        ],
        source_images=[sr.SourceImageForMeasurementGroup(SLIDE_IMAGE, place.instance)],
    )


def _figures(result: SlideResult) -> Iterator[tuple[Any, float, Any]]:
    """(name, value, unit) of what was measured."""
    for name, p in zip(result.classes, result.decision.probabilities, strict=True):
        yield codes.of_output(name), p, codes.NO_UNITS
    yield codes.CONFIDENCE, result.decision.confidence, codes.NO_UNITS
    if "tissue_mm2" in result.qc:
        yield codes.TISSUE, result.qc["tissue_mm2"], codes.MM2


def _of_person(result: SlideResult, place: Place, told: Stated) -> Any:
    from highdicom import sr

    decision = told.reading.decision
    assert decision is not None
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(result, "tracking of a person"),
        qualitative_evaluations=[
            sr.QualitativeEvaluation(codes.VERDICT, codes.ours(decision.verdict, decision_in_words(decision))),
            sr.QualitativeEvaluation(codes.CALL_OF_PERSON, _code_of(told.reading.call)),
        ],
        source_images=[sr.SourceImageForMeasurementGroup(SLIDE_IMAGE, place.instance)],
    )
    contains = sr.RelationshipTypeValues.CONTAINS
    for line in (*told.lines(), *(f"{name}: {digest}" for name, digest in told.digests().items())):
        group[0].ContentSequence.append(sr.TextContentItem(codes.STATEMENT, line, relationship_type=contains))
    return group


def _tracking(result: SlideResult, of: str) -> Any:
    from highdicom import sr

    return sr.TrackingIdentifier(uid(of, *made_of(result)), plain(result.slide_id, 64))


def _code_of(call: str) -> Any:
    told = {UNDETERMINED: words.CANNOT_TELL, OTHER: OTHER_TITLE}.get(call)
    return codes.ours(call, told) if told else codes.of_output(call)


def _observers(result: SlideResult, told: Stated | None) -> Any:
    from highdicom import sr

    device = sr.ObserverContext(
        standard.DCM.Device,
        sr.DeviceObserverIdentifyingAttributes(uid("device", result.provenance.model.sha256), MAKER),
    )
    person = None
    if told and (decision := told.reading.decision):
        by = told.reading.signature.by if told.reading.signature else decision.by
        person = sr.ObserverContext(standard.DCM.Person, sr.PersonObserverIdentifyingAttributes(_person_name(by.name)))
    return sr.ObservationContext(observer_person_context=person, observer_device_context=device)


def _person_name(name: str) -> str:
    """As a DICOM person's name: which part of it is the family's nobody said, so all of it is."""
    return "".join(" " if mark in "^=\\" else mark for mark in plain(name, _MAX_NAME))[:_MAX_NAME] + "^"


def _observer(name: str, at: str) -> Any:
    """Who stands for the report, since when: who signed, and who added to it."""
    made = Dataset()
    made.VerifyingOrganization, made.VerifyingObserverName = _ORGANISATION, _person_name(name)
    made.VerificationDateTime = datetime.fromisoformat(at).astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
    made.VerifyingObserverIdentificationCodeSequence = []
    return made
