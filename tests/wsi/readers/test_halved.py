"""Levels decoded at half their size: close to area averages, in their place, and never what a model is given."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg

from tests.dicoms import write_series
from tests.tiffs import APERIO, level_tags, write_slide, write_tiff
from tiler.spec import TileSpec
from tiler.stream import read_tile_at
from wsi import open_slide
from wsi.readers.tiff.directory import readable_levels
from wsi.slide import Halves, Slide
from wsi.synthetic.tissue import paint_tissue

SIZE_PX = (1003, 730)
SOUND_PX = (496, 360)  # the half of what whole blocks of 16 px cover
STRANGE = (255, 0, 255)  # what the tiles hold beyond the slide's edge


def pattern() -> np.ndarray:
    """Drawn tissue with a dark square, and lines of one px, at no multiple of anything."""
    pixels = paint_tissue("adenocarcinoma", SIZE_PX, 0.5, 3).copy()
    pixels[201:331, 407:548] = (60, 20, 90)
    pixels[517, 100:900] = pixels[100:650, 771] = (20, 20, 20)
    return pixels


def slide_of(path: Path, tile_px: int = 256, subsampling: str = "420") -> Path:
    pixels, (width, height) = pattern(), SIZE_PX
    tiles = []
    for y in range(0, height, tile_px):
        for x in range(0, width, tile_px):
            tile = np.full((tile_px, tile_px, 3), STRANGE, np.uint8)
            part = pixels[y : y + tile_px, x : x + tile_px]
            tile[: part.shape[0], : part.shape[1]] = part
            tiles.append(simplejpeg.encode_jpeg(tile, 92, "RGB", subsampling))
    said = APERIO.format(*SIZE_PX, tile_px, tile_px)
    tags = level_tags(SIZE_PX, tile_px, tiles, subsampling=subsampling, description=said)
    return write_tiff(path, [(tags, tiles)])


def averages(slide: Slide, size_px: tuple[int, int]) -> np.ndarray:
    whole = slide.read_region((0, 0), 0, (2 * size_px[0], 2 * size_px[1]))
    return cv2.resize(whole, size_px, interpolation=cv2.INTER_AREA)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize(("tile_px", "subsampling"), [(128, "420"), (240, "420"), (256, "422"), (256, "444")])
def test_a_halved_level_is_its_area_average_and_lies_where_it_should(
    tmp_path: Path, tile_px: int, subsampling: str
) -> None:
    path = slide_of(tmp_path / "pattern.svs", tile_px, subsampling)
    with open_slide(path, mpp=0.5, reader="tiff-jpeg") as slide:
        assert isinstance(slide, Halves)
        half = slide.half_region((0, 0), 0, SOUND_PX)
        assert half is not None and half.shape == (SOUND_PX[1], SOUND_PX[0], 3)
        expected = averages(slide, SOUND_PX)
        assert apart(half, expected) < 1.5
        for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            assert apart(np.roll(half, (down, across), (0, 1)), expected) > 5 * apart(half, expected)
        # The last px, too, beside which the tiles hold something else.
        for strip in (np.s_[-3:], np.s_[:, -3:]):
            assert apart(half[strip], expected[strip]) < 1.5
        part = slide.half_region((31, 17), 0, (150, 140))
        assert np.array_equal(part, half[17:157, 31:181])


def test_where_the_last_px_are_not_whole_there_is_none(tmp_path: Path) -> None:
    with open_slide(slide_of(tmp_path / "pattern.svs"), mpp=0.5) as slide:
        assert isinstance(slide, Halves)
        assert slide.half_region((SOUND_PX[0] - 4, 0), 0, (4, 4)) is not None
        assert slide.half_region((SOUND_PX[0] - 4, 0), 0, (5, 4)) is None
        assert slide.half_region((0, SOUND_PX[1] - 4), 0, (4, 5)) is None
        assert slide.half_region((-1, 0), 0, (4, 4)) is None and slide.half_region((0, -1), 0, (4, 4)) is None
        slide.close()
        with pytest.raises(ValueError, match="closed"):
            slide.half_region((0, 0), 0, (4, 4))


def test_whole_and_halved_tiles_are_kept_apart(tmp_path: Path) -> None:
    path = slide_of(tmp_path / "pattern.svs")
    with open_slide(path, mpp=0.5) as slide, open_slide(path, mpp=0.5) as fresh:
        assert isinstance(slide, Halves)
        half = slide.half_region((0, 0), 0, (300, 300))
        assert np.array_equal(slide.read_region((0, 0), 0, SIZE_PX), fresh.read_region((0, 0), 0, SIZE_PX))
        assert np.array_equal(slide.half_region((0, 0), 0, (300, 300)), half)


def test_a_damaged_tile_is_left_to_the_reader_of_whole_ones(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "whole.svs", (512, 384))
    fd = os.open(path, os.O_RDONLY)
    tiles = readable_levels(fd)[0]
    os.close(fd)
    offset, length = int(tiles.offsets[0]), int(tiles.lengths[0])
    data = bytearray(path.read_bytes())
    data[offset + length // 2 : offset + length] = bytes(length - length // 2)
    path.write_bytes(data)
    with open_slide(path, reader="tiff-jpeg") as slide, open_slide(path, reader="openslide") as lenient:
        assert isinstance(slide, Halves)
        assert slide.half_region((64, 0), 0, (32, 32)) is not None
        assert slide.half_region((0, 0), 0, (32, 32)) is None
        assert np.array_equal(*(one.read_region((0, 0), 0, (128, 128)) for one in (slide, lenient)))


def test_a_tile_that_was_never_written_is_left_to_the_reader_of_whole_ones(tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "gaps.tif", (512, 384), aperio=False, missing=[(0, 0)]), mpp=0.5) as slide:
        assert isinstance(slide, Halves)
        assert slide.half_region((0, 0), 0, (32, 32)) is None
        assert slide.half_region((64, 0), 0, (32, 32)) is not None


def test_frames_of_dicom_are_halved_alike(tmp_path: Path) -> None:
    with open_slide(write_series(tmp_path, size=512, tile=128)[0]) as slide:
        assert slide.backend == "dicom-jpeg" and isinstance(slide, Halves)
        half = slide.half_region((0, 0), 0, (256, 256))
        assert half is not None and apart(half, averages(slide, (256, 256))) < 3.0


def test_a_model_is_never_given_halved_px(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_slide(slide_of(tmp_path / "pattern.svs"), mpp=0.5) as slide:
        expected = read_tile_at(slide, (100, 60), TileSpec(112, 1.0)), slide.thumbnail(200)

        def refuse(*_: object) -> None:
            raise AssertionError("halved px were asked for")

        monkeypatch.setattr(type(slide), "half_region", refuse)
        monkeypatch.setattr(type(slide), "_decode_half", refuse)
        assert np.array_equal(read_tile_at(slide, (100, 60), TileSpec(112, 1.0)), expected[0])
        assert np.array_equal(slide.thumbnail(200), expected[1])
