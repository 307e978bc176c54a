"""A database beside results may come from anybody: what no record of ours holds is one line, wherever it is read."""

import contextlib
import io

import pytest

from aggregate import store
from app.cli import main
from app.ledger.records import SlideRow, write_rows
from app.review.reviews import open_reviews
from tests.app.review.conftest import BERT, case
from tests.app.review.test_proof import change, sign
from tests.results import CLASSES, make_result
from wsi.errors import ReviewError

# Of a signed slide: what its list of states cannot take, and what only its record cannot.
STATES = (
    "UPDATE decisions SET verdict = 'perhaps'",
    "UPDATE decisions SET reading = 'third'",
    "UPDATE decisions SET at = 'yesterday'",
    "UPDATE decisions SET at = '2026-11-29T10:00:00'",
    "UPDATE decisions SET call = x'ff00'",
    "UPDATE decisions SET reviewer = x'ff00'",
    "UPDATE signatures SET at = '2026-13-45'",
    "UPDATE signatures SET reviewer = x'ff00'",
    "UPDATE addenda SET call = x'ff00'",
)
RECORDS = (
    "UPDATE decisions SET role = ''",
    "UPDATE decisions SET version = 'x'",
    "UPDATE decisions SET comment = x'ff00'",
    "UPDATE addenda SET identity = '1'",
    "UPDATE addenda SET text = x'ff00'",
    "UPDATE signatures SET screen = x'ff00'",
    *(f"UPDATE regions SET rings = '{rings}'" for rings in ("", "[", "7", "[[1]]", "[[[1e999, 0]]]", "[" * 9999)),
    "UPDATE regions SET shape = 'star'",
)


@pytest.fixture
def reviews(tmp_path):
    result = make_result("one")
    store.save(result, tmp_path)
    write_rows(tmp_path / "slides.csv", [SlideRow.of_result(result)], CLASSES)
    kept = open_reviews(tmp_path)
    sign(kept, case("one"))
    kept.add_addendum(case("one"), BERT, "p40 positive", call="squamous_cell_carcinoma")
    return kept


@pytest.mark.parametrize("statement", STATES)
def test_a_list_with_an_odd_row_is_unreadable(reviews, statement):
    assert reviews.states()["one"].addenda == 1
    change(reviews, statement)
    with pytest.raises(ReviewError, match=r"reviews\.sqlite holds what no record can hold"):
        reviews.states()


@pytest.mark.parametrize("column", ["slide_id", "result_sha256", "reviewer", "identity", "subject"])
def test_a_list_with_an_odd_region_is_unreadable(reviews, column):
    assert reviews.listed()["one"].regions == 1
    change(reviews, f"UPDATE regions SET {column} = x'ff00'")
    with pytest.raises(ReviewError, match=r"reviews\.sqlite holds what no record can hold"):
        reviews.listed()


@pytest.mark.parametrize("statement", RECORDS)
def test_a_record_with_an_odd_row_is_unreadable(reviews, statement):
    assert reviews.record("one").final is not None
    change(reviews, statement)
    with pytest.raises(ReviewError, match=r"reviews\.sqlite holds what no record can hold"):
        reviews.record("one")


@pytest.mark.parametrize(
    "command", [("report", "--out", "reports"), ("review", "list"), ("review", "export"), ("drift",)]
)
@pytest.mark.parametrize("statement", [STATES[0], RECORDS[5]])
def test_a_command_says_so_in_one_line(reviews, tmp_path, monkeypatch, command, statement):
    change(reviews, statement)
    monkeypatch.chdir(tmp_path)
    options = ("--out", "people.json") if command[-1] == "export" else ()
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told), pytest.raises(SystemExit):
        main([*command, str(tmp_path), *options])
    lines = [line for line in told.getvalue().splitlines() if "what no record can hold" in line]
    assert "internal-error" not in told.getvalue()
    # A list, and a watch over it, ask for states alone.
    assert lines or (statement in RECORDS and command[-1] in ("list", "drift"))
