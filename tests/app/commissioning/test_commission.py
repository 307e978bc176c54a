"""A proof from slides to a sealed dossier, as a laboratory makes it, and runs that are held to it."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import jsonschema
import pytest

from aggregate.result_folder import load_summary, stored_results
from app.commissioning.pages.dossier_pdf import render_pdf
from app.commissioning.pages.instructions import render_instructions
from app.ledger.audit import AUDIT
from classifier.model_folder.files import read_card
from classifier.model_folder.find import DEMO_MODEL, find_model
from tests.app.commissioning.drawn import CRITERIA, KINDS, PATIENT, draw_slides, write_criteria
from tests.app.test_cli import is_one_clear_line, pulmoscope
from tests.conftest import REPOSITORY

SCHEMA = json.loads((REPOSITORY / "docs" / "dossier.schema.json").read_text(encoding="utf-8"))
# Two readers in two ways; R2 takes s1 for tumour, and scores everything higher.
READERS = "slide,reader,call,way,score\n" + "".join(
    f"s{i}.svs,{reader},{'adenocarcinoma' if (reader, i) == ('R2', 1) else KINDS[i]},{way},{score + extra}\n"
    for way, scores in (("without", (3, 2, 1, 1.5)), ("with", (5, 1, 4, 2)))
    for reader, extra in (("R1", 0), ("R2", 2))
    for i, score in enumerate(scores)
)


@dataclass(frozen=True)
class Laboratory:
    """Its folder of slides with labels, criteria and readers' calls; the dossier, and what the command said."""

    slides: Path
    dossier: Path
    said: subprocess.CompletedProcess[str]

    def commission(self, out, *more, criteria=None):
        given = ("--labels", self.slides / "labels.csv", "--criteria", criteria or self.slides / "criteria.toml")
        return pulmoscope("commission", self.slides, *given, "--out", out, "--model", DEMO_MODEL, *more)

    def run(self, out, *more, dossier=None, model=DEMO_MODEL):
        held = ("--commissioned", dossier or self.dossier)
        return pulmoscope("run", self.slides / "s1.svs", "--out", out, "--model", model, *held, *more)

    @property
    def document(self):
        return json.loads((self.dossier / "dossier.json").read_text())


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laboratory")
    slides = folder / "slides"
    slides.mkdir()
    draw_slides(slides)
    write_criteria(slides)
    (slides / "readers.csv").write_text(READERS)
    before = Laboratory(slides, folder / "dossier", None)
    said = before.commission(before.dossier, "--readers", slides / "readers.csv", "--json")
    return Laboratory(slides, folder / "dossier", said)


def test_the_dossier_passes_and_is_as_its_schema_says(laboratory):
    assert laboratory.said.returncode == 0, laboratory.said.stderr
    told = json.loads(laboratory.said.stdout.splitlines()[-1])
    document = laboratory.document
    jsonschema.validate(document, SCHEMA)
    assert told["verdict"] == document["verdict"] == "passed"
    assert document["confusion"]["counts"] == [[1, 0, 0, 0, 0], [0, 2, 0, 0, 0], [0, 0, 1, 0, 0]]
    assert document["figures"]["sensitivity"] == {"value": 1.0, "low": None, "high": None, "groups": 2}
    assert [row["name"] for row in document["subgroups"]] == ["A", "B", "H&E"]
    right = {one["reader"]: one["accuracy"]["value"] for one in document["readers"]["readers"]}
    assert right == {"R1": 1.0, "R2": 0.75}
    without, with_tool = (one["value"] for one in document["ways"]["areas"])
    assert (without, with_tool) == (pytest.approx(0.5), 1.0) and document["ways"]["slides"] == 4
    assert any("4 slides: fewer than the 60" in note for note in document["notes"])


def test_the_plan_stands_in_the_audit_log_before_any_slide(laboratory):
    lines = [json.loads(line) for line in (laboratory.dossier / "results" / AUDIT).read_text().splitlines()]
    assert [line["event"] for line in lines] == ["commission", "run", "run", "run", "run", "dossier"]
    pinned = laboratory.document["pinned"]
    assert lines[0]["criteria_sha256"] == pinned["criteria_sha256"] and pinned["audit"]["plan_line"] == 1
    assert lines[-1]["dossier_sha256"] == json.loads(laboratory.said.stdout.splitlines()[-1])["dossier_sha256"]
    assert pulmoscope("verify", laboratory.dossier / "results").returncode == 0


def test_no_patient_is_named_in_anything_that_is_written(laboratory):
    found = [path for path in laboratory.dossier.rglob("*") if path.is_file() and PATIENT.encode() in path.read_bytes()]
    assert found == [] and PATIENT not in laboratory.said.stdout + laboratory.said.stderr


def text_of(pdf):
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    return subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True
    ).stdout.decode()


def test_the_pages_say_what_the_document_says(laboratory):
    text, document = text_of((laboratory.dossier / "dossier.pdf").read_bytes()), laboratory.document
    told = ("Passed", "Drawn lungs", "Sensitivity: at least 50.0%", "no interval: only 2 patients", "SYNTHETIC")
    for words in (*told, "without minus with"):
        assert words in text
    for digest in (document["covers"]["model"]["sha256"], document["pinned"]["criteria_sha256"]):
        assert digest in text
    assert all(slide["sha256"][:12] in text for slide in document["slides"])


def test_the_instructions_for_use_are_of_this_model_and_this_dossier(laboratory):
    document, card = laboratory.document, read_card(find_model(DEMO_MODEL))
    text = (laboratory.dossier / "instructions.html").read_text(encoding="utf-8")
    digest = hashlib.sha256((laboratory.dossier / "dossier.json").read_bytes()).hexdigest()
    told = (f"{card.name} {card.version}", card.digest, digest, document["valid_until"], "For research use only")
    shown = (*told, escape(card.intended_use), *map(escape, (*card.limits, *card.never_shown, *document["notes"])))
    assert [words for words in shown if words not in text] == []
    assert "Sensitivity: at least 50.0%" in text and "no interval: only 2 patients" in text
    assert "SYNTHETIC" in text and "<script" not in text and "http" not in text
    hostile = {**document, "title": "<b>x", "notes": ["<script>"]}
    made = render_instructions(hostile, replace(card, intended_use="<i>all</i>"), digest).decode()
    assert "<b>x" not in made and "<script" not in made and "<i>all" not in made


def test_hostile_names_are_text_on_the_pages(laboratory):
    document = laboratory.document
    document["slides"][0]["slide_id"] = "<b>&amp; <para/>"
    document["title"] = "</font> \u202e"
    text = text_of(render_pdf(document))
    assert "<b>&amp; <para/>" in text and "</font>" in text


def test_a_run_that_it_covers_tells_its_digest(laboratory, tmp_path):
    done = laboratory.run(tmp_path)
    assert done.returncode == 0, done.stderr
    digest = json.loads(laboratory.said.stdout.splitlines()[-1])["dossier_sha256"]
    [result] = stored_results(tmp_path)
    assert load_summary(result)["provenance"]["dossier"] == digest
    first = json.loads((tmp_path / AUDIT).read_text().splitlines()[0])
    assert (first["event"], first["dossier_sha256"]) == ("commissioned", digest)
    assert pulmoscope("verify", tmp_path).returncode == 0


def test_a_result_that_is_kept_tells_the_dossier_too(laboratory, tmp_path):
    plain = pulmoscope("run", laboratory.slides / "s1.svs", "--out", tmp_path, "--model", DEMO_MODEL)
    [result] = stored_results(tmp_path)
    assert plain.returncode == 0 and load_summary(result)["provenance"]["dossier"] == ""
    assert laboratory.run(tmp_path).returncode == 0
    assert load_summary(result)["provenance"]["dossier"] != "" and pulmoscope("verify", tmp_path).returncode == 0


def test_another_model_is_refused_before_anything_is_written(laboratory, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(find_model(DEMO_MODEL), copy)
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps({**card, "version": "1.0.1"}))
    done = laboratory.run(tmp_path / "out", model=copy)
    assert done.returncode == 2 and is_one_clear_line(done, "not-commissioned") and "covers model" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_altered_dossier_is_refused(laboratory, tmp_path):
    shutil.copytree(laboratory.dossier, tmp_path / "dossier")
    path = tmp_path / "dossier" / "dossier.json"
    path.write_text(path.read_text().replace('"valid_until": "20', '"valid_until": "21'))
    done = laboratory.run(tmp_path / "out", dossier=tmp_path / "dossier")
    assert done.returncode == 2 and is_one_clear_line(done, "dossier-altered")


def test_a_criterion_that_is_not_met_fails_and_holds_no_run(laboratory, tmp_path):
    strict = write_criteria(tmp_path, CRITERIA + '[[criterion]]\nfigure = "sensitivity"\nend = "low"\nat_least = 0.5\n')
    said = laboratory.commission(tmp_path / "dossier", criteria=strict)
    assert said.returncode == 1 and "NOT MET  Sensitivity, lower end: at least 50.0%" in said.stdout
    assert "it has no interval" in said.stdout
    done = laboratory.run(tmp_path / "out", dossier=tmp_path / "dossier")
    assert done.returncode == 2 and is_one_clear_line(done, "not-commissioned")


def test_a_proof_is_never_continued_under_other_criteria(laboratory, tmp_path):
    begun = tmp_path / "begun"
    shutil.copytree(laboratory.dossier, begun)
    for name in ("seal.json", "dossier.json", "dossier.pdf", "criteria.toml"):
        (begun / name).unlink()
    other = write_criteria(tmp_path, CRITERIA.replace("0.5", "0.4"))
    refused = laboratory.commission(begun, criteria=other)
    assert refused.returncode == 2 and is_one_clear_line(refused, "wrong-usage")
    readers = ("--readers", laboratory.slides / "readers.csv")
    again = laboratory.commission(begun, *readers)
    assert again.returncode == 0 and "kept" in again.stdout + again.stderr
    assert json.loads((begun / "dossier.json").read_text())["pinned"]["audit"]["plan_line"] == 1
    finished = laboratory.commission(begun, *readers)
    assert finished.returncode == 2 and "holds a dossier already" in finished.stderr
