"""Cells of a CSV: inert for a spreadsheet, and themselves again when read back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsi.files.csv_cells import FORMULA_STARTS, as_written, csv_line, inert


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])  # noqa: RUF001
@pytest.mark.parametrize("before", ["", " ", "\u200b", "\n"])
def test_no_formula_stays_one(before, start):
    assert inert(f"{before}{start}1+1") == f"'{before}{start}1+1"


@given(st.text(st.characters(exclude_characters="\0")))
def test_every_text_comes_back_and_none_begins_like_a_formula(text):
    assert as_written(inert(text)) == text
    assert next(csv.reader(io.StringIO(csv_line([inert(text), "b"]), newline=""), strict=True)) == [inert(text), "b"]
    assert not inert(text).startswith(FORMULA_STARTS)


def test_plain_text_is_left_alone():
    assert inert("case 7 = old.svs") == "case 7 = old.svs" and inert("") == ""
