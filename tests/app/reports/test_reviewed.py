"""What people decided in every report: a report of an unsigned result says so, a signed one says by whom and when."""

import csv
import io
import json
import shutil
import subprocess

import pytest

from aggregate import store
from app.commands.report import write_reports
from app.ledger.records import SlideRow, write_rows
from app.reports import ReportOptions, render, write_cohort
from app.reports.content.reviewed import describe_review
from app.review.people import Person
from app.review.records import Case, ReadingName, Shape, Verdict
from app.review.reviews import open_reviews
from tests.results import CLASSES, make_result

ANNA, BERT = Person("Anna <b>Reader</b>"), Person("Bert")
SQUARE = [[(500, 600), (900, 600), (900, 1000), (500, 1000)]]
UNSIGNED = "Unsigned: no person has decided on this result."


@pytest.fixture
def output(tmp_path):
    """Three results; `signed` is signed with a region and an addendum, `draft` is decided only."""
    results = [make_result(name) for name in ("signed", "draft", "untouched")]
    for result in results:
        store.save(result, tmp_path)
    write_rows(tmp_path / "slides.csv", [SlideRow.of_result(result) for result in results], CLASSES)
    reviews = open_reviews(tmp_path)
    of = case(tmp_path, "signed")
    reviews.decide(of, Verdict.CHANGED, ANNA, call="normal", comment_text="a scar\n=1+1 & <i>no tumour</i>")
    reviews.add_region(of, ANNA, Shape.RECTANGLE, SQUARE, class_name="normal", comment_text="scar")
    seen = reviews.record("signed").final.content_sha256
    reviews.sign(of, ANNA, content_sha256=seen, screen={"layer": "call"})
    reviews.add_addendum(of, BERT, "second opinion sought", call="squamous_cell_carcinoma")
    reviews.decide(case(tmp_path, "draft"), Verdict.CANNOT_TELL, ANNA)
    return tmp_path


def case(output, name):
    path = store.result_path(output, name)
    return Case.of(store.load(path), store.committed_digests(path)["result_sha256"])


def pdf_text(pdf):
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def record(output, name):
    return open_reviews(output).record(name)


@pytest.mark.parametrize(
    ("screen", "told"),
    [
        ({"coverage": {"share": {"10": 0.4693}}}, "47% of the tissue at 10x or more"),
        ({"layer": "call"}, ""),
        ({"coverage": {"share": {"10": "much"}}}, ""),
        ({"coverage": {"share": {"10": 4}}}, ""),
    ],
)
def test_what_was_on_the_screen_before_the_signature_is_told_where_it_was_kept(output, screen, told):
    reviews, of = open_reviews(output), case(output, "untouched")
    reviews.decide(of, Verdict.AGREE, BERT)
    seen = reviews.record("untouched").final.content_sha256
    reviews.sign(of, BERT, content_sha256=seen, screen=screen)
    rows = [row for _, table in describe_review(record(output, "untouched")).readings for row in table]
    assert dict(rows).get("On the screen before that", "") == told


def test_reports_of_what_nobody_signed_say_so(output):
    result = make_result("untouched")
    assert UNSIGNED in render(result, "html").decode() and UNSIGNED in pdf_text(render(result, "pdf"))
    assert json.loads(render(result, "json"))["review"] == {
        "status": "unreviewed", "in_words": UNSIGNED, "readings": [],
    }  # fmt: skip
    draft = render(make_result("draft"), "html", record(output, "draft")).decode()
    assert "Unsigned: a person has decided, and has not signed." in draft and "Cannot tell" in draft
    assert "Name and signature" in draft  # there is room to write in


def test_a_signed_report_tells_who_decided_what_and_when(output):
    result, kept = make_result("signed"), record(output, "signed")
    page, text = render(result, "html", kept).decode(), pdf_text(render(result, "pdf", kept))
    signature = kept.final.signature
    for told in (page, text):
        assert "Changed to Normal" in told and "second opinion sought" in told
        assert "the call is now Squamous cell carcinoma" in told and signature.digest[:30] in told
        assert "Name and signature" not in told and UNSIGNED not in told
    assert "Anna &lt;b&gt;Reader&lt;/b&gt;" in page and "<i>no tumour" not in page
    assert "Signed by Anna <b>Reader</b> (reviewer; name stated, not checked by a login)" in text
    # Below the model's call in large letters, and not in a table further down alone.
    first = text[: text.index("HEATMAP")]
    assert "Changed to Normal; the call is now Squamous cell carcinoma." in first
    facts = json.loads(render(result, "json", kept))["review"]
    assert (facts["status"], facts["call"]) == ("signed", "squamous_cell_carcinoma")
    [reading] = facts["readings"]
    assert reading["signature"]["sha256"] == signature.digest
    assert reading["decisions"][0]["comment"] == "a scar\n=1+1 & <i>no tumour</i>"
    assert reading["addenda"][0]["by"]["name"] == "Bert"


def test_the_regions_of_people_are_in_the_geojson(output):
    result, kept = make_result("signed", bounds_px=(100, 50, 4000, 2500)), record(output, "signed")
    plain = {one["id"] for one in json.loads(render(result, "geojson"))["features"]}
    collection = json.loads(render(result, "geojson", kept))
    [feature] = [one for one in collection["features"] if one["id"] not in plain]
    assert feature["geometry"]["coordinates"] == [
        [[400.0, 550.0], [800.0, 550.0], [800.0, 950.0], [400.0, 950.0], [400.0, 550.0]]
    ]
    told = feature["properties"]
    assert told["classification"]["name"] == "Normal" and told["isLocked"] and told["objectType"] == "annotation"
    assert told["metadata"]["comment"] == "scar" and "Anna" in told["metadata"]["by"]
    assert told["measurements"]["Area mm^2"] == pytest.approx((400 * 0.499 / 1000) ** 2)
    whole = json.loads(render(result, "geojson", kept, ReportOptions(whole_canvas=True)))["features"][-1]
    assert whole["geometry"]["coordinates"][0][0] == [500.0, 600.0]


def test_the_command_writes_decisions_and_the_cohort(output, tmp_path):
    written, problems = write_reports(output, tmp_path / "reports", ["json"])
    assert problems == [] and len(written) == 5
    rows = {row["slide_id"]: row for row in csv.DictReader(io.StringIO((tmp_path / "reports/cohort.csv").read_text()))}
    told = {name: (row["review"], row["verdict"], row["reviewed_call"], row["addenda"]) for name, row in rows.items()}
    assert told == {
        "signed": ("signed", "changed", "squamous_cell_carcinoma", "1"),
        "draft": ("decided", "cannot-tell", "undetermined", ""),
        "untouched": ("unreviewed", "", "", ""),
    }
    page = (tmp_path / "reports" / "cohort.html").read_text()
    assert "Squamous cell carcinoma: signed, Anna &lt;b&gt;Reader&lt;/b&gt;" in page and ">unsigned<" in page
    assert json.loads((tmp_path / "reports" / "signed.json").read_text())["review"]["status"] == "signed"


def test_a_signature_under_an_earlier_result_is_not_told_of_a_new_one(output, tmp_path):
    store.save(make_result("signed", call="normal", cells="1", probabilities=(0.1, 0.8, 0.1)), output)
    write_reports(output, tmp_path / "reports", ["json"])
    facts = json.loads((tmp_path / "reports" / "signed.json").read_text())["review"]
    assert facts["status"] == "unreviewed"
    [row] = [r for r in csv.DictReader((tmp_path / "reports/cohort.csv").open()) if r["slide_id"] == "signed"]
    assert row["review"] == "unreviewed"


def test_a_cohort_without_a_database_has_the_columns_all_the_same(tmp_path):
    table, _ = write_cohort([make_result("one")], tmp_path)
    [row] = csv.DictReader(table.open())
    assert row["review"] == "unreviewed" and row["reviewer"] == ""


def test_two_signed_readings_that_differ_are_no_signed_report(tmp_path):
    """Neither counts before there is a consensus, whoever signed first."""
    result = make_result("two")
    store.save(result, tmp_path)
    reviews, of = open_reviews(tmp_path, second_reading=True), case(tmp_path, "two")
    for who, call, name in ((ANNA, "normal", "first"), (BERT, "squamous_cell_carcinoma", "second")):
        reviews.decide(of, Verdict.CHANGED, who, call=call)
        seen = reviews.record("two").reading(ReadingName(name)).content_sha256
        reviews.sign(of, who, content_sha256=seen, screen={})
    told = json.loads(render(result, "json", reviews.record("two")))["review"]
    assert told["in_words"] == "Unsigned: two signed readings differ, and there is no consensus yet."
    assert told["status"] == "decided" and [one["status"] for one in told["readings"]] == ["signed", "signed"]
    assert "two signed readings differ" in render(result, "html", reviews.record("two")).decode()
    reviews.decide(of, Verdict.CHANGED, BERT, call="normal")
    seen = reviews.record("two").reading(ReadingName.CONSENSUS).content_sha256
    reviews.sign(of, BERT, content_sha256=seen, screen={})
    told = json.loads(render(result, "json", reviews.record("two")))["review"]
    assert told["status"] == "signed" and told["in_words"].startswith("Signed by Bert")
