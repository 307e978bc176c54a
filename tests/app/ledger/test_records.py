import csv

import pytest

from app.ledger.records import SlideRow, columns, read_rows, write_rows

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


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@SUM(A1)", "\tx", "'quoted", 'a,b"c', "Zoë\u202e"])
def test_hostile_names_stay_names(tmp_path, text):
    row = SlideRow("b", text, "failed", error_code="x", message=text)
    write_rows(tmp_path / "slides.csv", [row], CLASSES)
    with (tmp_path / "slides.csv").open(newline="") as file:
        [cells] = csv.DictReader(file)
    assert cells["file"][0] not in "=+-@\t"
    [read] = read_rows(tmp_path / "slides.csv")
    assert read.file == text


def test_a_message_of_several_lines_is_one_cell_on_one_line(tmp_path):
    write_rows(tmp_path / "t.csv", [SlideRow("b", "b", "failed", message="one\ntwo\r\n three")], CLASSES)
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 2
    assert read_rows(tmp_path / "t.csv")[0].message == "one two three"


def test_undetermined_has_empty_cells_not_nan(tmp_path):
    row = SlideRow("b", "b", "review", "undetermined", {"normal": float("nan")}, confidence=float("nan"))
    assert row.cells(CLASSES)["p_normal"] == row.cells(CLASSES)["confidence"] == ""
