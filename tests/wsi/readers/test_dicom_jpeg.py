"""DICOM levels that are plain grids of JPEG frames: OpenSlide's pixels, or left to it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.contracts.reader import ReaderContract
from tests.dicoms import drawn, write_concatenation, write_instance, write_series
from wsi import open_slide
from wsi.errors import CorruptSlideError
from wsi.readers.dicom.frames import read_frames
from wsi.readers.openslide import OpenSlideReader
from wsi.readers.tiff.directory import FastPathDoubtError


class TestContract(ReaderContract):
    @pytest.fixture
    def slide(self, tmp_path: Path):
        with open_slide(write_series(tmp_path)[0]) as slide:
            yield slide


@pytest.mark.parametrize(("size", "tile"), [(512, 128), (500, 128), (600, 256)])
def test_the_pixels_are_openslides(tmp_path: Path, size, tile) -> None:
    path = write_series(tmp_path, size=size, tile=tile)[0]
    with open_slide(path) as slide, OpenSlideReader(path) as other, slide.reopen() as again:
        assert slide.backend == again.backend == "dicom-jpeg" and slide.levels == other.levels
        assert slide.metadata["reader"] == "dicom-jpeg (verified on 3 tiles)" and slide.spacing == other.spacing
        for level in slide.levels[: 1 if size % 4 else 2]:
            number = slide.levels.index(level)
            ours, theirs = (s.read_region((0, 0), number, level.size_px) for s in (again, other))
            assert np.array_equal(ours, theirs)


def doubt(path: Path) -> str:
    with pytest.raises(FastPathDoubtError) as told:
        read_frames(path)
    return str(told.value)


def test_what_is_no_plain_grid_is_left_to_openslide(tmp_path: Path) -> None:
    for number, (more, told) in enumerate((
        ({"sparse": True}, "no plain grid"),
        ({"NumberOfFrames": 15}, "no plain grid"),
        ({"PhotometricInterpretation": "MONOCHROME2"}, "not 8-bit RGB"),
        ({"BitsStored": 12}, "not 8-bit RGB"),
        ({"Columns": 65535}, "no sensible size"),
        ({"TotalPixelMatrixColumns": 2**31 - 1}, "no plain grid"),
    )):  # fmt: skip
        path = write_instance(tmp_path / f"{number}.dcm", drawn(512, 512), series=str(number), **more)
        assert told in doubt(path)
    (tmp_path / "many").mkdir()
    with open_slide(write_concatenation(tmp_path / "many")[1][0], mpp=0.5) as slide:
        assert slide.backend == "openslide"


def spoilt(path: Path, place: int, data: bytes) -> Path:
    """The table of frames or what follows it, changed at `place` px from the table's item."""
    whole = bytearray(path.read_bytes())
    at = whole.index(b"\xe0\x7f\x10\x00OB") + 12
    whole[at + place : at + place + len(data)] = data
    path.write_bytes(whole)
    return path


@pytest.mark.parametrize(
    ("place", "data"),
    [
        (0, b"xxxx"),
        (4, struct.pack("<I", 2**31)),
        (8, struct.pack("<I", 4)),
        (12, struct.pack("<I", 0)),
        (8 + 4 * 15, struct.pack("<I", 2**32 - 1)),
    ],
    ids=["no item", "a long table", "the first is elsewhere", "no order", "beyond the file"],
)
def test_a_table_that_lies_is_not_followed(tmp_path: Path, place, data) -> None:
    path = spoilt(write_instance(tmp_path / "x.dcm", drawn(512, 512)), place, data)
    assert "table" in doubt(path)


def test_a_header_without_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x10\x00UN\0\0" + struct.pack("<I", 2**31) + bytes(1000))
    assert doubt(path)
    cut = write_instance(tmp_path / "y.dcm", drawn(512, 512))
    cut.write_bytes(cut.read_bytes()[:3000])
    assert doubt(cut)


def test_a_damaged_frame_has_openslides_word(tmp_path: Path) -> None:
    path = write_instance(tmp_path / "x.dcm", drawn(512, 512))
    frames = read_frames(path)
    data = bytearray(path.read_bytes())
    at = int(frames.offsets[6])
    data[at : at + int(frames.lengths[6])] = bytes(int(frames.lengths[6]))
    path.write_bytes(data)
    with open_slide(path) as slide:
        assert slide.backend == "dicom-jpeg"
        with pytest.raises(CorruptSlideError):
            slide.read_region((256, 128), 0, (20, 20))
        assert slide.read_region((0, 0), 0, (20, 20)).shape == (20, 20, 3)
