"""What people decided, as other programs are told it: final and verified only where a person with a name signed."""

import io
import json
import re
from dataclasses import replace

import highdicom as hd
import pydicom
import pytest
from fhir.resources.bundle import Bundle
from fhir.resources.R4B.bundle import Bundle as R4Bundle

from aggregate import store
from app.exchange.dicom import render_dicom
from app.exchange.fhir import render_fhir
from app.review.people import Person
from app.review.records import Case, ReadingName, Verdict
from app.review.reviews import open_reviews
from tests.app.exchange.validators import complaints
from tests.results import make_result

ANNA, BERT = Person("Åsa <b>Réader</b>^=\\x"), Person("Bert")


class Desk:
    """One stored result, and what people do about it."""

    def __init__(self, folder, **more):
        self.result = make_result("signed")
        store.save(self.result, folder)
        path = store.result_path(folder, "signed")
        self.case = Case.of(self.result, store.committed_digests(path)["result_sha256"])
        self.reviews = open_reviews(folder, **more)

    @property
    def record(self):
        return self.reviews.record("signed")

    def decide(self, by=ANNA, call="normal", verdict=Verdict.CHANGED, reading=ReadingName.FIRST):
        seen = self.record.reading(reading).version
        self.reviews.decide(self.case, verdict, by, call=call, comment_text="a scar\n=1+1 & <i>no</i>", seen=seen)

    def sign(self, by=ANNA, reading=ReadingName.FIRST):
        seen = self.record.reading(reading).content_sha256
        return self.reviews.sign(self.case, by, content_sha256=seen, screen={"layer": "call"})

    def bundle(self, version="R5"):
        return json.loads(render_fhir(self.result, self.record, version))

    def report(self):
        return pydicom.dcmread(io.BytesIO(render_dicom(self.result, None, self.record)[".sr.dcm"]))


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def decision_of(bundle):
    told = [entry["resource"] for entry in bundle["entry"]]
    return next(
        (one for one in told if one["code" if "code" in one else "id"] == {"text": "Decision of a person"}), None
    )


def test_what_nobody_signed_is_preliminary(desk):
    before = desk.bundle()
    assert before["entry"][0]["resource"]["status"] == "preliminary" and decision_of(before) is None
    desk.decide()
    bundle = desk.bundle()
    report, decision = bundle["entry"][0]["resource"], decision_of(bundle)
    assert report["status"] == decision["status"] == "preliminary" and decision["valueString"] == "Normal"
    assert "has not signed" in report["conclusion"] and "issued" not in report and "component" not in decision
    assert desk.report().VerificationFlag == "UNVERIFIED" and desk.report().PreliminaryFlag == "PRELIMINARY"
    assert "VerifyingObserverSequence" not in desk.report()


@pytest.mark.parametrize("version", ["R5", "R4"])
def test_what_was_signed_is_final_with_its_digest(desk, version):
    desk.decide()
    signature = desk.sign()
    bundle = desk.bundle(version)
    report, decision = bundle["entry"][0]["resource"], decision_of(bundle)
    assert report["status"] == decision["status"] == "final" and report["issued"] == signature.at
    [performer] = report["performer"]
    assert performer["display"] == "Åsa <b>Réader</b>^=\\x (reviewer; name stated, not checked by a login)"
    digests = {one["code"]["text"]: one["valueString"] for one in decision["component"]}
    assert digests["SHA-256 of the signed record"] == signature.digest
    assert digests["SHA-256 of the signed decision"] == signature.content_sha256
    assert report["conclusion"].startswith("Normal. ") and "Comment: a scar =1+1 & <i>no</i>" in report["conclusion"]
    # The program's own figures are the program's, whoever signs.
    program = [entry["resource"] for entry in bundle["entry"][1:-2]]
    assert {one["status"] for one in program} == {"preliminary"} and len(program) >= 7


@pytest.mark.parametrize(
    ("call", "status", "now"), [("", "appended", "Normal"), ("undetermined", "amended", "Cannot tell")]
)
def test_an_addendum_is_told(desk, call, status, now):
    desk.decide()
    desk.sign()
    added = desk.reviews.add_addendum(desk.case, BERT, "second opinion", call=call)
    bundle = desk.bundle()
    report = bundle["entry"][0]["resource"]
    assert report["status"] == status and report["issued"] == added.at
    assert decision_of(bundle)["valueString"] == now and decision_of(bundle)["status"] == "amended"
    assert [one.VerifyingObserverName for one in desk.report().VerifyingObserverSequence][1] == "Bert^"


@pytest.mark.parametrize(("version", "model"), [("R5", Bundle), ("R4", R4Bundle)])
def test_each_version_keeps_to_its_schema_and_not_to_the_other(desk, version, model):
    desk.decide()
    for _ in range(2):
        bundle = desk.bundle(version)
        model.model_validate(bundle)
        with pytest.raises(ValueError, match=r"device_?[nN]ame|name"):
            {Bundle: R4Bundle, R4Bundle: Bundle}[model].model_validate(bundle)
        if not desk.record.final.signature:
            desk.sign()


def test_the_bundle_is_another_after_each_step_and_the_report_keeps_its_identity(desk):
    seen = [desk.bundle()]
    desk.decide()
    seen.append(desk.bundle())
    desk.sign()
    seen.append(desk.bundle())
    desk.reviews.add_addendum(desk.case, BERT, "more")
    seen.append(desk.bundle())
    assert len({one["identifier"]["value"] for one in seen}) == 4
    assert len({one["entry"][0]["resource"]["id"] for one in seen}) == 1
    assert desk.bundle() == seen[-1]


def test_the_structured_report_is_verified_by_who_signed(desk):
    first = desk.report().SOPInstanceUID
    desk.decide()
    signature = desk.sign()
    report = desk.report()
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("VERIFIED", "FINAL")
    [observer] = report.VerifyingObserverSequence
    assert str(observer.VerifyingObserverName) == "Åsa <b>Réader</b>   x^"
    assert observer.VerificationDateTime == re.sub(r"[-T:]", "", signature.at[:19]) + "+0000"
    content = render_dicom(desk.result, None, desk.record)[".sr.dcm"]
    assert report.SOPInstanceUID != first and signature.digest.encode() in content
    read = hd.sr.srread(io.BytesIO(content))
    program, person = read.content.get_image_measurement_groups()
    assert [one.value.value for one in program.get_qualitative_evaluations()] == ["35917007"]
    assert [one.value.value for one in person.get_qualitative_evaluations()] == ["changed", "17621005"]


@pytest.mark.parametrize("name", ["", " ", "\u200b"])
def test_a_signature_without_a_name_verifies_nothing(desk, name):
    desk.decide()
    desk.sign()
    [reading] = desk.record.readings
    nameless = replace(reading, signature=replace(reading.signature, by=Person(name)))
    record = replace(desk.record, readings=(nameless,))
    report = pydicom.dcmread(io.BytesIO(render_dicom(desk.result, None, record)[".sr.dcm"]))
    assert report.VerificationFlag == "UNVERIFIED"
    assert json.loads(render_fhir(desk.result, record))["entry"][0]["resource"]["status"] == "preliminary"


def test_two_signed_readings_that_differ_are_final_only_by_consensus(tmp_path):
    desk = Desk(tmp_path, second_reading=True)
    desk.decide(ANNA, "normal")
    desk.sign(ANNA)
    desk.decide(BERT, "squamous_cell_carcinoma", reading=ReadingName.SECOND)
    desk.sign(BERT, ReadingName.SECOND)
    assert desk.record.differ and desk.report().VerificationFlag == "UNVERIFIED"
    assert desk.bundle()["entry"][0]["resource"]["status"] == "preliminary"
    desk.decide(BERT, "squamous_cell_carcinoma", reading=ReadingName.CONSENSUS)
    assert desk.report().VerificationFlag == "UNVERIFIED"
    desk.sign(BERT, ReadingName.CONSENSUS)
    assert desk.report().VerificationFlag == "VERIFIED"
    assert desk.bundle()["entry"][0]["resource"]["status"] == "final"


def test_a_validator_finds_nothing(desk, tmp_path):
    desk.decide()
    desk.sign()
    desk.reviews.add_addendum(desk.case, BERT, "more", call="undetermined")
    for ending, content in render_dicom(desk.result, None, desk.record).items():
        (tmp_path / ending[1:]).write_bytes(content)
        assert complaints(tmp_path / ending[1:]) == []
