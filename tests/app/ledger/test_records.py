import csv
import json
from dataclasses import replace

import pytest

from aggregate import store
from app.ledger.records import SlideRow, columns, read_rows, write_rows
from tests.results import make_result
from wsi.files.csv_cells import FORMULA_STARTS

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
DONE = SlideRow(
    slide_id="a",
    file="in/a.svs",
    status="review",
    call="normal",
    probabilities={"adenocarcinoma": 0.125, "normal": 0.75, "squamous_cell_carcinoma": 0.125},
    confidence=0.5,
    review_reasons=("low-margin", "pen"),
    mpp=0.499,
    mpp_source="slide",
    tissue_mm2=12.5,
    tiles=250,
    seconds=1.5,
)
FAILED = SlideRow("b", "in/b.svs", "failed", error_code="mpp-missing", message="b.svs tells no pixel size")


def test_the_columns_are_the_contracts():
    assert ",".join(columns(("x", "y"))) == (
        "slide_id,file,status,call,p_x,p_y,confidence,review_reasons,mpp,mpp_source,tissue_mm2,tiles,seconds,"
        "error_code,message"
    )


def test_what_is_written_is_what_is_read(tmp_path):
    write_rows(tmp_path / "slides.csv", [DONE, FAILED], CLASSES)
    assert read_rows(tmp_path / "slides.csv") == [DONE, FAILED]
    assert [p.name for p in tmp_path.iterdir()] == ["slides.csv"]


def test_an_absent_table_has_no_rows(tmp_path):
    assert read_rows(tmp_path / "slides.csv") == []


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@SUM(A1)", "\tx", "'quoted", "'=x", 'a,b"c', "Zoë\u202e"])
def test_hostile_names_stay_names(tmp_path, text):
    row = SlideRow("b", text, "failed", error_code="x", message=text)
    write_rows(tmp_path / "slides.csv", [row], CLASSES)
    with (tmp_path / "slides.csv").open(newline="") as file:
        [cells] = csv.DictReader(file)
    assert cells["file"][0] not in "=+-@\t"
    [read] = read_rows(tmp_path / "slides.csv")
    assert read.file == text


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_no_text_cell_is_a_formula_and_each_is_read_back(tmp_path, start):
    text = f"{start}x"
    row = replace(
        DONE,
        slide_id=text,
        file=text,
        call=text,
        review_reasons=(text, "pen"),
        mpp_source=text,
        error_code=text,
    )
    row = replace(row, message=f"{start.strip()}x")
    write_rows(tmp_path / "slides.csv", [row], CLASSES)
    with (tmp_path / "slides.csv").open(newline="", encoding="utf-8") as file:
        [_, cells] = csv.reader(file)
    assert not [cell for cell in cells if cell.startswith(FORMULA_STARTS)]
    assert read_rows(tmp_path / "slides.csv") == [row]


def test_json_holds_numbers_as_numbers_and_names_as_they_are():
    told = json.loads(json.dumps(replace(DONE, file="=1+1.svs").to_json(), allow_nan=False))
    assert told["file"] == "=1+1.svs" and told["p_normal"] == 0.75 and told["tiles"] == 250 and told["seconds"] == 1.5
    assert told["review_reasons"] == ["low-margin", "pen"] and told["error_code"] is None and told["message"] is None
    missing = replace(FAILED, probabilities={"normal": float("nan")}, confidence=float("nan")).to_json()
    assert [missing[name] for name in ("call", "p_normal", "confidence", "mpp", "tiles", "seconds")] == [None] * 6
    assert missing["review_reasons"] == [] and missing["error_code"] == "mpp-missing"


@pytest.mark.parametrize("reasons", [(), ("undetermined",)])
def test_a_result_in_memory_and_a_stored_one_give_the_same_row(tmp_path, reasons):
    p = (float("nan"),) * 3 if reasons else (0.9, 0.07, 0.03)
    result = make_result("a", probabilities=p, call=reasons[0] if reasons else "normal", reasons=reasons)
    path = store.save(result, tmp_path)
    assert SlideRow.of_result(result) == SlideRow.of_summary(result.slide.file, store.load_summary(path))
    assert SlideRow.of_result(store.load(path)) == SlideRow.of_result(result)


def test_a_message_of_several_lines_is_one_cell_on_one_line(tmp_path):
    write_rows(tmp_path / "t.csv", [SlideRow("b", "b", "failed", message="one\ntwo\r\n three")], CLASSES)
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 2
    assert read_rows(tmp_path / "t.csv")[0].message == "one two three"


def test_undetermined_has_empty_cells_not_nan(tmp_path):
    row = SlideRow("b", "b", "review", "undetermined", {"normal": float("nan")}, confidence=float("nan"))
    assert row.cells(CLASSES)["p_normal"] == row.cells(CLASSES)["confidence"] == ""
