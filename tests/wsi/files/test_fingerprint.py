"""Fingerprints: one file, many files, and that any changed byte shows."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from threading import Event

import pytest

from wsi.errors import NotAFileError, UnreadableFileError
from wsi.files.fingerprint import fingerprint, fingerprint_meanwhile
from wsi.readers.slide_files import slide_files


def test_one_file_is_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    data = os.urandom(3_000_000)
    path.write_bytes(data)
    assert slide_files(path) == (path,)
    assert fingerprint(path) == hashlib.sha256(data).hexdigest()


@pytest.fixture
def mirax(tmp_path: Path) -> Path:
    folder = tmp_path / "slides" / "a"
    (folder / "deep").mkdir(parents=True)
    (folder / "Slidedat.ini").write_text("x")
    (folder / "Data0000.dat").write_bytes(b"1" * 5000)
    (folder / "deep" / "Data0001.dat").write_bytes(b"2" * 5000)
    (folder.parent / "other.dat").write_text("not of this slide")
    path = folder.parent / "a.mrxs"
    path.write_bytes(b"\xff\xd8")
    return path


def test_mirax_takes_its_folder(mirax: Path) -> None:
    names = [file.relative_to(mirax.parent).as_posix() for file in slide_files(mirax)]
    assert sorted(names) == ["a.mrxs", "a/Data0000.dat", "a/Slidedat.ini", "a/deep/Data0001.dat"]


def test_any_changed_file_changes_the_fingerprint(mirax: Path) -> None:
    before = {fingerprint(mirax)}
    for file in slide_files(mirax):
        data = file.read_bytes()
        file.write_bytes(data + b"!")
        before.add(fingerprint(mirax))
        file.write_bytes(data)
    assert len(before) == 5


def test_files_that_change_places_change_the_fingerprint(mirax: Path) -> None:
    before = fingerprint(mirax)
    first, second = mirax.with_suffix("") / "Data0000.dat", mirax.with_suffix("") / "deep" / "Data0001.dat"
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    assert fingerprint(mirax) != before


def test_moved_slide_keeps_its_fingerprint(mirax: Path, tmp_path: Path) -> None:
    before = fingerprint(mirax)
    shutil.move(mirax.parent, tmp_path / "elsewhere")
    assert fingerprint(tmp_path / "elsewhere" / "a.mrxs") == before


def test_hamamatsu_index_names_its_files(tmp_path: Path) -> None:
    for name in ("a.jpg", "a(1,0).jpg", "a.map", "b.opt", "stranger.jpg"):
        (tmp_path / name).write_text(name)
    (tmp_path.parent / "outside.jpg").write_text("outside")
    index = tmp_path / "a.vms"
    index.write_text(
        "[Virtual Microscope Specimen]\r\nImageFile=a.jpg\r\nImageFile(1,0)=a(1,0).jpg\r\nMapFile=a.map\r\n"
        "OptimisationFile=b.opt\r\nImageFile(2,0)=../outside.jpg\r\nImageFile(3,0)=absent.jpg\r\n"
    )
    assert {file.name for file in slide_files(index)} == {"a.vms", "a.jpg", "a(1,0).jpg", "a.map", "b.opt"}


def test_dicom_takes_its_series(data_dir: Path, tmp_path: Path) -> None:
    for name in ("boxes_0.dcm", "boxes_1.dcm", "boxes.tiff"):
        shutil.copyfile(data_dir / "wsi" / name, tmp_path / name)
    (tmp_path / "fake.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"garbage" * 9)
    assert {file.name for file in slide_files(tmp_path / "boxes_0.dcm")} == {"boxes_0.dcm", "boxes_1.dcm"}
    assert fingerprint(tmp_path / "boxes_0.dcm") == fingerprint(tmp_path / "boxes_1.dcm")


def test_vanished_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError):
        fingerprint(tmp_path / "gone.svs")


def test_a_fingerprint_taken_meanwhile_is_the_same(tmp_path: Path) -> None:
    slide = tmp_path / "a.svs"
    slide.write_bytes(bytes(range(256)) * 20_000)
    with fingerprint_meanwhile(slide) as digest:
        assert digest.result() == fingerprint(slide) == hashlib.sha256(slide.read_bytes()).hexdigest()


def test_a_fingerprint_nobody_waits_for_is_given_up(tmp_path: Path) -> None:
    slide = tmp_path / "a.svs"
    slide.write_bytes(b"slide")
    stop = Event()
    stop.set()
    with pytest.raises(UnreadableFileError):
        fingerprint(slide, stop)


def test_a_pipe_is_not_waited_for(mirax: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.svs")
    with pytest.raises(NotAFileError, match="pipe or device"):
        fingerprint(tmp_path / "pipe.svs")
    (mirax.with_suffix("") / "Data0000.dat").unlink()
    os.mkfifo(mirax.with_suffix("") / "Data0000.dat")
    with pytest.raises(NotAFileError, match=r"Data0000\.dat is a pipe"):
        fingerprint(mirax)
