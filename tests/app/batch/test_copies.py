"""`pulmoscope deidentify` and `run --require-deidentified`: what a person sees, and what a kill leaves behind."""

import csv
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from app.batch import copies
from app.batch.copies import deidentify_slides
from app.cli import cli
from tests.canaries import CANARY, aperio_pages, found_in, generic_pages, write_pages
from tests.dicoms import write_series
from wsi.deidentify.formats import refuse_identifying
from wsi.errors import OutputBusyError, UnsupportedSlideError, UsageError


@pytest.fixture
def slides(tmp_path):
    folder = tmp_path / f"{CANARY} ward"
    folder.mkdir()
    write_pages(folder / f"{CANARY}-1.svs", aperio_pages())
    write_pages(folder / f"{CANARY}-2.tif", generic_pages())
    (folder / f"{CANARY}-3.svs").write_text("no slide")
    return folder


def run(*arguments):
    return CliRunner().invoke(cli, ["deidentify", *map(str, arguments)], standalone_mode=False)


def test_every_slide_is_accounted_for_and_no_name_is_told(slides, tmp_path):
    out = tmp_path / "out"
    done = run(slides, "--out", out)
    assert done.return_value == 1 and CANARY not in done.output.replace(str(tmp_path), "")
    assert done.output.count("done") == 2 and done.output.count("failed") == 1
    assert sorted(path.suffix for path in out.iterdir()) == [".json", ".json", ".svs", ".tif", ".txt", ".txt"]
    for path in out.iterdir():
        assert CANARY not in path.name and found_in(path.read_bytes()) == []
    for copy in (*out.glob("*.svs"), *out.glob("*.tif")):
        refuse_identifying(copy, copy.name)


def test_what_a_reader_says_of_a_slide_does_not_tell_its_name(slides, tmp_path, monkeypatch):
    def refused(request):
        raise UnsupportedSlideError(f"{request.path.name} has 16 bits a colour")

    monkeypatch.setattr(copies, "copied", refused)
    done = run(slides, "--out", tmp_path / "out")
    assert done.return_value == 1 and done.output.count("unsupported-format") == 3
    assert CANARY not in done.output.replace(str(tmp_path), "") and not list((tmp_path / "out").iterdir())


def test_the_key_lies_beside_the_copies_and_tells_which_is_which(slides, tmp_path):
    out = tmp_path / "out"
    run(slides, "--out", out)
    key, key_map = tmp_path / "out.key", tmp_path / "out.key.map.csv"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (key, key_map)} == {0o600}
    with key_map.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["original"] for row in rows} == {str(path) for path in slides.iterdir()}
    assert {path.name.partition(".")[0] for path in out.iterdir()} < {row["pseudonym"] for row in rows}


def test_a_key_among_the_copies_is_refused(slides, tmp_path):
    with pytest.raises(UsageError, match="lies in the output"):
        deidentify_slides([slides], tmp_path / "out", tmp_path / "out" / "key", overwrite=False, say=print)


def test_given_again_it_keeps_what_is_there(slides, tmp_path):
    out = tmp_path / "out"
    run(slides, "--out", out)
    [copy] = out.glob("*.svs")
    before = copy.stat().st_ino
    assert run(slides, "--out", out).output.count("kept") == 2 and copy.stat().st_ino == before
    assert run(slides, "--out", out, "--overwrite").output.count("done") == 2 and copy.stat().st_ino != before


def test_json_for_programs(slides, tmp_path):
    told = json.loads(run(slides, "--out", tmp_path / "out", "--json").output)
    assert sorted(slide["status"] for slide in told["slides"]) == ["done", "done", "failed"]
    [failed] = [slide for slide in told["slides"] if slide["status"] == "failed"]
    assert failed["error_code"] == "unsupported-format" and CANARY not in failed["message"]


def test_the_report_tells_fields_and_never_values(slides, tmp_path):
    out = tmp_path / "out"
    run(slides / f"{CANARY}-1.svs", "--out", out)
    [path] = out.glob("*.json")
    report = json.loads(path.read_text())
    fields = {field["field"] for field in report["removed"]}
    assert {"Aperio Date", "Aperio User", "label image", "macro image", "thumbnail image", "EXIF"} <= fields
    assert report["verified"]["found"] == 0 and report["verified"]["values_searched_for"] > 50
    assert any("pixels of the levels" in what for what in report["not_looked_for"])
    [text] = out.glob("*.txt")
    assert "Aperio ScanScope ID" in text.read_text() and "12/29/09" not in path.read_text() + text.read_text()


def test_a_dicom_slide_is_copied_as_a_folder(tmp_path):
    source, out = tmp_path / "series", tmp_path / "out"
    source.mkdir()
    write_series(source, PatientName=CANARY)
    done = run(source, "--out", out)
    assert done.return_value == 0, done.output
    [folder] = [path for path in out.iterdir() if path.is_dir()]
    assert sorted(path.name for path in folder.iterdir()) == ["000001.dcm", "000002.dcm"]
    assert run(source, "--out", out, "--overwrite").return_value == 0


def test_dates_are_shifted_where_that_is_asked_for_and_told(tmp_path):
    source, out = tmp_path / "series", tmp_path / "out"
    source.mkdir()
    write_series(source, PatientID="4711", StudyDate="20091229")
    for dates, said, again in (("shift", "moved back", 0), ("shift", "moved back", 1), ("remove", "left out", 0)):
        done = run(source, "--out", out, "--dates", dates)
        assert done.return_value == 0 and done.output.count("kept") == again
        [report] = out.glob("*.txt")
        assert f"Dates: {said}" in report.read_text()


def test_a_copy_in_which_something_is_found_is_not_kept(slides, tmp_path, monkeypatch):
    """The search is what counts: a plan that left a field in place would be caught by it."""
    from wsi.deidentify import copy
    from wsi.deidentify.plan import Naming, Removed
    from wsi.errors import IdentifyingMetadataError

    plan_slide = copy.plan_slide

    def forgetful(path, naming):
        plan = plan_slide(path, naming)
        said = plan.texts[0][:20]
        return copy.SlidePlan(
            plan.kind,
            plan.files,
            (*plan.removed[: 1 if naming.secret else 0], Removed("ward", (said,))) if naming.secret else (),
            plan.main,
        )

    monkeypatch.setattr(copy, "plan_slide", forgetful)
    with pytest.raises(IdentifyingMetadataError, match="ward"):
        copy.make_copy(slides / f"{CANARY}-1.svs", tmp_path, Naming("ps-1", b"key"))


def test_one_run_at_a_time(slides, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with copies._alone_in(out), pytest.raises(OutputBusyError):
        deidentify_slides([slides], out, None, overwrite=False, say=print)


def test_a_kill_leaves_nothing_that_looks_whole(slides, tmp_path):
    """Whenever it comes: a copy is there under its name with its reports, clean and whole, or not at all."""
    big = slides / f"{CANARY}-1.svs"
    out = tmp_path / "out"
    command = [sys.executable, "-m", "app.cli", "deidentify", str(slides), "--out", str(out)]
    for wait_s in (0.6, 0.9, 1.2, 1.5, 2.0):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(wait_s)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for copy in (*out.glob("*.svs"), *out.glob("*.tif")):
            refuse_identifying(copy, copy.name)
            assert copy.stat().st_size >= big.stat().st_size // 3
            assert (out / f"{copy.stem}.deidentified.json").exists()
    assert run(slides, "--out", out).return_value == 1
    assert not list(out.glob(".*")) and len(list(out.glob("*.svs"))) == 1


def test_what_was_left_half_done_is_swept(slides, tmp_path):
    out = tmp_path / "out"
    left = out / ".ps-0123.abcd.partial"
    left.mkdir(parents=True)
    (left / "half.svs").write_bytes(b"II*\0")
    run(slides, "--out", out)
    assert not left.exists()


@pytest.mark.parametrize("extra", [(), ("--pseudonymize",)])
def test_a_run_that_requires_it_refuses_what_still_tells(slides, tmp_path, ready_slide, extra):
    out, results = tmp_path / "out", tmp_path / "results"
    shutil.copy(ready_slide.path, slides / "clean.svs")
    if extra:
        extra = (*extra, str(tmp_path / "key"))
    arguments = ["run", str(slides), "--out", str(results), "--require-deidentified", *extra]
    CliRunner().invoke(cli, arguments, standalone_mode=False)
    with (results / "slides.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    codes = sorted(row["error_code"] for row in rows)
    assert codes == ["", "identifying-metadata", "identifying-metadata", "identifying-metadata"]
    [first] = [row for row in rows if "Aperio ScanScope ID" in row["message"]]
    assert first["status"] == "failed" and "12/29/09" not in first["message"]
    if extra:
        assert all(CANARY not in str(row) for row in rows)
    assert not out.exists()
