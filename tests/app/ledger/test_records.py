import csv
import json
from dataclasses import asdict, replace

import pytest

from aggregate import store
from aggregate.result import SlideOpinion, SlideStatus
from app.ledger.records import SlideRow, columns, parse_table, read_rows, readable_rows, row_of_json, write_rows
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
        "error_code,message,model,settings"
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


# What is no row, and what is one


ROW = {"slide_id": "a", "file": "a.svs", "status": "done"}
WHOLE = {
    **ROW,
    "call": "normal",
    "probabilities": {"normal": 0.5, "x": 1},
    "confidence": 0.5,
    "review_reasons": ["pen"],
    "mpp": 1,
    "mpp_source": "slide",
    "tissue_mm2": None,
    "tiles": 3,
    "seconds": 1.5,
    "error_code": "",
    "message": "",
}


def test_a_row_comes_back_from_its_json():
    assert row_of_json(json.loads(json.dumps(asdict(DONE)))) == DONE
    assert row_of_json(ROW) == SlideRow("a", "a.svs", "done")
    assert row_of_json(WHOLE).tissue_mm2 is None and row_of_json({**WHOLE, "tiles": None}).tiles is None


@pytest.mark.parametrize("values", [None, [], "row", ["slide_id", "file", "status"], {**ROW, "colour": "red"}])
def test_what_is_no_object_of_known_fields_is_no_row(values):
    with pytest.raises(ValueError, match="no row"):
        row_of_json(values)


@pytest.mark.parametrize("missing", list(ROW))
def test_a_row_without_its_first_fields_is_none(missing):
    with pytest.raises(ValueError, match="no row"):
        row_of_json({name: value for name, value in WHOLE.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 1) for name in ("slide_id", "file", "call", "mpp_source", "error_code", "message")),
        *((name, value) for name in ("confidence", "mpp", "tissue_mm2", "seconds") for value in (True, "1", [1.0])),
        *(("tiles", value) for value in (True, 1.0, "1", [1])),
        *(("probabilities", value) for value in (None, [0.5], {"x": None}, {"x": True}, {"x": "1"})),
        *(("review_reasons", value) for value in (None, "pen", ["pen", 1], {"pen": 1})),
    ],
)
def test_a_field_of_another_kind_is_refused_by_its_name(name, value):
    with pytest.raises(ValueError, match=f"{name} is of another kind"):
        row_of_json({**WHOLE, name: value})


def test_a_text_that_is_no_status_is_none_wherever_it_comes_from():
    assert SlideRow("a", "a", "done").status is SlideStatus.DONE
    with pytest.raises(ValueError, match="'finished'"):
        SlideRow("a", "a", "finished")


HEADER = ",".join(columns(("normal",)))


def cells(slide_id="a", status="done", p="0.5", tiles="3", seconds="1.50"):
    return f"{slide_id},a.svs,{status},normal,{p},0.5,pen,0.5,slide,1.0,{tiles},{seconds},,,,"


def test_an_empty_file_is_a_table_without_rows_and_anything_else_is_told():
    assert parse_table(b"") == ([], [])
    for content in (b"\xff\xfe", f'{HEADER}\n"open'.encode(), b"\x00\xff"):
        assert parse_table(content) == ([], ["is no CSV in UTF-8"])


def test_a_table_that_a_spreadsheet_saved_with_a_mark_before_it_is_read():
    assert len(parse_table(f"\ufeff{HEADER}\n{cells()}\n".encode())[0]) == 1


@pytest.mark.parametrize("missing", ["call", "slide_id", "message"])
def test_a_table_that_lacks_a_column_says_which(missing):
    header = ",".join(name for name in columns(()) if name != missing)
    assert parse_table(f"{header}\n".encode()) == ([], [f"has no column {missing}"])
    assert parse_table(f"{header},x\n".encode()) == ([], [f"has no column {missing}"])
    # Of several it names the first, in the order of the alphabet.
    assert parse_table(b"slide_id,file\n") == ([], ["has no column call"])


def test_a_table_with_a_column_twice_is_told():
    assert parse_table(f"{HEADER},call\n".encode()) == ([], ["has a column twice"])


def test_rows_that_are_known_are_taken_from_there_and_changed_ones_are_not():
    known = {}
    first, _ = parse_table(f"{HEADER}\n{cells('x')}\n{cells('y')}\n".encode(), known)
    changed = cells("y").replace("done", "review")
    again, _ = parse_table(f"{HEADER}\n{cells('x')}\n{changed}\n{cells('z')}\n".encode(), known)
    assert again[0] is first[0] and [str(row.status) for row in again] == ["done", "review", "done"]
    assert again == parse_table(f"{HEADER}\n{cells('x')}\n{changed}\n{cells('z')}\n".encode())[0]
    assert len(known) == 3 and first[1] not in known.values()


@pytest.mark.parametrize(
    "row",
    [
        cells(status="finished"),
        cells(p="x"),
        cells(p="nan"),
        cells(p="inf"),
        cells(seconds="-inf"),
        cells(tiles="1.5"),
        cells() + ",more",
        "a,b",
    ],
)
def test_a_row_that_is_none_is_told_by_its_number_and_costs_itself_alone(row):
    rows, flaws = parse_table(f"{HEADER}\n{cells('x')}\n{row}\n{cells('y')}\n".encode())
    assert [one.slide_id for one in rows] == ["x", "y"] and flaws == ["row 2 is not as a run writes it"]


def test_of_a_slide_with_several_rows_none_counts():
    rows, flaws = parse_table(f"{HEADER}\n{cells('x')}\n{cells()}\n{cells()}\n".encode())
    assert [row.slide_id for row in rows] == ["x"] and flaws == ["2 rows are of one slide"]


def test_who_reads_a_damaged_table_is_told_or_given_what_can_be_read(tmp_path):
    (tmp_path / "t.csv").write_text(f"{HEADER}\n{cells('x')}\n{cells(p='x')}\nmore\n")
    with pytest.raises(ValueError, match=r"t.csv: row 2 is not as a run writes it"):
        read_rows(tmp_path / "t.csv")
    assert [row.slide_id for row in readable_rows(tmp_path / "t.csv")] == ["x"]
    assert readable_rows(tmp_path / "none.csv") == readable_rows(tmp_path) == []


def test_the_json_of_a_row_is_written_as_ever():
    """Whole, once with all there may be and once with the least."""
    full = replace(
        DONE, model="lung-v2", settings="ab" * 6,
        slide_model_call="normal", slide_model_p=0.9, slide_model_set=("normal", "adenocarcinoma"),
    )  # fmt: skip
    told = {
        "slide_id": "a", "file": "in/a.svs", "status": "review", "call": "normal",
        "p_adenocarcinoma": 0.125, "p_normal": 0.75, "p_squamous_cell_carcinoma": 0.125,
        "confidence": 0.5, "review_reasons": ["low-margin", "pen"], "mpp": 0.499, "mpp_source": "slide",
        "tissue_mm2": 12.5, "tiles": 250, "seconds": 1.5, "error_code": None, "message": None,
        "model": "lung-v2", "settings": "ab" * 6,
        "slide_model_call": "normal", "slide_model_p": 0.9, "slide_model_set": ["normal", "adenocarcinoma"],
    }  # fmt: skip
    assert full.to_json() == told and list(full.to_json()) == list(told)
    failed = FAILED.to_json()
    assert {name for name, value in failed.items() if value is None} == {
        *("call", "confidence", "mpp", "mpp_source", "tissue_mm2", "tiles", "seconds", "model", "settings")
    }
    assert "slide_model_set" not in failed and failed["review_reasons"] == []


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [("single", ("normal",)), ("several", ("normal",)), ("none", ("none",)), ("refused", ("refused",))],
)
def test_what_a_slide_model_said_is_in_the_row(outcome, kept):
    opinion = SlideOpinion(
        "m", "1", "ab" * 32, CLASSES, "normal", (0.25, 0.5, 0.25), {"0.95": ("normal",), "0.9": ()}, outcome
    )
    row = SlideRow.of_result(replace(make_result("one"), opinion=opinion))
    assert (row.slide_model_call, row.slide_model_p, row.slide_model_set) == ("normal", 0.5, kept)


def test_every_text_of_a_row_is_in_its_json():
    told = replace(DONE, error_code="x", message="two\nlines").to_json()
    assert (told["call"], told["mpp_source"], told["error_code"]) == ("normal", "slide", "x")
    assert told["message"] == "two lines" and told["status"] == "review"
    assert SlideRow("a", "a", "failed").to_json()["mpp_source"] is None


def test_the_row_of_a_result_holds_its_figures(tmp_path):
    result = make_result("a")
    row = SlideRow.of_result(result)
    assert row.probabilities == pytest.approx(dict(zip(CLASSES, (0.9123, 0.0702, 0.0175), strict=True)))
    assert (row.tiles, row.seconds) == (result.qc["tiles"], 12.4) and isinstance(row.tiles, int)
    summary = store.load_summary(store.save(result, tmp_path))

    def told(**provenance):
        return SlideRow.of_summary("a", {**summary, "provenance": {**summary["provenance"], **provenance}})

    assert told(seconds=3).seconds == 3 and told(seconds=None).seconds is None
    assert SlideRow.of_summary("a", {**summary, "qc": {"tiles": 2.6}}).tiles == 3
    assert SlideRow.of_summary("a", {**summary, "qc": {"tiles": 0.0}}).tiles == 0
    assert SlideRow.of_summary("a", {**summary, "qc": {}}).tiles is None


def test_a_table_of_more_than_256_mb_is_not_read(tmp_path):
    with (tmp_path / "t.csv").open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(OSError, match="larger than 256 MB"):
        read_rows(tmp_path / "t.csv")
    assert readable_rows(tmp_path / "t.csv") == []


@pytest.mark.parametrize("figure", [None, float("nan")])
def test_a_figure_that_a_slide_model_left_empty_is_null(figure):
    refused = replace(DONE, slide_model_set=("refused",), slide_model_p=figure).to_json()
    assert refused["slide_model_call"] is None and refused["slide_model_p"] is None
    assert replace(DONE, slide_model_set=("none",), slide_model_p=0.0).to_json()["slide_model_p"] == 0.0
