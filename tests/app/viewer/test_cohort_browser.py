"""Thirty painted cases from the manifest to signed reports: run by the command, read and signed in headless Chromium.

Each slide's truth is known, so each case's call is; slides are run once with their cases and once without.
"""

import csv
import json
import shutil
import subprocess
import sys

import pytest

from aggregate import store
from app.ledger.cases.members import read_members
from app.ledger.records import read_rows
from app.presentation.case_words import case_reason
from app.presentation.words import class_title
from app.reports.case.render import case_stem
from app.review.proof import prove
from classifier.model_folder.find import DEMO_MODEL
from tests.app.viewer.browser import CHROMIUM
from tests.app.viewer.conftest import serving
from tests.app.viewer.test_deciding_browser import press, settled
from tests.cases import AD, NORMAL, SCC, made_cases
from tests.conftest import REPOSITORY
from tests.painted_cases import origin_of, paint_cohort

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]
CASES = {case.name: case for case in made_cases()}
SMALL, DISCORDANT, FAILED, CLEAR = ("26/0001", "26/0002"), ("26/0003", "26/0004"), "26/0005", "26/0009"
READER = "Anna Reader"
# What the reader decides: the button, the call that results.
DECIDED = {CLEAR: ("agree", AD), DISCORDANT[0]: ("change", SCC), FAILED: ("cannot-tell", "undetermined")}


def pulmoscope(*arguments, code=0):
    command = [sys.executable, "-m", "app.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("painted")
    paint_cohort(folder, list(CASES.values()))
    return folder


def run(slides, out, manifest):
    pulmoscope("run", "--manifest", slides / manifest, "--out", out, "--model", DEMO_MODEL, code=1)  # a slide failed
    return out


@pytest.fixture(scope="module")
def out(slides, tmp_path_factory):
    return run(slides, tmp_path_factory.mktemp("cohort") / "out", "with-cases.csv")


@pytest.fixture(scope="module")
def server(out, tmp_path_factory):
    with serving(out, tmp_path_factory.mktemp("server")) as address:
        yield address


def address_of(out, case):
    return next(f"/?case={one.token}" for one in read_members(out).values() if one.case == case)


def listed(page):
    """The list of cases as it is read: a row's cells, from the top."""
    page.goto("/?page=cases")
    page.get_by_test_id("case-row").first.wait_for()
    return page.get_by_test_id("case-row").evaluate_all("rows => rows.map(row => [...row.cells].map(c => c.innerText))")


def truth_of(case):
    """The first six cells of its row."""
    call = class_title(case.call) + (" on the 2 of 3 slides that could be judged" if case.name == FAILED else "")
    origin = origin_of(case)
    return [
        case.name,
        "To review" if case.reasons else "Done",
        call,
        str(len(case.slides)),
        f"{origin[-1]}1 {origin}" if origin else "",
        "; ".join(case_reason(code).title for code in case.reasons),
    ]


def in_order(cases):
    """Names as the list has them of what is signed alike: to review and no tumour, to review, tumours, the others."""

    def place(name):
        tumour = cases[name].call != NORMAL
        return ((0, 1) if cases[name].reasons else (3, 2))[tumour], name

    return sorted(cases, key=place)


def open_case(page, out, case):
    page.goto(address_of(out, case))
    page.get_by_test_id("case-call").wait_for()
    pictures = "() => [...document.querySelectorAll('.ps-case img')].every(one => one.naturalWidth > 0)"
    page.wait_for_function(pictures)
    return page.inner_text("[data-testid=stMain]")


def framed(page, look):
    return page.locator(f".ps-case a.{look}").evaluate_all("all => all.map(one => one.dataset.slideId)")


def test_the_list_tells_each_case_as_its_truth_demands(page, out):
    rows = listed(page)
    assert len(rows) == 30
    assert {row[0]: row[:6] for row in rows} == {name: truth_of(case) for name, case in CASES.items()}
    assert {row[6] for row in rows} == {"unsigned"}
    assert [row[0] for row in rows] == in_order(CASES)


@pytest.mark.parametrize("case", SMALL)
def test_a_small_tumour_on_one_slide_is_the_case_s_and_its_slide_is_named(page, out, case):
    told, origin = open_case(page, out, case), origin_of(CASES[case])
    assert page.get_by_test_id("case-call").inner_text() == class_title(AD)
    count = len(CASES[case].slides)
    assert f"The call is that of slide {origin}, the only one of {count} that is called a tumour." in told
    assert "Tumour on one slide alone" in told and told.count("no tumour called") == count - 1
    assert framed(page, "ps-origin") == [origin] and framed(page, "ps-odd") == []


@pytest.mark.parametrize("case", DISCORDANT)
def test_slides_that_disagree_are_told_and_shown(page, out, case):
    told, made = open_case(page, out, case), CASES[case]
    other = [made.slide_id(at) for at, kind in enumerate(made.slides) if kind not in (made.call, NORMAL)]
    assert page.get_by_test_id("case-call").inner_text() == class_title(made.call)
    assert "Slides of one case are called different tumours" in told and "another tumour" in told
    assert (framed(page, "ps-origin"), framed(page, "ps-odd")) == ([origin_of(made)], other)


def test_a_case_with_a_failed_slide_says_so(page, out):
    told = open_case(page, out, FAILED)
    assert "No tumour was found on the 2 of 3 slides that could be judged" in told
    assert "A slide of the case has no result" in told and "No result: corrupt-slide" in told
    assert framed(page, "ps-silent") == [CASES[FAILED].slide_id(1)]
    assert page.locator(".ps-case img").count() == 4


def decide(page, out, case):
    """As a person does: the page of the case, a decision, the signature."""
    choice, call = DECIDED[case]
    open_case(page, out, case)
    if page.get_by_label("Your name").count():
        page.get_by_label("Your name").fill(READER)
        press(page, "name-said")
        page.locator(".st-key-person").get_by_text("name not checked").wait_for()
    press(page, f"decide-{choice}")
    if choice == "change":
        press(page, f"call-{call}")
    settled(page, "a person has decided, and has not signed")
    press(page, "sign")
    settled(page, f"signed by {READER}")


def reports_of(out, folder):
    pulmoscope("report", out, "--by-case", "--out", folder, "--format", "html,pdf,json")
    with (folder / "cases.csv").open(newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def test_cases_are_signed_locked_and_reported(page, out, tmp_path):
    for case in DECIDED:
        decide(page, out, case)
    for case in DECIDED:
        open_case(page, out, case)
        settled(page, f"signed by {READER}")
        assert page.locator(".st-key-sign, .st-key-decision").count() == 0
    rows = listed(page)
    assert [row[0] for row in rows[-3:]] == in_order({name: CASES[name] for name in DECIDED})
    assert [row[0] for row in rows if READER in row[6]] == [row[0] for row in rows[-3:]]
    assert {row[0]: row[:6] for row in rows} == {name: truth_of(case) for name, case in CASES.items()}
    proof = prove(out)
    assert (proof.problems, proof.records) == ([], 3)
    table = reports_of(out, tmp_path)
    assert list(table) == list(CASES)
    for name, case in CASES.items():
        check_row(table[name], case)
        check_reports(tmp_path, case)


def check_row(row, case):
    assert (row["call"], row["slides"]) == (case.call, str(len(case.slides)))
    assert row["origin_slide"] == origin_of(case) or case.call == NORMAL
    assert (row["failed"], row["missing"]) == ("1" if case.name == FAILED else "0", "")
    assert row["review_reasons"] == ";".join(case.reasons)
    signed = case.name in DECIDED
    assert row["review"] == ("signed" if signed else "unreviewed")
    assert row["reviewer"] == (READER if signed else "")
    assert row["reviewed_call"] == (DECIDED[case.name][1] if signed else "")


def check_reports(folder, case):
    """Call, every slide and the signature, in each form."""
    stem, signed = case_stem(case.name), case.name in DECIDED
    ids = [case.slide_id(at) for at in range(len(case.slides))]
    told = json.loads((folder / f"{stem}.json").read_text())
    assert (told["case"], told["call"]) == (case.name, case.call)
    assert [slide["slide_id"] for slide in told["slides"]] == ids
    readings = told["review"]["readings"]
    assert [reading["signature"]["by"]["name"] for reading in readings] == [READER] * signed
    for text in (html_of(folder / f"{stem}.html"), pdf_of(folder / f"{stem}.pdf")):
        assert class_title(case.call) in text and all(slide_id in text for slide_id in ids)
        assert (f"Signed by {READER}" in text) == signed


def html_of(path):
    return path.read_text(encoding="utf-8")


def pdf_of(path):
    """On one line; without a program that reads PDF what the page says."""
    if not shutil.which("pdftotext"):
        return html_of(path.with_suffix(".html"))
    text = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True, check=True).stdout
    return " ".join(text.split())


def test_results_are_what_they_are_without_cases(slides, out, tmp_path):
    plain = run(slides, tmp_path / "plain", "without.csv")
    assert not (plain / "cases.csv").exists()
    rows = read_rows(plain / "slides.csv")
    assert len(rows) == sum(len(case.slides) for case in CASES.values())
    done = {row.slide_id for row in rows if row.status != "failed"}
    assert {row.slide_id for row in rows} - done == {CASES[FAILED].slide_id(1)}
    for slide_id in done:
        paths = [store.result_path(folder, slide_id) for folder in (out, plain)]
        with_cases, without = map(store.committed_digest, paths)
        assert with_cases == without, slide_id


@pytest.mark.parametrize("shade", ["light", "dark"])
def test_axe_has_nothing_to_object_to(page, out, shade):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=shade)
    listed(page)
    assert axe.run(page).response["violations"] == []
    for case in (DISCORDANT[0], FAILED):
        open_case(page, out, case)
        found = axe.run(page).response["violations"]
        assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []
