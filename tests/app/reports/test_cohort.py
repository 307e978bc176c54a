"""The page of a cohort against counts made by hand; kappa against scikit-learn, and none where few signed."""

import csv
import io
import re

import pytest

from app import reports
from app.ledger.records import SlideRow
from app.presentation.language import speaking
from app.reports.cohort.summary import FEWEST_SIGNED, summarise
from app.review.records import ReviewState, ReviewStatus
from tests.app.reports.test_reports import Page


def row(number, call="adenocarcinoma", **more):
    facts = {
        "status": "done",
        "call": call,
        "confidence": 0.9,
        "seconds": float(number),
        "tissue_mm2": 10.0,
        "tiles": 100,
    }
    return SlideRow(**{"slide_id": f"s{number}", "file": f"s{number}.svs", **facts, **more})


def state(number, call, status=ReviewStatus.SIGNED):
    return ReviewState(f"s{number}", status, call=call, by="Anna")


def failed(number, code):
    return SlideRow(f"f{number}", "f.svs", "failed", error_code=code, message="told")


def counts(items):
    return {item.title: item.count for item in items}


ROWS = [
    row(1),
    row(2, "normal", status="review", review_reasons=("pen", "blur"), confidence=0.1),
    row(3, "normal", status="review", review_reasons=("pen",), confidence=0.99),
    row(4, "undetermined", status="review", review_reasons=("undetermined",), confidence=None),
    failed(5, "mpp-missing"),
    failed(6, "mpp-missing"),
    failed(7, "crashed"),
]


def test_the_case_stands_in_both_tables_where_cases_are_told_and_else_nowhere():
    def tables(cases):
        told = dict(reports.cohort_files(ROWS, cases=cases))
        return told["cohort.csv"].decode(), told["cohort.html"].decode()

    plain, page = tables(None)
    assert tables({}) == tables({"another": "S26-9"}) == (plain, page) and "case" not in plain.partition("\n")[0]
    table, page = tables({"s1": "=S26-1", "s3": "S26-3"})
    assert [line.rsplit(",", 1)[0] for line in table.splitlines()] == plain.splitlines()
    told = {line["slide_id"]: line["case"] for line in csv.DictReader(io.StringIO(table))}
    # Inert for a spreadsheet.
    assert told == {"s1": "'=S26-1", "s2": "", "s3": "S26-3", "s4": "", "f5": "", "f6": "", "f7": ""}
    assert "<bdi>s3</bdi></td><td><bdi>S26-3</bdi></td>" in page and ">Case</th>" in page


def test_everything_is_counted_once():
    summary = summarise(ROWS, {})
    assert counts(summary.calls) == {"Normal": 2, "Adenocarcinoma": 1, "Cannot tell": 1}
    assert counts(summary.failures) == {"mpp-missing": 2, "crashed": 1}
    assert counts(summary.reasons)["Pen marks on the slide"] == 2 and summary.reasons[0].fraction == 0.5
    assert [item.count for item in summary.confidence] == [1, 0, 0, 0, 2]
    assert dict(summary.spreads)["Time a slide"] == "median 2.5 s, half of them 1.8 s to 3.2 s"
    assert dict(summary.spreads)["Time of all slides together"] == "10.0 s"
    assert summary.agreement.words == "No slide is signed." and summary.agreement.table == ()


def test_agreement_is_that_of_signed_slides_alone():
    rows = [row(number, "normal" if number % 2 else "adenocarcinoma") for number in range(6)]
    states = {f"s{number}": state(number, "normal") for number in range(4)}
    states["s4"] = state(4, "normal", ReviewStatus.DECIDED)
    agreement = summarise(rows, states).agreement
    assert agreement.signed == 4 and agreement.columns == ("Normal",)
    assert agreement.table == (("Adenocarcinoma", (2,)), ("Normal", (2,)))
    assert "the same on 2 of 4 signed slides" in agreement.words
    assert f"fewer than {FEWEST_SIGNED} signed slides no kappa" in agreement.words


def test_kappa_is_told_with_its_n_and_is_that_of_scikit_learn():
    from sklearn.metrics import cohen_kappa_score

    names = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
    model = [names[number % 3] for number in range(60)]
    people = [names[(number + (number % 5 == 0)) % 3] for number in range(60)]
    rows = [row(number, call) for number, call in enumerate(model)]
    told = summarise(rows, {f"s{number}": state(number, call) for number, call in enumerate(people)}).agreement.words
    assert f"kappa {cohen_kappa_score(model, people):.2f} (95% interval 0." in told and "n = 60." in told
    assert "with the model's call in sight" in told


def test_the_interval_of_kappa_is_over_whole_cases_where_they_are_known():
    """Slides of twelve cases, of which one is read otherwise throughout: over slides the interval is too narrow."""
    model = ["adenocarcinoma" if number % 2 else "normal" for number in range(120)]
    people = [call if number >= 10 else "squamous_cell_carcinoma" for number, call in enumerate(model)]
    rows = [row(number, call) for number, call in enumerate(model)]
    states = {f"s{number}": state(number, call) for number, call in enumerate(people)}
    cases = {f"s{number}": f"S{number // 10}" for number in range(120)}

    def lower(told):
        return float(re.search(r"95% interval (\d\.\d+)", told)[1])

    over_slides, over_cases = (summarise(rows, states, known).agreement.words for known in (None, cases))
    assert lower(over_cases) < lower(over_slides) - 0.05


def test_of_one_call_alone_no_kappa_is_made_up():
    rows = [row(number) for number in range(FEWEST_SIGNED)]
    states = {f"s{number}": state(number, "adenocarcinoma") for number in range(FEWEST_SIGNED)}
    assert "is not defined" in summarise(rows, states).agreement.words


@pytest.mark.parametrize(("code", "said"), [("en", "Failures by kind"), ("de", "Fehlschläge nach Art")])
def test_the_page_shows_it_in_either_language(code, said):
    page = Page(dict(reports.cohort_files(ROWS, ("pdf", "csv"), {}, code))["cohort.html"].decode())
    assert said in page.words and "mpp-missing" in page.words and page.words.count("Anna") == 0
    links = [value for name, value in page.attributes if name == "href"]
    assert "s1.csv" in links and "f5.pdf" in links and "f5.csv" not in links  # a failed slide has no tiles
    with speaking(code):
        assert all(item.title in page.words for item in summarise(ROWS, {}).reasons)


def test_an_empty_cohort_has_a_page():
    assert "0 slides" in Page(dict(reports.cohort_files([]))["cohort.html"].decode()).words


def test_a_slide_models_columns_stand_before_the_reviews_where_a_row_has_them():
    asked = [row(1, slide_model_call="normal", slide_model_p=0.8, slide_model_set=("normal", "adenocarcinoma")), row(2)]
    for rows, has in ((asked, True), (asked[1:], False)):
        table = dict(reports.cohort_files(rows, (), {"s2": state(2, "normal")}))["cohort.csv"].decode()
        lines = {line["slide_id"]: line for line in csv.DictReader(io.StringIO(table))}
        assert ("slide_model_call" in lines["s2"]) == has and None not in lines["s2"]
        assert lines["s2"]["reviewed_call"] == "normal" and lines["s2"]["reviewer"] == "Anna"
    first = next(csv.DictReader(io.StringIO(dict(reports.cohort_files(asked))["cohort.csv"].decode())))
    assert first["slide_model_call"] == "normal" and first["review"] == "unreviewed"
