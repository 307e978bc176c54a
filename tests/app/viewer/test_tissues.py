"""Kinds of tissue on the page of a slide and in its reports: each has its own name and look."""

import csv
import io
import json
from dataclasses import replace

import pytest

from app.presentation.tissue import tissue_shares
from app.reports.csv_report import render_csv
from app.reports.geojson_report import render_geojson
from app.viewer.pages.slide.deep_zoom import _Same, drawn
from app.viewer.pages.slide.page import _told
from tests.results import make_result

FIVE = ("adenocarcinoma", "normal", "squamous_cell_carcinoma", "lymphoid", "stroma")
CELLS = """
00114
001u4
"""


def result():
    """A result of three classes and two tissues; cells as drawn: adenocarcinoma, normal, stroma."""
    drawn = make_result(classes=FIVE, probabilities=(0.9, 0.05, 0.05, 0.0, 0.0), cells=CELLS)
    decision = replace(drawn.decision, probabilities=(0.9, 0.05, 0.05))
    return replace(drawn, classes=FIVE[:3], tissues=FIVE[3:], decision=decision)


def test_the_page_knows_the_classes_and_which_tissues_are_shown():
    outputs = drawn(_Same(result()))["outputs"]
    assert [(one["title"], one["kind"]) for one in outputs][2:] == [
        ("Squamous cell carcinoma", "class"), ("Lymphoid", "tissue"), ("Stroma", "tissue")
    ]  # fmt: skip
    assert [one["shown"] for one in outputs if one["kind"] == "tissue"] == [False, True]
    assert len({one["colour"] for one in outputs}) == 5


def test_a_spot_tells_the_classes_and_the_likely_tissues():
    told = dict(_told(result(), (0.05, 0.05, 0.05, 0.05, 0.8)))
    assert told == {"adenocarcinoma": 0.05, "normal": 0.05, "squamous_cell_carcinoma": 0.05, "stroma": 0.8}


def test_the_shares_of_the_tissue_add_up():
    shares = {share.title: share for share in tissue_shares(result())}
    assert shares["Stroma"].tiles == 2 and shares["Lymphoid"].tiles == 0
    assert sum(share.fraction for share in shares.values()) == pytest.approx(1.0)
    assert shares["Stroma"].colour != shares["Normal"].colour


def test_reports_tell_tissues_by_name():
    rows = list(csv.DictReader(io.StringIO(render_csv(result()).decode())))
    assert {"p_stroma", "p_lymphoid"} <= set(rows[0]) and [row["call"] for row in rows].count("stroma") == 2
    names = {one["properties"]["classification"]["name"] for one in json.loads(render_geojson(result()))["features"]}
    assert names == {"Adenocarcinoma", "Normal", "Stroma", "Tissue without a call"}
