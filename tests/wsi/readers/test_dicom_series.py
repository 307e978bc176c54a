"""Headers of DICOM instances, whatever was made of them, and a folder that shows OpenSlide one series alone."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import openslide
import pytest

from tests.dicoms import drawn, write_instance, write_series
from wsi import open_slide
from wsi.errors import PulmoscopeError
from wsi.readers.dicom.series import alone, read_header, series_files


def test_a_header_is_read_without_what_follows_it(tmp_path: Path) -> None:
    path = write_instance(tmp_path / "a.dcm", drawn(300, 200), series="4", study="5", flavour="OVERVIEW")
    header = read_header(path)
    assert header is not None
    assert (header.flavour, header.size_px) == ("OVERVIEW", (300, 200))
    assert header.series.endswith(".4.901") and header.study.endswith(".5.900")


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_header_is_none_or_a_header_and_nothing_is_said(
    tmp_path: Path, seed: int, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(write_instance(tmp_path / "a.dcm", drawn(128, 128)).read_bytes())
    for at in rng.integers(132, 1200, 12):
        data[at] = rng.integers(256)
    (tmp_path / "b.dcm").write_bytes(data[: rng.integers(200, len(data))])
    header = read_header(tmp_path / "b.dcm")
    assert header is None or header.series
    assert not recwarn.list and capfd.readouterr() == ("", "")


def test_sequences_without_end_and_deflated_bombs_are_no_headers(tmp_path: Path) -> None:
    head = write_instance(tmp_path / "a.dcm", drawn(128, 128)).read_bytes()[:400]
    nested = b"\x08\x00\x05\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * 2
    (tmp_path / "deep.dcm").write_bytes(head[:332] + nested * 20_000)
    (tmp_path / "zip.dcm").write_bytes(head.replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.1.99"))
    assert read_header(tmp_path / "deep.dcm") is None
    assert read_header(tmp_path / "zip.dcm") is None


def test_a_series_without_neighbours_is_opened_where_it_lies(tmp_path: Path) -> None:
    level0, *_ = write_series(tmp_path)
    with alone(level0, series_files(level0)) as shown:
        assert shown == level0


def test_neighbours_are_not_shown(tmp_path: Path) -> None:
    level0, *_ = write_series(tmp_path)
    os.mkfifo(tmp_path / "a-pipe.dcm")
    write_series(tmp_path, "2")
    with alone(level0, series_files(level0)) as shown:
        assert shown.parent != tmp_path
        assert sorted(link.resolve() for link in shown.parent.iterdir()) == sorted(series_files(level0))
        with openslide.OpenSlide(str(shown)) as slide:
            assert slide.level_count == 2
            assert np.asarray(slide.read_region((0, 0), 1, (128, 128)))[..., 3].min() == 255
        folder = shown.parent
    assert not folder.exists()


@pytest.mark.parametrize("hostile", ["pipe", "garbage", "cut", "huge"])
def test_a_hostile_neighbour_spoils_no_slide(tmp_path: Path, hostile: str) -> None:
    level0, *_ = write_series(tmp_path)
    neighbour = tmp_path / "0-bad.dcm"
    whole = level0.read_bytes()
    if hostile == "pipe":
        os.mkfifo(neighbour)
    elif hostile == "garbage":
        neighbour.write_bytes(whole[:140] + b"\xff" * 4000)
    elif hostile == "cut":
        neighbour.write_bytes(whole[:700].replace(b".498.1.901", b".498.7.901"))
    else:  # an element that claims 4 GB
        neighbour.write_bytes(whole[:400] + b"\x09\x00\x10\x00OB\0\0\xf0\xff\xff\xff" + b"\0" * 5000)
    with open_slide(level0) as slide, slide.reopen() as other:
        assert slide.size_px == (512, 512)
        assert np.array_equal(slide.read_region((0, 0), 1, (128, 128)), other.read_region((0, 0), 1, (128, 128)))
        assert neighbour not in slide.files.paths


def test_the_folder_of_links_goes_with_the_slide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "in").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    level0, *_ = write_series(tmp_path / "in")
    (tmp_path / "in" / "note.txt").write_text("x")
    with open_slide(level0, reader="openslide"):
        assert len(list((tmp_path / "tmp").iterdir())) == 1
    assert list((tmp_path / "tmp").iterdir()) == []
    with pytest.raises(PulmoscopeError):
        open_slide(level0, mpp=999.0)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("full", [False, True])
def test_without_room_for_links_the_slide_is_read_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    level0, *_ = write_series(tmp_path)
    (tmp_path / "note.txt").write_text("x")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("tmp" if full else "gone")))
    if full:
        (tmp_path / "tmp").mkdir()

        def no_space(*_: object) -> None:
            raise OSError(errno.ENOSPC, "no space")

        monkeypatch.setattr(Path, "symlink_to", no_space)
    with open_slide(level0) as slide:
        assert slide.size_px == (512, 512)
