"""Reports of cases: of a made cohort, what each case is called, from which slide, and who signed it."""

import csv
import json

import pytest
from click.testing import CliRunner

from app.cli import cli
from app.ledger.cases.rows import case_rows
from app.reports.case.render import case_stem
from app.review.cases import case_to_decide
from app.review.people import Person
from app.review.records import Verdict
from app.review.reviews import open_reviews
from tests.app.reports.pdfa import problems
from tests.app.reports.test_filed import text_of
from tests.app.reports.test_reports import Page
from tests.cases import AD, made_cases, write_cohort

CHOSEN = {"26/0001": 0, "26/0003": 2, "26/0005": 4}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Four cases, of which one is signed, and their reports."""
    out, reports = tmp_path_factory.mktemp("cohort"), tmp_path_factory.mktemp("reports")
    cases = made_cases()
    write_cohort(out, [cases[at] for at in (0, 2, 4, 7)])
    [row] = [row for row in case_rows(out) if row.case == "26/0003"]
    case, who, kept = case_to_decide(row), Person("Anna Reader"), open_reviews(out)
    kept.decide(case, Verdict.AGREE, who, comment_text="Both blocks seen")
    reading = kept.record(case.slide_id, case.result_sha256).readings[0]
    kept.sign(case, who, content_sha256=reading.content_sha256, screen={})
    arguments = ["report", str(out), "--by-case", "--out", str(reports), "--format", "html,pdf,json"]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    return out, reports


def told(folder, case):
    return json.loads((folder / f"{case_stem(case)}.json").read_text())


def test_there_is_a_report_a_case_and_no_slide_s(reports):
    out, folder = reports
    stems = [case_stem(row.case) for row in case_rows(out)]
    wanted = {f"{stem}.{form}" for stem in stems for form in ("html", "pdf", "json")} | {"cases.csv"}
    assert {path.name for path in folder.iterdir()} == wanted


def test_json_tells_call_origin_and_each_slide(reports):
    case = told(reports[1], "26/0001")
    assert (case["call"], case["origin"]["slide_id"], case["origin"]["block"]) == (AD, "26-0001-C", "C1")
    assert [reason["code"] for reason in case["review_reasons"]] == ["tumour-on-one-slide"]
    assert len(case["slides"]) == 5 and all(slide["result_sha256"] for slide in case["slides"])
    assert case["slides_without_tumour"] == ["26-0001-A", "26-0001-B", "26-0001-D", "26-0001-E"]
    failed = told(reports[1], "26/0005")
    assert failed["slides_without_call"] == ["26-0005-B"] and "2 of 3 slides" in failed["call_in_words"]
    assert [slide["error_code"] for slide in failed["slides"]] == [None, "corrupt-slide", None]


def test_the_page_tells_discordant_slides_and_who_signed_the_case(reports):
    page = Page((reports[1] / f"{case_stem('26/0003')}.html").read_text(encoding="utf-8"))
    assert "Slides of one case are called different tumours" in page.words
    assert "26-0003-C Squamous cell carcinoma another tumour" in page.words
    assert "slide of origin" in page.words and "Both blocks seen" in page.words
    assert "Signed by Anna Reader" in page.words and "Own reading of the slide" not in page.words
    assert page.tags.count("img") == 3 and "script" not in page.tags
    failed = Page((reports[1] / f"{case_stem('26/0005')}.html").read_text(encoding="utf-8"))
    assert "corrupt-slide: it broke off" in failed.words and failed.tags.count("img") == 2
    assert "Normal on the 2 of 3 slides that could be judged" in failed.words


def test_the_pdf_is_archival(reports):
    for path in reports[1].glob("*.pdf"):
        assert problems(path.read_bytes()) == []


def test_the_lines_to_sign_on_stay_together(reports, tmp_path):
    """They once lay on two pages, the second with nothing else on it."""
    arguments = ["report", str(reports[0]), "--by-case", "--out", str(tmp_path), "--format", "pdf", "--language", "de"]
    assert CliRunner().invoke(cli, arguments, standalone_mode=False).exception is None
    pages = text_of((tmp_path / f"{case_stem('26/0001')}.pdf").read_bytes()).rstrip("\f").split("\f")
    [signed_on] = [page for page in pages if "Eigene Beurteilung" in page]
    assert "Name und Unterschrift" in signed_on and len(pages) == 1


def test_the_table_tells_who_signed(reports):
    with (reports[1] / "cases.csv").open(newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert [rows["26/0003"][name] for name in ("review", "verdict", "reviewer")] == ["signed", "agree", "Anna Reader"]
    assert rows["26/0001"]["review"] == "unreviewed" and rows["26/0001"]["reviewer"] == ""


def test_reports_of_slides_have_the_case_that_the_run_was_told(reports, tmp_path):
    out, _ = reports
    arguments = ["report", str(out), "--out", str(tmp_path), "--format", "json"]
    assert CliRunner().invoke(cli, arguments, standalone_mode=False).exception is None
    assert json.loads((tmp_path / "26-0003-A.json").read_text())["case"] == "26/0003"


def test_without_cases_it_says_what_to_do(tmp_path):
    write_cohort(tmp_path, [])
    done = CliRunner().invoke(cli, ["report", str(tmp_path), "--by-case", "--out", str(tmp_path / "r")])
    assert "no case is known" in str(done.exception) and "--manifest" in str(done.exception)


def test_names_of_cases_never_share_a_file():
    names = ["26/1", "26_1", "26 1", "..", "", "a" * 64, "檔"]
    stems = [case_stem(name) for name in names]
    assert len(set(stems)) == len(names) and not any("/" in stem or stem in (".", "..") for stem in stems)
