"""One ZIP in the place of a folder: the same files, or none at all."""

import io
import json
import re
import zipfile
from datetime import datetime

import pytest
from click.testing import CliRunner

from aggregate import store
from app.cli import cli
from app.commands.report import write_reports
from app.commands.terminal.counter import slides_shown
from app.exchange.archive import Archive
from app.ledger.records import SlideRow, write_rows
from tests.results import CLASSES, make_result
from wsi.errors import UsageError

FORMATS = ("json", "csv", "fhir", "parquet")


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    made = [make_result(name) for name in ("a", "b", "cohort")]
    for result in made:
        store.save(result, folder)
    failed = SlideRow("bad", "bad.svs", "failed", error_code="corrupt-slide", message="cut short")
    write_rows(folder / "slides.csv", [*map(SlideRow.of_result, made), failed], CLASSES)
    return folder


class Clock(datetime):
    """Always the same moment: reports tell when they were written, to the second."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 11, 29, 12, tzinfo=tz)


def run(*arguments):
    return CliRunner().invoke(cli, ["report", *map(str, arguments)], standalone_mode=False)


def test_it_holds_what_the_folder_would(results, tmp_path, monkeypatch):
    monkeypatch.setattr("app.commands.report.datetime", Clock)
    archive, folder = tmp_path / "new" / "all.zip", tmp_path / "out"
    assert run(results, "--zip", archive, "--format", ",".join(FORMATS)).return_value == 0
    assert run(results, "--out", folder, "--format", ",".join(FORMATS)).return_value == 0
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == {
            path.name: path.read_bytes() for path in folder.iterdir()
        }
    assert "cohort.slide.json" in {path.name for path in folder.iterdir()}


def test_one_cohort_gives_one_archive_to_the_byte(results, tmp_path):
    for name in ("1.zip", "2.zip"):
        write_reports(results, None, FORMATS, zip_file=tmp_path / name)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_what_could_not_be_exported_is_told_inside_too(results, tmp_path):
    (results / "b.zarr" / "zarr.json").write_text("{")
    done = run(results, "--zip", tmp_path / "x.zip", "--format", "json", "--json")
    assert done.return_value == 1 and len(json.loads(done.stdout)["problems"]) == 1
    with zipfile.ZipFile(tmp_path / "x.zip") as opened:
        assert "b.zarr" in opened.read("not-exported.txt").decode() and "b.json" not in opened.namelist()


def test_one_place_is_asked_for(results, tmp_path):
    for arguments in ((), ("--zip", tmp_path / "x.zip", "--out", tmp_path / "out")):
        assert isinstance(run(results, *arguments).exception, UsageError)
    assert not (tmp_path / "x.zip").exists() and not (tmp_path / "out").exists()


def test_an_export_that_breaks_off_leaves_the_archive_as_it_was(results, tmp_path, monkeypatch):
    archive = tmp_path / "all.zip"
    archive.write_bytes(b"yesterday's")
    asked = []

    def stop(done, total):
        asked.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_reports(results, None, ["json"], zip_file=archive, progress=stop)
    assert asked == [(0, 3), (1, 3), (2, 3)]
    assert archive.read_bytes() == b"yesterday's" and {path.name for path in tmp_path.iterdir()} == {
        "results",
        "all.zip",
    }


def test_a_stream_that_is_broken_off_opens_nowhere():
    class OneWay(io.RawIOBase):
        """Takes bytes and gives none back, as a browser does."""

        def __init__(self):
            self.taken = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.taken += data
            return len(data)

    whole, broken = OneWay(), OneWay()
    with Archive(whole) as archive:
        archive.add("a.json", b"1" * 1000)
    with pytest.raises(RuntimeError), Archive(broken) as archive:
        archive.add("a.json", b"1" * 1000)
        raise RuntimeError
    assert zipfile.ZipFile(io.BytesIO(whole.taken)).read("a.json") == b"1" * 1000
    assert len(broken.taken) > 0 and not zipfile.is_zipfile(io.BytesIO(broken.taken))


def test_no_name_stands_twice_and_none_leads_out_of_it():
    with Archive(io.BytesIO()) as archive:
        archive.add("a", b"")
        archive.add("b/c", b"")
        for name in ("a", "b/c", "../d", "/d", "b/../d", "b//d", "b/./d", "..\\d"):
            with pytest.raises(ValueError, match=re.escape(name)):
                archive.add(name, b"")


def test_slides_are_counted(capsys):
    show = slides_shown(every_s=0)
    for done in range(4):
        show(done, 3)
    slides_shown(every_s=0)(1, 1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "0 of 3 slides" and lines[1].startswith("1 of 3 slides, ") and lines[3:] == ["3 of 3 slides"]
