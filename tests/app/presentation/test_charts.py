"""Charts: what is drawn equals what was given, and colours can be told apart."""

import colorsys
import io
import json
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from app.presentation import charts, colours
from app.presentation.tissue import tissue_shares
from tests.results import CLASSES, make_result

# Machado, Oliveira & Fernandes 2009 (doi 10.1109/TVCG.2009.113), severity 1.0, on linear RGB.
COLOUR_BLINDNESS = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


def seen(colour, matrix):
    srgb = np.array(colours.rgb(colour)) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    changed = np.clip(np.array(matrix) @ linear, 0, 1)
    return rgb2lab(np.where(changed <= 0.0031308, changed * 12.92, 1.055 * changed ** (1 / 2.4) - 0.055))


def drawn(chart):
    """The chart's Vega-Lite and the rows that it draws."""
    spec = chart.to_dict()
    (rows,) = spec["datasets"].values()
    return spec, rows


def pie_rows(classes, probabilities, background="normal"):
    return drawn(charts.probability_pie(classes, probabilities, background))


def test_slices_equal_the_probabilities():
    probabilities = (0.9123, 0.0702, 0.0175)
    spec, rows = pie_rows(CLASSES, probabilities)
    assert [row["probability"] for row in rows] == list(probabilities)
    assert [row["percent"] for row in rows] == ["91.2%", "7.0%", "1.8%"]
    assert spec["layer"][0]["mark"]["type"] == "arc"
    assert spec["layer"][0]["encoding"]["theta"]["field"] == "drawn"
    assert [row["drawn"] for row in rows] == pytest.approx(probabilities)


def test_each_slice_has_the_colour_of_its_class():
    spec, rows = pie_rows(CLASSES, (0.2, 0.3, 0.5))
    scale = spec["layer"][0]["encoding"]["color"]["scale"]
    palette = colours.class_colours(CLASSES, "normal")
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == {
        row["legend"]: palette[name] for row, name in zip(rows, CLASSES, strict=True)
    }


def test_drawn_angles_equal_the_probabilities():
    svg = ElementTree.fromstring(charts.to_svg(charts.probability_pie(("a", "b"), (0.75, 0.25), "b")))
    arcs = [e for e in svg.iter() if e.get("aria-roledescription") == "arc mark"]
    assert len(arcs) == 2
    # A quarter lies between nine and twelve o'clock, three quarters are the large arc between the same points.
    radius = charts.PIE_PX / 2 - 6
    for arc, is_large in zip(arcs, ("1", "0"), strict=True):
        numbers = re.match(r"M(.+?)L", arc.get("d")).group(1).replace("A", ",").split(",")
        x1, y1, _, _, _, large, _, x2, y2 = numbers
        ends = {(float(x1), float(y1)), (float(x2), float(y2))}
        assert ends == {(0, -radius), (-radius, 0)} and large == is_large


def test_the_pie_is_described_for_those_who_do_not_see_it():
    spec, _ = pie_rows(CLASSES, (0.9996, 0.0003, 0.0001))
    assert "Adenocarcinoma >99.9%, Normal <0.1%" in spec["description"]


def test_unknown_probabilities_are_no_pie():
    svg = charts.to_svg(charts.probability_pie(CLASSES, [math.nan] * 3, "normal"))
    assert "Cannot tell" in svg and "%" not in svg


def test_classes_that_read_alike_stay_two_slices():
    spec, rows = pie_rows(("big_cell", "big cell"), (0.5, 0.5), "x")
    assert len({row["legend"] for row in rows}) == 2
    assert len(spec["layer"][0]["encoding"]["color"]["scale"]["domain"]) == 2


def test_svg_shows_hostile_names_as_text_and_asks_for_nothing():
    hostile = ("<script>alert(1)</script>", "&amp;\u202e\x00", "normal")
    svg = charts.to_svg(charts.probability_pie(hostile, (0.3, 0.3, 0.4), "normal"))
    tree = ElementTree.fromstring(svg)
    assert "<script" not in svg
    assert not any(element.tag.endswith(("script", "image", "foreignObject")) for element in tree.iter())
    assert "<script>alert(1)</script>" in "".join(tree.itertext())


def test_shares_count_the_tiles_as_drawn():
    shares = {share.title: share for share in tissue_shares(make_result(cells="0011 u21b"))}
    assert {title: share.tiles for title, share in shares.items()} == {
        "Adenocarcinoma": 2,
        "Normal": 3,
        "Squamous cell carcinoma": 1,
        "Not recognised": 1,
        "Poor quality": 1,
    }
    assert shares["Normal"].fraction == pytest.approx(3 / 8)
    assert sum(share.fraction for share in shares.values()) == pytest.approx(1)


def test_a_slide_without_tiles_has_no_shares():
    assert tissue_shares(make_result(cells="... ...")) == ()


def test_colours_do_not_depend_on_the_order_of_classes():
    forward = colours.class_colours(CLASSES, "normal")
    backward = colours.class_colours(CLASSES[::-1], "normal")
    assert forward == backward and list(backward) == list(CLASSES[::-1])


def test_many_classes_have_many_colours():
    names = [f"class-{i}" for i in range(24)]
    palette = colours.class_colours(names, "class-0")
    assert len(set(palette.values())) == 24
    assert all(len(colour) == 7 and colour[0] == "#" for colour in palette.values())


@pytest.mark.parametrize("kind", COLOUR_BLINDNESS)
def test_the_three_classes_are_told_apart_by_colour_blind_people(kind):
    palette = list(colours.class_colours(CLASSES, "normal").values())
    labs = [seen(colour, COLOUR_BLINDNESS[kind]) for colour in palette]
    distances = [deltaE_ciede2000(a, b) for i, a in enumerate(labs) for b in labs[i + 1 :]]
    assert min(distances) > 20


def test_ink_on_each_colour_is_readable():
    for colour in colours.class_colours([f"c{i}" for i in range(12)], "c0").values():
        brightness = colorsys.rgb_to_hls(*(v / 255 for v in colours.rgb(colour)))[1]
        if brightness < 0.25:
            assert colours.readable_on(colour) == "#FFFFFF"
        if brightness > 0.75:
            assert colours.readable_on(colour) == colours.INK


@pytest.mark.parametrize(
    "probabilities",
    [
        (0.9999994, 4e-7, 2e-7),
        (1 - 1e-12, 1e-12, 0.0),
        (2e-5, 0.9999799, 1e-7),
        (0.9994, 0.0004, 0.0002),
        (0.9991, 0.00045, 0.00045),
        (1.0, 0.0, 0.0),
        (float(np.float32(0.33333334)), float(np.float32(0.33333334)), float(np.float32(0.33333334))),
        (0.0005, 0.9995, 0.0),
    ],
)
def test_the_disc_is_whole_however_sure_the_model_is(probabilities):
    chart = charts.probability_pie(CLASSES, probabilities, "normal", with_legend=False)
    with Image.open(io.BytesIO(charts.to_png(chart, 2))) as image:
        covered = (np.asarray(image.convert("RGBA"))[..., 3] > 128).mean()
    whole = math.pi * (charts.PIE_PX / 2 - 6) ** 2 / (charts.PIE_PX + 10) ** 2  # Vega pads by 5 px
    assert covered == pytest.approx(whole, abs=0.02)
    told = json.dumps(charts.probability_pie(CLASSES, probabilities, "normal").to_dict())
    assert "100%" not in told and '"0%"' not in told


def test_a_slice_that_is_a_hair_stays_in_the_legend():
    svg = charts.to_svg(charts.probability_pie(CLASSES, (0.9999994, 4e-7, 2e-7), "normal"))
    assert svg.count("&lt;0.1%") >= 2 and "&gt;99.9%" in svg
