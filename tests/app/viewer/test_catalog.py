"""What the viewer lists, and which slide file it takes for a result's: its own or none."""

import os
import shutil
from dataclasses import replace
from math import nan

import numpy as np
import pytest
from PIL import Image

from aggregate import store
from app.ledger.records import SlideRow, write_rows
from app.review.records import ReviewState
from app.slides.files import find_slide_file
from app.viewer.catalog import Entry, find_entry, list_entries, load_result
from app.viewer.pages.worklist.rows import listed
from app.viewer.site import Site
from app.viewer.tiles.tokens import Grant
from tests.results import CLASSES, make_result
from tests.wsi.readers.test_coded_tiff import picture
from tests.zarrs import write_ome_zarr
from wsi.errors import ResultAlteredError, StoreError


def row(slide_id, status="done", **more):
    return SlideRow(slide_id, f"{slide_id}.svs", status, **more)


@pytest.fixture
def results(tmp_path):
    write_rows(
        tmp_path / "slides.csv",
        [
            row("a", call="normal", confidence=0.9),
            row("b", "failed", error_code="corrupt-slide", message="b.svs broke off <b>"),
            row("c", "review", call="undetermined", review_reasons=("undetermined", "blur")),
        ],
        CLASSES,
    )
    return tmp_path


def image(path, size=(300, 200)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), 200, np.uint8)).save(path)
    return path


def test_all_rows_are_listed_those_to_review_first(results):
    assert [entry.row.slide_id for entry in list_entries(results)] == ["c", "b", "a"]


def test_an_empty_or_absent_folder_lists_nothing(tmp_path):
    assert list_entries(tmp_path) == list_entries(tmp_path / "absent") == []


def test_a_new_table_is_seen_at_once(results):
    list_entries(results)
    write_rows(results / "slides.csv", [row("new")], CLASSES)
    assert [entry.row.slide_id for entry in list_entries(results)] == ["new"]


def test_a_look_that_takes_long_stands_a_while_and_then_sees_all(results, monkeypatch):
    """The clock goes on by two seconds whenever it is asked: each look seems to take as long."""
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr("app.viewer.catalog.time.monotonic", lambda: float(next(clock)))
    assert len(list_entries(results)) == 3
    write_rows(results / "slides.csv", [row("new")], CLASSES)
    told = [[entry.row.slide_id for entry in list_entries(results)] for _ in range(6)]
    assert told[0] == ["c", "b", "a"] and told[-1] == ["new"]


def test_results_that_have_a_row_are_not_looked_at_for_the_list(results, monkeypatch):
    store.save(make_result("a"), results)
    store.save(make_result("copied"), results)
    looked = []
    known = store.is_complete
    monkeypatch.setattr("aggregate.result_folder.is_complete", lambda path: looked.append(path.name) or known(path))
    assert {entry.row.slide_id for entry in list_entries(results)} == {"a", "b", "c", "copied"}
    assert looked == ["copied.zarr"]


def test_uploads_and_results_without_a_row_are_listed_too(results):
    (results / "uploads").mkdir()
    write_rows(results / "uploads" / "slides.csv", [row("upload-1")], CLASSES)
    store.save(make_result("copied", reasons=("pen",)), results)
    listed = {entry.row.slide_id: entry for entry in list_entries(results)}
    assert listed["upload-1"].uploaded and not listed["a"].uploaded
    assert listed["copied"].row.status == "review" and listed["copied"].row.probabilities["normal"] == 0.0702
    assert load_result(listed["copied"]).decision.call == "adenocarcinoma"


@pytest.mark.parametrize("slide_id", ["", "absent", "../a", "a/../a", "/etc/passwd", "a\0", "A"])
def test_only_listed_ids_are_found(results, slide_id):
    assert find_entry(results, slide_id) is None


def test_of_a_damaged_table_what_is_stored_is_listed(results):
    store.save(make_result("a"), results)
    (results / "slides.csv").write_bytes(b"nothing,of,a,table\n1,2,3,4\n")
    assert [entry.row.slide_id for entry in list_entries(results)] == ["a"]


def test_an_altered_result_is_refused_and_a_missing_one_named(results):
    path = store.save(make_result("a"), results)
    entry = find_entry(results, "a")
    assert load_result(entry).slide_id == "a"
    shutil.rmtree(path / "tiles" / "xy")
    os.utime(path / "commit.json", ns=(1, 1))
    with pytest.raises(ResultAlteredError):
        load_result(entry)
    with pytest.raises(StoreError, match="no stored result"):
        load_result(find_entry(results, "b"))


def test_a_result_that_is_copied_in_later_is_seen(results):
    list_entries(results)
    store.save(make_result("later"), results)
    assert find_entry(results, "later").has_result
    shutil.rmtree(results / "later.zarr")
    assert find_entry(results, "later") is None


def test_the_list_tells_each_failure(results):
    told = {entry.row.slide_id: listed(entry, "normal", ReviewState("")) for entry in list_entries(results)}
    assert told["b"]["why"] == "corrupt-slide: b.svs broke off <b>"
    assert (told["c"]["call"], told["a"]["call"]) == ("Cannot tell", "Normal")


@pytest.mark.parametrize(
    ("call", "confidence", "text"),
    [
        ("undetermined", 1.0, ""),
        ("", 1.0, ""),
        ("normal", 1.0, ">0.99"),
        ("normal", 0.994, "0.99"),
        ("normal", nan, ""),
    ],
)
def test_no_confidence_is_told_without_a_call_and_never_certainty(tmp_path, call, confidence, text):
    entry = Entry(row("a", call=call, confidence=confidence), tmp_path)
    assert listed(entry, "normal", ReviewState(""))["told"] == text


class TestSlideFile:
    RECORD = make_result(size_px=(300, 200)).slide

    def entry(self, file, folder):
        return Entry(SlideRow("s", str(file), "done"), folder)

    def test_the_file_of_the_row(self, tmp_path):
        path = image(tmp_path / "s.png")
        file = find_slide_file(self.entry(path, tmp_path), self.RECORD, ())
        assert file.path == path and file.mpp == 0.499

    def test_a_relative_path_is_looked_up_beside_the_table(self, tmp_path):
        path = image(tmp_path / "in" / "s.png")
        assert find_slide_file(self.entry("in/s.png", tmp_path), self.RECORD, ()).path == path

    def test_the_same_name_under_the_slide_folders(self, tmp_path):
        path = image(tmp_path / "moved" / "deep" / "s.png")
        assert find_slide_file(self.entry("/gone/s.png", tmp_path), self.RECORD, (tmp_path / "moved",)).path == path

    def test_a_slide_that_is_a_folder(self, tmp_path):
        (tmp_path / "moved").mkdir()
        path = write_ome_zarr(tmp_path / "moved" / "s.zarr", picture(300, 200), downsamples=(1,))
        assert find_slide_file(self.entry(path, tmp_path), self.RECORD, ()).path == path
        assert find_slide_file(self.entry("/gone/s.zarr", tmp_path), self.RECORD, (tmp_path / "moved",)).path == path
        (tmp_path / "moved" / "s.zarr" / "zarr.json").unlink()
        assert find_slide_file(self.entry(path, tmp_path), self.RECORD, ()) is None

    def test_another_size_is_another_slide(self, tmp_path):
        path = image(tmp_path / "s.png", (301, 200))
        assert find_slide_file(self.entry(path, tmp_path), self.RECORD, (tmp_path,)) is None

    def test_two_that_fit_are_one_too_many(self, tmp_path):
        for folder in ("one", "two"):
            image(tmp_path / folder / "s.png")
        assert find_slide_file(self.entry("/gone/s.png", tmp_path), self.RECORD, (tmp_path,)) is None

    @pytest.mark.parametrize("content", [b"", b"no slide at all"])
    def test_a_file_that_does_not_open(self, tmp_path, content):
        (tmp_path / "s.png").write_bytes(content)
        assert find_slide_file(self.entry(tmp_path / "s.png", tmp_path), self.RECORD, ()) is None

    def test_a_changed_file_ends_a_grant(self, tmp_path):
        path = image(tmp_path / "s.png")
        result = make_result("s", size_px=(300, 200))
        store.save(replace(result, slide=replace(result.slide, file="s.png")), tmp_path)
        write_rows(tmp_path / "slides.csv", [SlideRow("s", str(path), "done")], CLASSES)
        site = Site(tmp_path)
        file = site.slide_file(find_entry(tmp_path, "s"), result)
        grant = Grant("s", file.version)
        assert site.locate(grant) == file
        os.utime(path, ns=(1, 1))
        assert site.locate(grant) is None
        assert site.locate(Grant("unlisted", file.version)) is None
