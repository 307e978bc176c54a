"""Results for other programs: they keep to the published forms, and tell the figures of the other reports."""

import csv
import io
import json

import highdicom as hd
import numpy as np
import pandas as pd
import pydicom
import pytest
from click.testing import CliRunner
from fhir.resources.bundle import Bundle

from aggregate import store
from app.cli import cli
from app.exchange.dicom import render_dicom
from app.exchange.export import Wanted, table_files
from app.exchange.fhir import render_fhir
from app.exchange.parquet import render_parquet, render_tiles
from app.ledger.records import SlideRow, columns
from app.presentation.synoptic import SYNOPTIC_ITEMS, SYNOPTIC_TITLE
from app.reports import write_cohort
from app.reports.csv_report import render_csv
from app.reports.json_report import render_json
from tests.app.exchange.validators import complaints
from tests.dicoms import drawn, write_instance
from tests.results import make_result
from wsi.errors import UsageError

UNDETERMINED = {"call": "undetermined", "probabilities": (float("nan"),) * 3, "reasons": ("undetermined",)}


def bundle_of(result):
    return json.loads(render_fhir(result))


def values_of(bundle):
    """Title -> the value of each observation."""
    found = {}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Observation":
            quantity = resource.get("valueQuantity", {}).get("value")
            found[resource["code"]["text"]] = resource.get("valueString", quantity)
    return found


@pytest.mark.parametrize("more", [{}, {"reasons": ("scattered", "pen")}, UNDETERMINED, {"provenance": {}}, {"qc": {}}])
def test_a_bundle_keeps_to_the_schema(more):
    bundle = Bundle.model_validate(bundle_of(make_result(**more)))
    kinds = [entry.resource.get_resource_type() for entry in bundle.entry]
    assert kinds[0] == "DiagnosticReport" and kinds[-1] == "Device" and kinds.count("Observation") >= 7


def test_it_tells_the_figures_of_the_json_report():
    result = make_result(reasons=("scattered",))
    values, told = values_of(bundle_of(result)), json.loads(render_json(result))
    assert values["Score: Adenocarcinoma"] == told["probabilities"]["adenocarcinoma"]
    assert values["Score: Normal"] == told["probabilities"]["normal"]
    assert values["Confidence"] == told["confidence"]["value"] and values["Tissue"] == told["qc"]["tissue_mm2"]
    assert values["Pixel size of level 0"] == told["slide"]["mpp"] and values["Call"] == "Adenocarcinoma"


def test_a_validator_finds_nothing(tmp_path):
    for number, more in enumerate([{}, UNDETERMINED, {"reasons": ("scattered", "pen"), "qc": {}}, {"provenance": {}}]):
        for ending, made in objects_of(make_result(**more)).items():
            path = tmp_path / f"{number}{ending}"
            path.write_bytes(made.getvalue())
            assert complaints(path) == []


def test_everything_it_refers_to_is_in_it():
    bundle = bundle_of(make_result())
    there = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(there) == len(bundle["entry"])
    report = bundle["entry"][0]["resource"]
    references = [one["reference"] for one in report["result"]]
    references += [entry["resource"]["device"]["reference"] for entry in bundle["entry"][1:-1]]
    assert set(references) <= there and report["status"] == "preliminary"
    assert "research" in report["conclusion"].lower()


def test_the_digests_are_those_of_the_result():
    result = make_result()
    text = render_fhir(result).decode()
    for digest in (result.slide.sha256, result.provenance.model.sha256, result.provenance.config_sha256):
        assert text.count(digest) == 1


def test_the_items_of_a_synoptic_report_are_there_for_a_person_and_empty():
    bundle = bundle_of(make_result())
    [items] = [
        entry["resource"]["component"]
        for entry in bundle["entry"]
        if entry["resource"].get("code", {}).get("text") == SYNOPTIC_TITLE
    ]
    assert [one["code"]["text"] for one in items] == list(SYNOPTIC_ITEMS.values())
    for one in items:
        [coding] = one["dataAbsentReason"]["coding"]
        assert coding["code"] == "temp-unknown" and not any(key.startswith("value") for key in one)
    told = json.loads(render_json(make_result()))["synoptic"]["items"]
    assert [(one["code"], one["value"]) for one in told] == [(code, None) for code in SYNOPTIC_ITEMS]


def test_a_slide_without_a_call_has_no_made_up_figures():
    text = render_fhir(make_result(**UNDETERMINED)).decode()
    assert "NaN" not in text and text.count("not-a-number") >= 3
    assert values_of(json.loads(text))["Call"] == "Cannot tell"


def test_one_result_gives_one_bundle_and_another_another():
    assert render_fhir(make_result()) == render_fhir(make_result())
    assert bundle_of(make_result())["identifier"] != bundle_of(make_result("slide-2"))["identifier"]


def rows():
    failed = SlideRow("bad", "bad\udcff.svs", "failed", error_code="corrupt-slide", message="cut short")
    return [SlideRow.of_result(make_result(reasons=("scattered", "pen"))), SlideRow.of_result(make_result("b")), failed]


def test_the_table_as_parquet_is_that_of_the_csv(tmp_path):
    write_cohort(rows(), tmp_path)
    assert list(table_files(rows(), ("json",))) == []
    [(name, content)] = table_files(rows(), ("parquet",))
    assert name == "cohort.parquet"
    frame = pd.read_parquet(io.BytesIO(content))
    with (tmp_path / "cohort.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert set(frame.columns) <= set(table[0]) and len(frame) == len(table) == 3
    assert tuple(frame.columns) == columns(("adenocarcinoma", "normal", "squamous_cell_carcinoma"))
    for line, (_, row) in zip(table, frame.iterrows(), strict=True):
        assert row.slide_id == line["slide_id"] and row.status == line["status"]
        if line["p_normal"]:
            assert float(line["p_normal"]) == pytest.approx(row.p_normal, abs=5e-7)
            assert float(line["tissue_mm2"]) == pytest.approx(row.tissue_mm2, abs=5e-5)
            assert ";".join(row.review_reasons) == line["review_reasons"]
    assert pd.isna(frame.p_normal[2]) and pd.isna(frame.tiles[2]) and frame.error_code[2] == "corrupt-slide"


def test_an_empty_cohort_is_a_table_too():
    assert len(pd.read_parquet(io.BytesIO(render_parquet([])))) == 0


@pytest.mark.parametrize("more", [{}, UNDETERMINED, {"cells": "uu\nbp\n"}, {"cells": "..\n..\n"}])
def test_tiles_as_parquet_are_those_of_the_csv(more):
    result = make_result(**more)
    frame = pd.read_parquet(io.BytesIO(render_tiles(result)))
    table = pd.read_csv(io.BytesIO(render_csv(result)), keep_default_na=False, na_values=[""])
    assert list(frame.columns) == list(table.columns) and len(frame) == len(table) == len(result.tiles.xy)
    for name in frame.columns:
        if name in ("quality", "call"):
            assert list(frame[name]) == list(table[name])
        else:
            assert np.allclose(frame[name].astype(float), table[name].astype(float), rtol=1e-7, equal_nan=True)
    assert str(frame.x_px.dtype) == "int32" and str(frame.p_normal.dtype) == "float32"
    assert frame.votes.dtype == bool


def test_what_is_no_number_is_null_in_the_tiles():
    result = make_result()
    result.tiles.probabilities[0] = np.nan
    assert pd.read_parquet(io.BytesIO(render_tiles(result))).p_normal.isna().tolist()[:2] == [True, False]


@pytest.mark.parametrize("asked", [("fhir", "doc"), (), ("",)])
def test_formats_that_there_are_not_are_refused(asked):
    with pytest.raises(UsageError):
        Wanted(asked)


def test_the_command_writes_them_beside_the_others(tmp_path):
    results, out = tmp_path / "results", tmp_path / "out"
    results.mkdir()
    store.save(make_result(), results)
    arguments = ["report", str(results), "--out", str(out), "--format", "json,fhir,dicom,parquet"]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    names = {path.name for path in out.iterdir()}
    objects = {"slide-1.seg.dcm", "slide-1.pm.dcm", "slide-1.sr.dcm"}
    tables = {"cohort.csv", "cohort.html", "cohort.parquet", "slide-1.tiles.parquet"}
    assert {"slide-1.json", "slide-1.fhir.json"} | tables | objects == names
    assert "slide-1.fhir" not in (out / "cohort.html").read_text()


def objects_of(result, slide=None):
    return {ending: io.BytesIO(data) for ending, data in render_dicom(result, slide).items()}


def corner_mm(data):
    """(x, y) of the centre of cell (0, 0), as a reader learns it."""
    origin = data.TotalPixelMatrixOriginSequence[0]
    return float(origin.XOffsetInSlideCoordinateSystem), float(origin.YOffsetInSlideCoordinateSystem)


def test_labels_are_read_back_as_they_were():
    result = make_result()
    segmentation = hd.seg.segread(objects_of(result)[".seg.dcm"])
    matrix = segmentation.get_total_pixel_matrix(combine_segments=True)
    labels = {
        number: segmentation.get_segment_description(number).segment_label for number in segmentation.segment_numbers
    }
    assert labels == {1: "Adenocarcinoma", 2: "Normal", 3: "Squamous cell carcinoma"}
    assert np.array_equal(matrix, result.heatmap.call)
    assert segmentation.segmentation_type.value == "BINARY"


def test_probabilities_are_read_back_as_they_were():
    result = make_result()
    data = pydicom.dcmread(objects_of(result)[".pm.dcm"])
    rows, columns = result.heatmap.call.shape
    assert (data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns) == (rows, columns)
    frames = np.frombuffer(data.FloatPixelData, "<f4").reshape(data.NumberOfFrames, data.Rows, data.Columns)
    labels = [group.RealWorldValueMappingSequence[0].LUTLabel for group in data.PerFrameFunctionalGroupsSequence]
    for name, expected in zip(
        ("Adenocarcinoma", "Normal", "Squamous cell ca"), result.heatmap.probabilities, strict=True
    ):
        assert np.array_equal(frames[labels.index(name)], expected, equal_nan=True)


def test_the_report_tells_the_figures_of_the_json():
    result = make_result(reasons=("scattered", "pen"))
    report = hd.sr.srread(objects_of(result)[".sr.dcm"])
    [group] = report.content.get_image_measurement_groups()
    figures = {measurement.name.meaning: measurement.value for measurement in group.get_measurements()}
    told = json.loads(render_json(result))
    assert figures["Adenocarcinoma"] == pytest.approx(told["probabilities"]["adenocarcinoma"], abs=1e-12)
    assert figures["Confidence of the call"] == pytest.approx(told["confidence"]["value"], abs=1e-12)
    assert figures["Area of tissue"] == pytest.approx(told["qc"]["tissue_mm2"], abs=1e-9)
    values = [one.value.value for one in group.get_qualitative_evaluations()]
    assert values == ["35917007", "scattered", "pen"]
    assert report.VerificationFlag == "UNVERIFIED"


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 1, 0], [0, -1, 0, -1, 0, 0]])
def test_positions_agree_with_those_of_the_source(tmp_path, orientation):
    """To a hundredth of a tile, from the source's own pixel (0, 0), spacing and orientation."""
    from pydicom.dataset import Dataset

    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = 20.0, 40.0
    more = {"TotalPixelMatrixOriginSequence": [origin], "ImageOrientationSlide": orientation}
    path = write_instance(tmp_path / "x.dcm", drawn(1200, 600), mpp=0.5, **more)
    result = make_result(
        size_px=(1200, 600), mpp=0.5, cell_px=100.0, origin_px=(30, 20), metadata={"vendor": "dicom"}, file="x.dcm"
    )
    source = pydicom.dcmread(path)
    centre = (30 + 49.5, 20 + 49.5)  # of cell (0, 0), in pixels of level 0 from the centre of pixel (0, 0)
    expected = [
        start + (centre[0] * orientation[axis] + centre[1] * orientation[3 + axis]) * 0.0005
        for axis, start in enumerate((20.0, 40.0))
    ]
    made = objects_of(result, path)
    for ending in (".seg.dcm", ".pm.dcm"):
        data = pydicom.dcmread(made[ending])
        assert corner_mm(data) == pytest.approx(expected, abs=0.05 * 0.01)
        shared = data.SharedFunctionalGroupsSequence[0]
        assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == [0.05, 0.05]
        assert list(data.ImageOrientationSlide) == orientation
        assert data.FrameOfReferenceUID == source.FrameOfReferenceUID
        assert data.StudyInstanceUID == source.StudyInstanceUID
    report = pydicom.dcmread(made[".sr.dcm"])
    assert source.SOPInstanceUID in str(report.CurrentRequestedProcedureEvidenceSequence)


def test_a_slide_that_is_no_dicom_gets_one_made_up_study():
    datas = [pydicom.dcmread(made) for made in objects_of(make_result()).values()]
    again = [pydicom.dcmread(made) for made in objects_of(make_result("another name")).values()]
    assert len(datas) == 3 and {data.StudyInstanceUID for data in datas} == {data.StudyInstanceUID for data in again}
    assert len({data.SOPInstanceUID for data in (*datas, *again)}) == 6
    assert all(data.StudyInstanceUID.startswith("2.25.") and data.PatientName == "" for data in datas)


@pytest.mark.parametrize("more", [UNDETERMINED, {"cells": "..\n..\n"}, {"qc": {}}])
def test_what_is_not_known_is_left_out(more):
    made = objects_of(make_result(**more))
    assert (".seg.dcm" in made) is (more.get("cells") is None)
    report = hd.sr.srread(made[".sr.dcm"])
    [group] = report.content.get_image_measurement_groups()
    assert all(np.isfinite(measurement.value) for measurement in group.get_measurements())


def test_a_map_of_several_frames_is_read_back_whole(tmp_path):
    """More cells than a frame has: 300 x 270, the last column and row of frames cut."""
    chance = np.random.default_rng(3)
    letters = chance.choice(list("012u."), (270, 300), p=(0.2, 0.3, 0.1, 0.1, 0.3))
    result = make_result(cells="\n".join("".join(row) for row in letters), cell_px=10.0)
    made = objects_of(result)
    matrix = hd.seg.segread(made[".seg.dcm"]).get_total_pixel_matrix(combine_segments=True)
    assert np.array_equal(matrix, result.heatmap.call)
    data = pydicom.dcmread(made[".pm.dcm"])
    frames = np.frombuffer(data.FloatPixelData, "<f4").reshape(data.NumberOfFrames, data.Rows, data.Columns)
    found = np.full((3, 512, 512), np.nan, np.float32)
    labels = ["Adenocarcinoma", "Normal", "Squamous cell ca"]
    for frame, group in zip(frames, data.PerFrameFunctionalGroupsSequence, strict=True):
        place = group.PlanePositionSlideSequence[0]
        row, column = place.RowPositionInTotalImagePixelMatrix - 1, place.ColumnPositionInTotalImagePixelMatrix - 1
        # Each frame's own place, in mm, is that of its first cell.
        for axis, at in (("X", column), ("Y", row)):
            told = float(place[f"{axis}OffsetInSlideCoordinateSystem"].value)
            assert told == pytest.approx((at + 0.5) * 10 * 0.000499 - 0.000499 / 2, abs=0.005 * 0.00499)
        channel = labels.index(group.RealWorldValueMappingSequence[0].LUTLabel)
        found[channel, row : row + data.Rows, column : column + data.Columns] = frame
    assert np.array_equal(found[:, :270, :300], result.heatmap.probabilities, equal_nan=True)
    for ending, content in made.items():
        (tmp_path / ending[1:]).write_bytes(content.getvalue())
        assert complaints(tmp_path / ending[1:]) == []
