"""`pulmoscope report` on folders: nothing that lies there is overwritten, and one odd result ends no other's report."""

import json
import shutil
import zipfile
from dataclasses import replace

import pandas
import pytest
from click.testing import CliRunner
from PIL import Image

from aggregate import store
from app.batch.manifest import read_cases, read_manifest
from app.cli import cli
from app.commands.report import write_reports
from app.ledger.records import SlideRow, read_rows, write_rows
from tests.results import CLASSES, make_result
from wsi.errors import OutputUnwritableError, UsageError
from wsi.files.fingerprint import fingerprint


def folder_of(tmp_path, *ids):
    results = [make_result(slide_id) for slide_id in ids]
    for result in results:
        store.save(result, tmp_path)
    write_rows(tmp_path / "slides.csv", [SlideRow.of_result(result) for result in results], CLASSES)
    return tmp_path


def test_reports_beside_the_results_leave_the_table_of_the_run_alone(tmp_path):
    out = folder_of(tmp_path, "cohort", "slides", "measures", "plain")
    table = (out / "slides.csv").read_bytes()
    written, problems = write_reports(out, out, ("csv",))
    assert problems == [] and (out / "slides.csv").read_bytes() == table
    assert len(set(written)) == 7 and len(read_rows(out / "cohort.csv")) == 4
    assert all(
        "side_px" in (out / f"{stem}.csv").read_text()
        for stem in ("cohort.slide", "slides.slide", "measures.slide", "plain")
    )


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


def slide_and_result(folder, slide_id="one"):
    """A picture that is a slide, and a result of it in `folder/out`."""
    path = folder / "scans" / f"{slide_id}.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (1200, 600), (200, 90, 150)).save(path)
    result = make_result(slide_id, cell_px=100.0, mpp=2.0, file=path.name)
    result = replace(result, slide=replace(result.slide, sha256=fingerprint(path)))
    store.save(result, folder / "out")
    row = replace(SlideRow.of_result(result), file=str(path))
    failed = SlideRow(
        "lost", str(path.parent / "lost.svs"), "failed", error_code="mpp-missing", message="no pixel size"
    )
    write_rows(folder / "out" / "slides.csv", [row, failed], CLASSES)
    return path, result


def told(*arguments):
    done = CliRunner().invoke(cli, ["report", *map(str, arguments)], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


def test_pictures_come_from_the_slide_where_it_lies_or_where_slides_are_said_to_lie(tmp_path):
    path, _ = slide_and_result(tmp_path)
    told(tmp_path / "out", "--out", tmp_path / "a", "--format", "html")
    moved = tmp_path / "elsewhere" / path.name
    moved.parent.mkdir()
    path.rename(moved)
    told(tmp_path / "out", "--out", tmp_path / "b", "--format", "html")
    told(tmp_path / "out", "--out", tmp_path / "c", "--format", "html", "--slides", moved.parent)
    pages = [(tmp_path / name / "one.html").read_text() for name in "abc"]
    assert ["data:image/jpeg" in page for page in pages] == [True, False, True]
    assert "The slide file was not at hand" in pages[1]


def test_failed_slides_have_reports_in_folders_and_in_a_zip(tmp_path):
    slide_and_result(tmp_path)
    told(tmp_path / "out", "--out", tmp_path / "a", "--format", "pdf,json,csv", "--language", "de")
    assert json.loads((tmp_path / "a" / "lost.json").read_text())["language"] == "de"
    assert (tmp_path / "a" / "lost.pdf").read_bytes().startswith(b"%PDF") and not (tmp_path / "a" / "lost.csv").exists()
    told(tmp_path / "out", "--zip", tmp_path / "all.zip", "--format", "html")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert {"one.html", "lost.html", "cohort.html"} <= set(archive.namelist())


def test_cases_come_from_an_option_or_a_manifest_and_stay_out_of_the_store(tmp_path):
    path, _ = slide_and_result(tmp_path)
    table = tmp_path / "cases.csv"
    table.write_text(f"slide,case\n{path.relative_to(tmp_path)},A-17\nlost,A-18\n")
    told(tmp_path / "out", "--out", tmp_path / "a", "--format", "json", "--manifest", table)
    cases = {name: json.loads((tmp_path / "a" / f"{name}.json").read_text())["case"] for name in ("one", "lost")}
    assert cases == {"one": "A-17", "lost": "A-18"}
    told(tmp_path / "out" / "one.zarr", "--out", tmp_path / "b", "--format", "json", "--case", "B-1")
    assert json.loads((tmp_path / "b" / "one.json").read_text())["case"] == "B-1"
    kept = [file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert not any(case in content for content in kept for case in (b"A-17", b"A-18", b"B-1"))
    with pytest.raises(UsageError, match="single result"):
        told(tmp_path / "out", "--out", tmp_path / "c", "--case", "B-1")


def test_a_run_passes_the_cases_of_a_manifest_over(tmp_path):
    table = tmp_path / "slides.csv"
    table.write_text("slide,mpp,case\na.svs,0.5,A-17\na.svs,,A-17\nb.svs,,\n")
    assert [(job.path.name, job.mpp) for job in read_manifest(table)] == [("a.svs", 0.5), ("b.svs", None)]
    assert read_cases(table) == {"a.svs": "A-17", str((tmp_path / "a.svs").absolute()): "A-17"}
    table.write_text("slide,case\na.svs,A-17\na.svs,A-18\n")
    with pytest.raises(UsageError, match="line 3: a second case"):
        read_cases(table)
