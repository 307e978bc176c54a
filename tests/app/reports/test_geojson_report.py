"""GeoJSON: polygons cover exactly the cells of their class, in level-0 px, and are valid."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.measure import points_in_poly

from app import reports
from app.reports.geojson_report import WITHOUT_CALL
from app.reports.regions import connected_regions, signed_area
from tests.results import make_result

DONUT = """
00000.
01u10.
00000u
"""


def features(result):
    return collection(result)["features"]


def collection(result, **options):
    return json.loads(reports.render(result, "geojson", None, reports.ReportOptions(**options)))


def corners(found):
    rings = [ring for feature in found["features"] for ring in feature["geometry"]["coordinates"]]
    xy = np.concatenate([np.array(ring) for ring in rings])
    return [*xy.min(axis=0).tolist(), *xy.max(axis=0).tolist()]


def covered(rings, shape):
    """Cells whose centre lies inside the rings (even-odd rule)."""
    rows, columns = np.indices(shape)
    centres = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)
    inside = np.sum([points_in_poly(centres, np.array(ring, float)) for ring in rings], axis=0)
    return (inside % 2 == 1).reshape(shape)


@settings(max_examples=150, deadline=None)
@given(arrays.arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_rings_cover_exactly_their_cells_and_touch_themselves_nowhere(mask):
    total = np.zeros(mask.shape, int)
    for region in connected_regions(mask):
        cells = np.zeros(mask.shape, bool)
        cells[tuple(region.cells.T)] = True
        assert np.array_equal(covered(region.rings, mask.shape), cells)
        assert signed_area(region.rings[0]) > 0 and all(signed_area(hole) < 0 for hole in region.rings[1:])
        assert sum(map(signed_area, region.rings)) == len(region.cells)
        for ring in region.rings:
            assert ring[0] == ring[-1] and len(set(ring)) == len(ring) - 1
        total += cells
    assert np.array_equal(total, mask)


def test_polygons_are_the_cells_in_level_0_px():
    result = make_result(cells=".. .0", origin_px=(100, 50), cell_px=200.5)
    (feature,) = collection(result, whole_canvas=True)["features"]
    (ring,) = feature["geometry"]["coordinates"]
    assert feature["geometry"]["type"] == "Polygon" and ring[0] == ring[-1]
    assert sorted(ring[:-1]) == [[300.5, 250.5], [300.5, 451.0], [501.0, 250.5], [501.0, 451.0]]


def test_a_region_with_a_hole():
    outer = next(f for f in features(make_result(cells=DONUT)) if f["properties"]["name"] == "Adenocarcinoma 1")
    outline, hole = outer["geometry"]["coordinates"]
    assert len(outline) == 5 and len(hole) == 5
    assert outer["properties"]["measurements"]["Cells"] == 12


def test_regions_carry_qupath_classification_and_measurements():
    result = make_result(cells=DONUT, mpp=0.5, cell_px=1000.0)
    found = {feature["properties"]["name"]: feature for feature in features(result)}
    assert set(found) == {
        "Adenocarcinoma 1",
        "Normal 1",
        "Normal 2",
        f"{WITHOUT_CALL} 1",
        f"{WITHOUT_CALL} 2",
    }
    tumour = found["Adenocarcinoma 1"]["properties"]
    assert tumour["objectType"] == "annotation"
    assert tumour["classification"] == {"name": "Adenocarcinoma", "color": [0xD5, 0x5E, 0x00]}
    assert tumour["measurements"]["Area mm^2"] == pytest.approx(12 * 0.25)
    assert tumour["measurements"]["Mean probability: Adenocarcinoma"] == pytest.approx(0.9)
    assert set(found[f"{WITHOUT_CALL} 1"]["properties"]["measurements"]) == {"Area mm^2", "Cells"}


def test_regions_end_at_the_slide_edge():
    (feature,) = features(make_result(cells="00 00", cell_px=100.0, size_px=(150, 120), mpp=1.0))
    xy = np.array(feature["geometry"]["coordinates"][0])
    assert xy.max(axis=0).tolist() == [150, 120] and xy.min(axis=0).tolist() == [0, 0]
    assert feature["properties"]["measurements"]["Area mm^2"] == pytest.approx(150 * 120 / 1e6)


def test_ids_are_unique_and_stay_the_same():
    first, second = features(make_result()), features(make_result())
    ids = [feature["id"] for feature in first]
    assert len(set(ids)) == len(ids) and ids == [feature["id"] for feature in second]


def test_regions_of_a_slide_with_bounds_lie_in_the_picture_that_qupath_shows():
    # The scanned part ends inside the last cells.
    result = make_result(
        cells="000 0u0 000", origin_px=(6400, 9600), cell_px=100.0, size_px=(12800, 16000),
        bounds_px=(6400, 9600, 250, 270),
    )  # fmt: skip
    inside = collection(result)
    assert corners(inside) == [0, 0, 250, 270]
    assert inside["pulmoscope"] == {
        "coordinates": "level-0 px from the corner of the scanned part",
        "scanned_part_px": {"x": 6400, "y": 9600, "width": 250, "height": 270},
        "canvas_px": [12800, 16000],
    }
    canvas = collection(result, whole_canvas=True)
    assert corners(canvas) == [6400, 9600, 6650, 9870]
    assert canvas["pulmoscope"]["coordinates"].endswith("whole canvas")


def test_an_older_result_with_bounds_is_told_from_where_its_heatmap_begins():
    result = make_result(cells="00 00", origin_px=(300, 200), cell_px=100.0, size_px=(450, 420))
    assert corners(collection(result)) == [0, 0, 150, 200]


def test_ids_are_the_same_in_both_frames():
    result = make_result(origin_px=(300, 200), size_px=(9000, 9000))
    both = [collection(result, whole_canvas=whole) for whole in (False, True)]
    assert [f["id"] for f in both[0]["features"]] == [f["id"] for f in both[1]["features"]]
