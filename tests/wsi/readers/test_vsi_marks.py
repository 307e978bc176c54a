"""The small pictures of an Olympus VSI are never taken for the slide, whatever the file is called."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.batch.inputs import collect_jobs
from tests.tiffs import noise
from tests.vsis import tags_head, write_overview
from wsi import open_slide
from wsi.errors import CorruptSlideError, SlideError, UnsupportedSlideError

OTHER = "is an Olympus VSI, of which the reader {} would show the overview; use --reader auto"
LACKING = "is an Olympus VSI with what is not read here: no scan in a folder beside it; export it"
UNTAGGED = (
    "is an Olympus VSI by its name or the folder beside it, but has none of the tags; copy the .vsi again, or give a"
)


def refused(path: Path, told: str, **how: str) -> None:
    with pytest.raises(SlideError) as caught:
        open_slide(path, mpp=0.5, **how)
    assert told in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mouse.vsi", "mouse.VSI", "mouse.tif", "mouse.svs", "Image_01.vsi", "no-ending"])
def test_its_overview_is_no_slide_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    path = write_overview(tmp_path / name, noise(120, 90))
    refused(path, f"{name} {LACKING}")
    for reader in ("image", "openslide", "tiff-jpeg"):
        refused(path, f"{name} {OTHER.format(reader)}", reader=reader)


def test_a_tiff_that_is_named_so_is_no_slide_even_without_its_tags(tmp_path: Path) -> None:
    Image.fromarray(noise(120, 90)).save(tmp_path / "a.tif")
    (tmp_path / "a.tif").rename(tmp_path / "a.vsi")
    refused(tmp_path / "a.vsi", UNTAGGED)


def test_the_folder_beside_a_tiff_tells_what_it_is(tmp_path: Path) -> None:
    Image.fromarray(noise(120, 90)).save(tmp_path / "a.tif")
    (tmp_path / "_a_" / "stack1").mkdir(parents=True)
    assert open_slide(tmp_path / "a.tif", mpp=0.5).size_px == (120, 90)
    (tmp_path / "_a_" / "stack1" / "frame_t.ets").write_bytes(b"SIS\0")
    refused(tmp_path / "a.tif", UNTAGGED)
    Image.fromarray(noise(120, 90)).save(tmp_path / "b.tif")
    assert open_slide(tmp_path / "b.tif", mpp=0.5).size_px == (120, 90)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_px_that_only_resemble_its_tags_are_a_picture(tmp_path: Path, place: int) -> None:
    """One bit less and it is no tree of tags."""
    tags = bytearray(tags_head())
    tags[place] ^= 1
    path = write_overview(tmp_path / "a.tif", noise(120, 90), tags=bytes(tags))
    with open_slide(path, mpp=0.5) as slide:
        assert np.array_equal(slide.read_region((0, 0), 0, (120, 90)), noise(120, 90))


def test_a_picture_that_is_named_so_is_told(tmp_path: Path) -> None:
    Image.fromarray(noise(120, 90)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.vsi")
    refused(tmp_path / "a.vsi", "a.vsi is named as a slide but holds a plain picture")


@pytest.mark.parametrize("name", ["frame_t.ets", "frame_t_0.tif"])
def test_a_part_of_it_is_no_slide(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"SIS\0" + bytes(500))
    with pytest.raises(UnsupportedSlideError, match=rf"{name} is a part of an Olympus VSI \(.ets\), not the slide"):
        open_slide(tmp_path / name, mpp=0.5)


def test_a_search_finds_it_once(tmp_path: Path) -> None:
    write_overview(tmp_path / "Image_01.vsi", noise(120, 90))
    for stack in ("stack1", "stack10000"):
        (tmp_path / "_Image_01_" / stack).mkdir(parents=True)
        (tmp_path / "_Image_01_" / stack / "frame_t.ets").write_bytes(b"SIS\0" + bytes(500))
    assert [job.path.name for job in collect_jobs([tmp_path], None)] == ["Image_01.vsi"]


def test_an_overview_of_mirax_without_its_name_is_no_slide(tmp_path: Path) -> None:
    """A twin: the `.mrxs` is a JPEG of the whole glass, its px lie in the folder beside it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Slidedat.ini").write_text("[GENERAL]")
    Image.fromarray(noise(120, 90)).save(tmp_path / "a.jpg")
    with pytest.raises(UnsupportedSlideError, match=r"a\.jpg is .* MIRAX slide .*; name it a\.mrxs"):
        open_slide(tmp_path / "a.jpg", mpp=0.5)
    (tmp_path / "a.mrxs").write_bytes(b"its own")
    assert open_slide(tmp_path / "a.jpg", mpp=0.5).size_px == (120, 90)  # a picture that somebody made of it


def test_a_folder_that_cannot_be_looked_into_is_none(tmp_path: Path) -> None:
    Image.fromarray(noise(120, 90)).save(tmp_path / "a.tif")
    os.mkfifo(tmp_path / "_a_")
    assert open_slide(tmp_path / "a.tif", mpp=0.5).size_px == (120, 90)


def test_an_empty_or_cut_one_is_told(tmp_path: Path) -> None:
    path = write_overview(tmp_path / "a.vsi", noise(120, 90))
    data = path.read_bytes()
    for length in (4, 8, 20, 31):
        path.write_bytes(data[:length])
        refused(path, UNTAGGED)
    path.write_bytes(bytes(500))
    with pytest.raises(CorruptSlideError, match="begins with nothing but zeros"):
        open_slide(path)
