"""Which slide is of which case, and the table of cases of a made cohort whose answer is known."""

import csv

import pytest

from aggregate import store
from app.ledger.cases.members import TOKEN, note_members, read_members
from app.ledger.cases.rows import CASES_CSV, case_rows, write_cases
from app.ledger.cases.told import SLIDE_CASES
from app.ledger.prepare import prepare_output
from tests.cases import AD, NORMAL, made_cases, made_result, write_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    out = tmp_path_factory.mktemp("cohort")
    return out, write_cohort(out)


def test_the_made_cohort_is_called_as_it_was_made(cohort):
    out, cases = cohort
    assert len(cases) == 30 and {len(case.slides) for case in cases} == {1, 2, 3, 4, 5}
    rows = {row.case: row for row in case_rows(out)}
    for case in cases:
        row = rows[case.name]
        assert (row.told.call, row.told.review_reasons) == (case.call, case.reasons), case
        assert len(row.members) == len(case.slides)
        origin = case.slides[[case.slide_id(at) for at in range(len(case.slides))].index(row.told.origin)]
        assert origin == case.call or (origin == "small" and case.call == AD)


def test_the_table_has_a_row_a_case(cohort):
    out, cases = cohort
    with (out / CASES_CSV).open(newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert list(rows) == sorted(case.name for case in cases)
    one = rows["26/0003"]
    assert (one["blocks"], one["slides"], one["status"], one["call"]) == ("A1;B1;C1", "3", "review", AD)
    assert one["origin_slide"] == "26-0003-A" and one["origin_block"] == "A1"
    assert one["slide_calls"] == "adenocarcinoma 2;squamous_cell_carcinoma 1" and float(one[f"p_{AD}"]) == 0.93
    failed = rows["26/0005"]
    assert (failed["judged"], failed["failed"], failed["review_reasons"]) == ("2", "1", "slide-failed")


def test_results_are_what_they_are_without_a_case(cohort, tmp_path):
    out, _ = cohort
    for slide_id, kind in (("26-0001-C", "small"), ("26-0005-A", NORMAL)):
        alone = made_result(slide_id, kind)
        store.save(alone, tmp_path)
        assert store.committed_digest(out / f"{slide_id}.zarr") == store.committed_digest(tmp_path / f"{slide_id}.zarr")
        texts = [path.read_text() for path in (out / f"{slide_id}.zarr").rglob("*.json")]
        assert not any("26/0001" in text or "case" in text for text in texts)


def test_a_case_keeps_its_token_and_a_slide_may_leave_it(tmp_path):
    prepare_output(tmp_path)
    note_members(tmp_path, {"a": ("S1", "A"), "b": ("S1", ""), "c": ("=S2", "A1")})
    first = read_members(tmp_path)
    assert first["a"].token == first["b"].token != first["c"].token and TOKEN.fullmatch(first["a"].token)
    assert first["c"].case == "=S2" and "\n'=S2" not in (tmp_path / SLIDE_CASES).read_text()
    assert ",'=S2," in (tmp_path / SLIDE_CASES).read_text()  # inert for a spreadsheet
    note_members(tmp_path, {"b": ("", ""), "d": ("S1", "B")})
    then = read_members(tmp_path)
    assert set(then) == {"a", "c", "d"} and then["d"].token == first["a"].token
    note_members(tmp_path, {})
    assert read_members(tmp_path) == then


def test_what_is_no_table_of_cases_has_none(tmp_path):
    prepare_output(tmp_path)
    assert read_members(tmp_path) == {} and not write_cases(tmp_path) and not (tmp_path / CASES_CSV).exists()
    for content in (b"\xff\xfe", b"slide_id,case\na,b\n", b"slide_id,case,block,case_token\na,S1,,~case-../..\n"):
        (tmp_path / SLIDE_CASES).write_bytes(content)
        assert read_members(tmp_path) == {}


def test_a_slide_that_was_told_and_not_run_leaves_the_case_open(tmp_path):
    case = made_cases()[5]
    write_cohort(tmp_path, [case])
    note_members(tmp_path, {"later": (case.name, "Z9")})
    [row] = case_rows(tmp_path)
    assert row.told.review_reasons[-1] == "slide-failed" and row.told.silent == ("later",)
    assert row.members[-1].row.error_code == "not-run"
