"""Measures in words and tables: each with the sentence of what it is not, in every form and language."""

import csv
import io
import json

import numpy as np
import pytest

from aggregate.measures import measure
from app import reports
from app.presentation.language import LANGUAGES, speaking, tell
from app.presentation.measured import MEASURES_NOTE, measured
from app.reports.cohort.measures import FIGURES, measures_bytes
from tests.results import make_result

CLEAR = make_result("clear", cells="1111111 1000111 1000111 1111111 1111011", mpp=0.5, cell_px=400.0)
SILENT = make_result("silent", call="undetermined", cells="uuu")


def values(result):
    return {one.code: one.value for one in measured(result)}


def test_figures_are_written_as_people_read_them():
    assert values(CLEAR) == {
        "tumour_mm2": "0.28 mm²",
        "tumour_share": "20%",
        "foci": "1, and 1 spot of fewer than four tiles",
        "extent_mm": "0.6 mm (± 0.20 mm)",
        "edge_mm": "0.2 mm (± 0.20 mm)",
    }
    assert (
        values(make_result(cells="00 00", mpp=0.5, cell_px=400.0))["edge_mm"] == "a focus reaches it (within 0.20 mm)"
    )
    assert set(values(make_result(cells="111", call="normal"))) == {"tumour_mm2", "tumour_share", "foci"}
    assert measured(SILENT) == ()


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_figure_says_what_it_is_not(code):
    with speaking(code):
        told, note = measured(CLEAR), tell(MEASURES_NOTE)
    assert all(("not" in one.is_not.lower() or "nicht" in one.is_not.lower() or "kein" in one.is_not.lower())
               for one in told)  # fmt: skip
    assert "PD-L1" in note and ("grade" in note or "Grading" in note)
    assert "invasive size" in note or "Invasionsgröße" in note


def test_json_has_the_figures_of_the_map_and_null_where_there_is_no_call():
    told = json.loads(reports.render(CLEAR, "json"))["measures"]
    found = measure(CLEAR)
    assert told["tumour_mm2"] == found.tumour_mm2 and told["foci"] == 1 and told["extent_mm"] == found.extent_mm
    assert told["note"] == MEASURES_NOTE and len(told["in_words"]) == 5
    assert json.loads(reports.render(SILENT, "json"))["measures"] is None


def test_the_table_has_a_row_a_slide_with_its_units_and_what_they_are_not():
    rows = list(csv.DictReader(io.StringIO(measures_bytes({"a": measure(CLEAR), "b": None}).decode())))
    assert [row["slide_id"] for row in rows] == ["a", "b"]
    assert [float(rows[0][name]) for name in FIGURES] == pytest.approx(
        [0.28, 1.4, 0.2, 1, 1, 0.647, 0.2, 0.2], abs=0.01
    )
    assert rows[0]["is_not"] == MEASURES_NOTE and not any(rows[1][name] for name in (*FIGURES, "is_not"))


def test_measuring_leaves_a_result_as_it_was():
    before = CLEAR.heatmap.call.copy(), CLEAR.tiles.tissue_fraction.copy()
    measure(CLEAR)
    assert np.array_equal(before[0], CLEAR.heatmap.call) and np.array_equal(before[1], CLEAR.tiles.tissue_fraction)
