"""Kinds of tissue on the page of a slide and in its reports: each has its own name and look."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from app.presentation.tissue import tissue_shares
from app.reports.csv_report import render_csv
from app.reports.geojson_report import render_geojson
from app.viewer.pages.slide.page import LayerChoice, _told, picture
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


def test_the_legend_names_the_classes_and_the_tissues_that_are_shown():
    titles = [item.title for item in picture(result(), LayerChoice("call", 0.4)).legend]
    assert titles[:4] == ["Adenocarcinoma", "Normal", "Squamous cell carcinoma", "Stroma"]
    assert "Lymphoid" not in titles


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


def test_the_layer_of_cells_has_the_colours_of_the_legend():
    shown = picture(result(), LayerChoice("call", 0.4))
    stroma = next(item.colour for item in shown.legend if item.title == "Stroma")
    assert tuple(shown.layer[0, 4, :3]) == tuple(int(stroma[i : i + 2], 16) for i in (1, 3, 5))
    assert np.all(shown.layer[1, 3, 3] == 0)
