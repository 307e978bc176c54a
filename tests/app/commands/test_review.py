"""`pulmoscope review`: the list, the export, and regions that go to QuPath and come back."""

import contextlib
import csv
import io
import json

import pytest

from aggregate import store
from app.cli import main
from app.ledger.records import SlideRow, write_rows
from app.reports import render
from app.review.people import Person
from app.review.records import Case, ReadingName, Shape, Verdict
from app.review.reviews import open_reviews
from tests.results import CLASSES, make_result

ANNA = Person("=Anna")
FIRST = ReadingName.FIRST
TRIANGLE = [[100.0, 200.0], [300.0, 200.0], [300.0, 400.0], [100.0, 200.0]]
HOLE = [[150.0, 210.0], [160.0, 210.0], [160.0, 220.0], [150.0, 210.0]]


@pytest.fixture
def output(tmp_path):
    result = make_result("one", bounds_px=(50, 40, 5000, 2500))
    store.save(result, tmp_path)
    write_rows(tmp_path / "slides.csv", [SlideRow.of_result(result)], CLASSES)
    return tmp_path


def case(output):
    path = output / "one.zarr"
    return Case.of(store.load(path), store.committed_digests(path)["result_sha256"])


def run(*words):
    told, wrong = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(wrong), pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return ended.value.code, told.getvalue(), wrong.getvalue()


def bring(output, features, *more):
    file = output / "drawn.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return run("review", "import", file, "--results", output, "--slide", "one", "--reviewer", "Anna", "--json", *more)


def feature(coordinates, kind="Polygon", **more):
    properties = {"classification": {"name": "Tumour"}, "metadata": {"comment": "solid"}}
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties, **more}


def regions(output):
    return open_reviews(output).record("one").reading(FIRST).regions


def test_the_list_and_the_export_tell_who_decided(output):
    assert run("review", "list", output)[1] == "nobody has decided on anything here\n"
    open_reviews(output).decide(case(output), Verdict.CANNOT_TELL, ANNA, comment_text="blurred")
    assert "one: Cannot tell, decided by =Anna" in run("review", "list", output)[1]
    [state] = json.loads(run("review", "list", output, "--json")[1])
    assert (state["status"], state["verdict"], state["reviewer"]) == ("decided", "cannot-tell", "=Anna")
    assert run("review", "export", output, "--out", output / "x" / "all.csv")[0] == 0
    [row] = csv.DictReader((output / "x" / "all.csv").open())
    assert row["reviewer"] == "'=Anna" and row["call"] == "undetermined"
    run("review", "export", output, "--out", output / "all.json")
    [slide] = json.loads((output / "all.json").read_text())["slides"]
    assert slide["readings"][0]["decisions"][0]["comment"] == "blurred"


def test_what_was_drawn_in_qupath_comes_in_on_the_canvas(output):
    drawn = [
        feature([TRIANGLE, HOLE]),
        feature([[[TRIANGLE[0]]]], "Point"),
        feature([[TRIANGLE], [TRIANGLE]], "MultiPolygon"),
    ]
    code, told, _ = bring(output, drawn)
    assert code == 0 and json.loads(told) == {"added": 3, "known": 0, "no_area": 1}
    first = regions(output)[0]
    assert first.rings[0] == ((150.0, 240.0), (350.0, 240.0), (350.0, 440.0)) and len(first.rings) == 2
    assert (first.class_name, first.comment, first.by.name, first.shape) == ("Tumour", "solid", "Anna", Shape.POLYGON)
    bring(output, [feature([TRIANGLE])], "--whole-canvas")
    assert regions(output)[-1].rings[0][0] == (100.0, 200.0)


def test_an_export_that_comes_back_adds_nothing(output):
    reviews, square = open_reviews(output), [[(60, 60), (90, 60), (90, 90), (60, 90)]]
    kept = reviews.add_region(case(output), Person("Anna"), Shape.RECTANGLE, square, class_name="normal")
    features = json.loads(render(store.load(output / "one.zarr"), "geojson", reviews.record("one")))["features"]
    assert len(features) > 3
    code, told, _ = bring(output, features)
    assert code == 0 and json.loads(told) == {"added": 0, "known": 1, "no_area": 0}
    assert regions(output) == (kept,)


def test_a_rectangle_stays_one(output):
    square = [[60.0, 60.0], [90.0, 60.0], [90.0, 90.0], [60.0, 90.0], [60.0, 60.0]]
    bring(output, [feature([square], id="6d3c61f5-5be2-4a53-9f4b-9d5f0cf1c7a4")])
    assert [(one.shape, one.region_id[:8]) for one in regions(output)] == [(Shape.RECTANGLE, "6d3c61f5")]


def test_a_class_that_goes_out_by_its_title_comes_back_as_the_class(output):
    named = {"classification": {"name": "Squamous cell carcinoma"}}
    bring(output, [{**feature([TRIANGLE]), "properties": named}, feature([TRIANGLE])])
    assert [one.class_name for one in regions(output)] == ["squamous_cell_carcinoma", "Tumour"]


def test_nothing_comes_into_a_signed_reading(output):
    reviews = open_reviews(output)
    reviews.decide(case(output), Verdict.AGREE, ANNA)
    seen = reviews.record("one").final.content_sha256
    reviews.sign(case(output), ANNA, content_sha256=seen, screen={})
    code, _, wrong = bring(output, [feature([TRIANGLE])])
    assert code == 1 and wrong.startswith("pulmoscope: review-signed: this slide is signed") and regions(output) == ()


def polygon(coordinates):
    return b'{"features": [{"geometry": {"type": "Polygon", "coordinates": ' + coordinates + b"}}]}"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}", b"[1]", b'{"features": 3}', b"\xff\xfe", b"[" * 100_000),
        *(polygon(b'[[["a", 1], [2, 3], [4, 5]]]'), polygon(b"[[[1e400, 1], [2, 3], [4, 5]]]"), polygon(b"7")),
    ],
)
def test_what_is_no_geojson_is_one_line(output, content):
    (output / "bad.geojson").write_bytes(content)
    code, _, wrong = run(
        "review", "import", output / "bad.geojson", "--results", output, "--slide", "one", "--reviewer", "Anna"
    )
    assert code == 2 and wrong.startswith("pulmoscope: wrong-usage:") and wrong.count("\n") == 1
    assert regions(output) == ()


@pytest.mark.parametrize("slide", ["two", "../one", "one.zarr/..", "~one"])
def test_a_slide_without_a_result_is_one_line(output, slide):
    (output / "drawn.geojson").write_text('{"features": []}')
    code, _, wrong = run(
        "review", "import", output / "drawn.geojson", "--results", output, "--slide", slide, "--reviewer", "Anna"
    )
    assert code == 2 and "has no result" in wrong
