"""`pulmoscope report` on folders: nothing that lies there is overwritten, and one odd result ends no other's report."""

import shutil

import pandas
import pytest

from aggregate import store
from app.commands.report import write_reports
from app.ledger.records import SlideRow, read_rows, write_rows
from tests.results import CLASSES, make_result
from wsi.errors import OutputUnwritableError


def folder_of(tmp_path, *ids):
    results = [make_result(slide_id) for slide_id in ids]
    for result in results:
        store.save(result, tmp_path)
    write_rows(tmp_path / "slides.csv", [SlideRow.of_result(result) for result in results], CLASSES)
    return tmp_path


def test_reports_beside_the_results_leave_the_table_of_the_run_alone(tmp_path):
    out = folder_of(tmp_path, "cohort", "slides", "plain")
    table = (out / "slides.csv").read_bytes()
    written, problems = write_reports(out, out, ("csv",))
    assert problems == [] and (out / "slides.csv").read_bytes() == table
    assert len(set(written)) == 5 and len(read_rows(out / "cohort.csv")) == 3
    assert all("side_px" in (out / f"{stem}.csv").read_text() for stem in ("cohort.slide", "slides.slide", "plain"))


def test_a_copied_result_is_a_line_and_does_not_write_over_the_first(tmp_path):
    out = folder_of(tmp_path / "out", "a", "b")
    shutil.copytree(out / "a.zarr", out / "a copy.zarr")
    written, [problem] = write_reports(out, tmp_path / "reports", ("json",))
    assert "a copy.zarr holds the result of slide a;" in problem
    assert [path.name for path in written] == ["a.json", "b.json", "cohort.csv", "cohort.html"]
    written, problems = write_reports(out / "a copy.zarr", tmp_path / "one", ("json",))
    assert [path.name for path in written] == ["a.json"] and problems == []


def test_ids_that_look_like_numbers_come_back_as_the_documents_say(tmp_path):
    ids = ["007", "1e5", "NA", "null", "1_000"]
    out = folder_of(tmp_path, *ids)
    write_reports(out, out, ("csv",))
    for table in ("slides.csv", "cohort.csv"):
        rows = pandas.read_csv(out / table, dtype=str, keep_default_na=False)
        assert sorted(rows["slide_id"]) == sorted(ids) and set(pandas.to_numeric(rows["mpp"])) == {0.499}
    assert all((out / f"{slide_id}.csv").exists() for slide_id in ids)


def test_an_output_that_takes_nothing_ends_the_command(tmp_path):
    """It is no result's fault: each further one would only meet it again."""
    for slide_id in ("a", "b"):
        store.save(make_result(slide_id=slide_id), tmp_path / "results")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputUnwritableError):
        write_reports(tmp_path / "results", tmp_path / "file" / "reports", ["json"])
