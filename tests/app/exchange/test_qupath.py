"""The QuPath project keeps to QuPath's documented structure, finds its slides from where it lies, and its regions are
the store's cells."""

import json
import shutil
import uuid
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from aggregate import store
from aggregate.result_folder import result_path
from app.commands.report import write_reports
from app.exchange.qupath import QuPathProject
from app.ledger.records import SlideRow, write_rows
from app.presentation import colours, words
from app.reports import Asked
from tests.results import CLASSES, make_result

CELLS = """
0011220011
00..220.11
uu00..2211
uu0011220b
2200uu1100
"""
CELL_PX = 20.0
SIZE_PX = (200, 100)


@pytest.fixture
def laboratory(tmp_path):
    """`slides/<glass>.png`, at another place their results, one of which has no slide at hand."""
    slides, results = tmp_path / "slides" / "day one", tmp_path / "results"
    slides.mkdir(parents=True)
    results.mkdir()
    made = []
    for name in ("a b", "c", "gone"):
        file = slides / f"{name}.png"
        if name != "gone":
            Image.fromarray(np.full((SIZE_PX[1], SIZE_PX[0], 3), 200, np.uint8)).save(file)
        result = make_result(name, cells=CELLS, cell_px=CELL_PX, size_px=SIZE_PX, mpp=0.5, file=file.name)
        store.save(result, results)
        made.append(SlideRow(name, str(file), "done", result.decision.call))
    write_rows(results / "slides.csv", made, CLASSES)
    return tmp_path


@pytest.fixture
def project(laboratory):
    write_reports(laboratory / "results", laboratory / "out", ["qupath"], asked=Asked())
    return laboratory / "out" / "qupath"


def told(project):
    return json.loads((project / "project.qpproj").read_text(encoding="ascii"))


def found_by_qupath(project, uri):
    """As QuPath looks for a file that is not where its address says: from the project's former folder to it, from the
    present one."""
    former, there = (Path(unquote(urlsplit(one).path)) for one in (told(project)["uri"], uri))
    assert not there.exists() and there.is_absolute()
    ups = 0
    base = former.parent
    while base not in there.parents:
        base, ups = base.parent, ups + 1
    return project.joinpath(*[".."] * ups, there.relative_to(base)).resolve()


def test_it_has_what_qupath_documents(project):
    document = told(project)
    assert {"version", "createTimestamp", "modifyTimestamp", "uri", "lastID", "images"} == set(document)
    assert document["lastID"] == len(document["images"]) == 3
    for number, image in enumerate(document["images"], 1):
        builder = image["serverBuilder"]
        assert image["entryID"] == number and uuid.UUID(image["randomizedName"])
        assert builder["builderType"] == "uri" and builder["args"] == []
        assert set(builder) <= {"builderType", "providerClassName", "uri", "args"}
        assert all(isinstance(value, str) for value in image["metadata"].values())
    assert [image["imageName"] for image in document["images"]] == ["a b", "c", "gone"]
    assert {path.name for path in project.iterdir()} == {"project.qpproj", "classifiers", "scripts", "regions"}
    [script] = (project / "scripts").glob("*.groovy")
    assert "regions" in script.read_text()


@pytest.mark.parametrize(
    "backend", ["openslide", "tiff-jpeg", "dicom-jpeg", "image", "ome-zarr", "tiff-coded", "vsi-ets"]
)
def test_qupath_is_told_openslide_or_chooses_itself(backend):
    made = make_result("a", cells=CELLS, cell_px=CELL_PX, size_px=SIZE_PX)
    project = QuPathProject(None, None)
    list(project.add(replace(made, slide=replace(made.slide, backend=backend)), None, None))
    [image] = json.loads(dict(project.files())["qupath/project.qpproj"])["images"]
    # The name of its class in QuPath 0.4 to 0.7; without one QuPath asks all its readers.
    named = ["qupath.lib.images.servers.openslide.OpenslideServerBuilder"]
    told = [image["serverBuilder"][name] for name in image["serverBuilder"] if name == "providerClassName"]
    assert told == (named if backend in ("openslide", "tiff-jpeg", "dicom-jpeg") else [])


def test_slides_are_found_from_the_project_wherever_both_are_moved(project, laboratory, tmp_path):
    def check(root):
        there = root / "out" / "qupath"
        uris = [image["serverBuilder"]["uri"] for image in told(there)["images"]]
        assert [found_by_qupath(there, uri) for uri in uris[:2]] == [
            (root / "slides" / "day one" / name).resolve() for name in ("a b.png", "c.png")
        ]

    check(laboratory)
    moved = tmp_path / "elsewhere" / "deeper"
    for name in ("out", "slides"):
        shutil.copytree(laboratory / name, moved / name)
    check(moved)


def test_no_path_of_this_machine_is_told(project, laboratory):
    for path in project.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert str(laboratory) not in text and laboratory.parent.name not in text


def test_the_classes_have_our_colours(project):
    classes = json.loads((project / "classifiers" / "classes.json").read_text())["pathClasses"]
    found = {one["name"]: (one["color"] + (1 << 32)).to_bytes(4, "big") for one in classes}
    for name, colour in colours.class_colours(CLASSES, "normal").items():
        assert found[words.class_title(name)] == bytes((255, *colours.rgb(colour)))
    assert found["Tissue without a call"][0] == 255


def cells_inside(rings, shape):
    """(rows, columns): the cells whose centre lies in a polygon, by counting crossings."""
    row, column = np.mgrid[: shape[0], : shape[1]]
    x, y = (column + 0.5) * CELL_PX, (row + 0.5) * CELL_PX
    inside = np.zeros(shape, bool)
    for ring in rings:
        for (x0, y0), (x1, y1) in pairwise(ring):
            if y0 != y1:
                inside ^= (
                    (np.minimum(y0, y1) <= y) & (y < np.maximum(y0, y1)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
                )
    return inside


def test_the_regions_are_the_cells_of_the_store(project, laboratory):
    features = json.loads((project / "regions" / "1.geojson").read_text())["features"]
    stored = store.load(result_path(laboratory / "results", "a b"))
    call, tissue = stored.heatmap.call, stored.heatmap.tissue > 0
    titles = {words.class_title(name): call == i + 1 for i, name in enumerate(stored.outputs)}
    titles["Tissue without a call"] = (call == 0) & tissue
    assert len(features) >= 10 and sum(ndimage.label(mask)[1] for mask in titles.values()) == len(features)
    for feature in features:
        rings = feature["geometry"]["coordinates"]
        inside = cells_inside(rings, call.shape)
        labels, _ = ndimage.label(titles[feature["properties"]["classification"]["name"]])
        [number] = np.unique(labels[inside])
        assert number > 0 and np.array_equal(labels == number, inside)
        # Corners are corners of cells, to the pixel.
        assert (np.concatenate(rings) % CELL_PX == 0).all()
        assert feature["properties"]["measurements"]["Cells"] == inside.sum()


def test_a_zip_holds_the_project_and_looks_for_slides_beside_it(laboratory, tmp_path):
    write_reports(laboratory / "results", None, ["qupath", "json"], zip_file=tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as opened:
        assert {"qupath/project.qpproj", "qupath/classifiers/classes.json", "qupath/regions/3.geojson"} <= set(
            opened.namelist()
        )
        opened.extractall(tmp_path / "unpacked")
    there = tmp_path / "unpacked" / "qupath"
    uri = told(there)["images"][1]["serverBuilder"]["uri"]
    assert found_by_qupath(there, uri) == (tmp_path / "unpacked" / "c.png").resolve()


def test_a_single_result_is_a_project_too(laboratory, tmp_path):
    write_reports(result_path(laboratory / "results", "c"), tmp_path / "one", ["qupath"])
    assert [image["imageName"] for image in told(tmp_path / "one" / "qupath")["images"]] == ["c"]
