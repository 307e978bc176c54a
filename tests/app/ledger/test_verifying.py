"""What `verify` finds in an output folder and how it tells it, kind by kind; forgeries are in `test_forgery.py`."""

import json
import shutil

import pytest

from aggregate import store
from app.ledger.audit import AUDIT, AuditLog
from app.ledger.records import SlideRow
from app.ledger.slide_ids import add_slide_ids
from app.ledger.table import JOURNAL, merge_rows
from app.ledger.verify import Verification, disagreements, report_of, verify_results
from tests.results import CLASSES, make_result
from wsi.errors import UsageError


def test_an_output_is_whole_where_nothing_is_found_and_notes_are_no_fault():
    assert Verification({}, [], []).is_whole and Verification({"a.zarr": []}, [], ["torn"], missing=("b",)).is_whole
    assert not Verification({"a.zarr": [], "b.zarr": ["gone"]}, [], []).is_whole
    assert not Verification({}, ["cut"], []).is_whole and not Verification({}, [], [], ["a row"]).is_whole
    assert Verification({"a.zarr": [], "b.zarr": ["gone"]}, [], []).broken == {"b.zarr": ["gone"]}


def test_one_result_is_verified_without_its_table_and_log(out):
    assert verify_results(out / "a.zarr") == Verification({"a.zarr": []}, [], [])
    (out / "a.zarr" / "zarr.json").write_text("{}")
    assert verify_results(out / "a.zarr").broken == {"a.zarr": ["zarr.json was altered"]}


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_what_is_no_folder_is_told(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"{name} is not a folder"):
        verify_results(tmp_path / name)


def test_a_folder_that_holds_nothing_of_a_run_is_told(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match="holds no result"):
        verify_results(tmp_path)


@pytest.mark.parametrize("kept", ["result", "table", "flaw", "log"])
def test_any_part_of_an_output_is_enough_to_verify(out, tmp_path, kept):
    part = tmp_path / "part"
    part.mkdir()
    if kept == "result":
        shutil.copytree(out / "a.zarr", part / "a.zarr")
    elif kept == "table":
        shutil.copy(out / "slides.csv", part)
    elif kept == "flaw":
        (part / JOURNAL).write_text("{}\n")
    else:
        shutil.copy(out / AUDIT, part)
    found = verify_results(part)
    assert found.is_whole is False
    assert found.audit == []


def test_a_head_that_was_noted_is_looked_for_among_all_lines(out):
    head = verify_results(out).head
    assert verify_results(out, head).is_whole and len(head) == 64
    AuditLog(out, "Anna", "r2").record("kept", "a", {})
    assert verify_results(out, head).is_whole
    other = "5" * 64
    told = f"the line with the head {other} is not in it: the log was cut or written anew"
    assert verify_results(out, f"{other}and more").audit == [told]


def test_the_report_of_a_whole_output(out):
    found = verify_results(out)
    lines = report_of(found, [], as_json=False).splitlines()
    assert lines == ["2 results: 2 whole and unaltered, 0 broken", f"head of {AUDIT}: {found.head}"]
    told = json.loads(report_of(found, ["x"], as_json=True))
    assert told == {
        "results": 2,
        "broken": {},
        "table": [],
        "audit": [],
        "notes": [],
        "missing": [],
        "mixed": found.mixed,
        "reviews": [],
        "signed": 0,
        "repairs": ["x"],
        "head": found.head,
    }


def test_everything_that_was_found_has_its_line():
    found = Verification({"a.zarr": ["one", "two"], "b.zarr": []}, ["cut"], ["torn"], ["a row"], "", ("c",))
    assert report_of(found, ["a.zarr moved"], as_json=False).splitlines() == [
        "a.zarr: one",
        "a.zarr: two",
        "a row",
        f"{AUDIT}: cut",
        f"{AUDIT}: note: torn",
        "repaired: a.zarr moved",
        "1 slides were asked for and are not in slides.csv yet: c",
        "2 results: 1 whole and unaltered, 1 broken",
    ]


@pytest.mark.parametrize(("missing", "end"), [(10, "s08, s09"), (11, "s08, s09, ...")])
def test_of_many_missing_slides_ten_are_named(missing, end):
    found = Verification({}, [], [], missing=tuple(f"s{i:02}" for i in range(missing)))
    assert (
        report_of(found, [], as_json=False)
        .splitlines()[0]
        .endswith(f" yet: s00, {'s01, s02, s03, s04, s05, s06, s07, '}{end}")
    )


def test_slides_that_were_asked_for_and_have_no_row_are_missing(out):
    add_slide_ids(out, [("z", "0" * 64), ("a", "1" * 64), ("y", "2" * 64)])
    assert verify_results(out).missing == ("y", "z") and verify_results(out).is_whole
    (out / ".ids.jsonl").unlink()
    (out / ".ids.jsonl").symlink_to("elsewhere")  # cannot be read: nothing is known of missing ones
    assert verify_results(out).missing == ()


def row_of(out, slide_id="a", **changes):
    row = SlideRow.of_summary(f"in/{slide_id}.svs", store.load_summary(out / f"{slide_id}.zarr"))
    return SlideRow(**{**{name: getattr(row, name) for name in row.__dataclass_fields__}, **changes})


def test_a_cell_that_says_otherwise_is_named_with_both(out):
    assert disagreements(out, row_of(out)) == []
    assert disagreements(out, row_of(out, call="normal", mpp_source="", review_reasons=("pen",))) == [
        "slides.csv says call normal, the result adenocarcinoma",
        "slides.csv says review_reasons pen, the result (nothing)",
        "slides.csv says mpp_source (nothing), the result slide",
    ]
    others = disagreements(out, row_of(out, probabilities={**row_of(out).probabilities, "lymphoma": 0.5}))
    assert others == ["slides.csv says p_lymphoma 0.500000, the result (nothing)"]
    assert disagreements(out, row_of(out, probabilities={}))[0] == (
        "slides.csv says p_adenocarcinoma (nothing), the result 0.912300"
    )


def test_a_row_of_another_file_is_named(out):
    assert disagreements(out, row_of(out, file="elsewhere/a.svs")) == []
    assert disagreements(out, row_of(out, file="in/b.svs")) == ["slides.csv says file in/b.svs, the result a.svs"]


def test_a_row_whose_result_cannot_be_read_says_so(out):
    (out / "a.zarr" / "zarr.json").write_text("{}")
    assert disagreements(out, SlideRow("a", "a.svs", "done")) == ["a.zarr is no pulmoscope result"]


def test_a_result_that_is_missing_or_has_no_row_is_named(out):
    shutil.rmtree(out / "a.zarr")
    merge_rows(out, (), CLASSES, without=frozenset({"b"}))
    assert verify_results(out).broken == {
        "a.zarr": ["is missing, though slides.csv says done"],
        "b.zarr": ["has no row in slides.csv"],
    }


def test_a_result_that_is_broken_in_itself_has_no_further_problem(out):
    (out / "a.zarr" / "zarr.json").write_text("{}")
    merge_rows(out, (), CLASSES, without=frozenset({"a"}))
    assert verify_results(out).broken == {"a.zarr": ["zarr.json was altered"]}


def test_a_folder_under_a_name_that_no_slide_can_have_is_named(out):
    (out / "a.zarr").rename(out / "~a.zarr")
    assert "~a.zarr: has a name that no slide can have" in report_of(verify_results(out), [], as_json=False)


def test_a_result_that_the_log_does_not_know_is_named(out):
    store.save(make_result("a", call="normal", file="a.svs"), out)
    merge_rows(out, [row_of(out)], CLASSES)
    assert verify_results(out).broken == {"a.zarr": [f"{AUDIT} has no record of it"]}


def test_a_failure_that_the_log_tells_with_another_code_is_named(out):
    told = f"slides.csv: c failed by {AUDIT} (corrupt-slide), the table says otherwise"
    row = SlideRow("c", "c.svs", "failed", error_code="crashed")
    merge_rows(out, [row], CLASSES)
    assert verify_results(out).table == [told]
    merge_rows(out, [SlideRow("c", "c.svs", "done", error_code="corrupt-slide")], CLASSES)
    assert verify_results(out).table == [told]
    merge_rows(out, (), CLASSES, without=frozenset({"c"}))
    assert verify_results(out).table == [told]


def test_a_failure_that_the_table_alone_tells_is_named(out):
    merge_rows(out, [SlideRow("d", "d.svs", "failed", error_code="crashed")], CLASSES)
    assert verify_results(out).table == [f"slides.csv: d is told as failed, {AUDIT} knows nothing of that"]


def test_a_slide_that_failed_and_was_done_later_is_no_failure(out):
    AuditLog(out, "Anna", "r2").record("failed", "a", {"error_code": "crashed"})
    AuditLog(out, "Anna", "r3").record("kept", "a", store.committed_digests(out / "a.zarr"))
    assert verify_results(out).is_whole


def test_a_log_that_is_missing_is_a_fault_only_beside_results(out):
    (out / AUDIT).unlink()
    assert verify_results(out).audit == ["is missing"]
    for name in ("a.zarr", "b.zarr"):
        (out / name / "zarr.json").write_text("{}")
    assert verify_results(out).audit == []  # nothing that is whole needs its witness


def test_a_log_that_cannot_be_read_is_told(out):
    (out / AUDIT).unlink()
    (out / AUDIT).mkdir()
    assert verify_results(out).audit == ["cannot be read (not a regular file)"]
