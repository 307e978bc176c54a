"""Levels below the first directory of a TIFF (SubIFDs, as OME-TIFF has them): read where they show the slide."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.slides import stained
from tests.tiffs import SHORT, jpeg_tiles, level_tags, write_tiff
from tiler import find_tissue
from wsi import open_slide
from wsi.errors import CorruptSlideError

TILE = 128


def section(width, height, seed=0):
    pixels = np.full((height, width, 3), 244, np.uint8)
    top, left = height * 5 // 9, width * 5 // 9
    tissue = stained((height - top) // 16 + 1, (width - left) // 16 + 1, seed).repeat(16, axis=0).repeat(16, axis=1)
    pixels[top:, left:] = tissue[: height - top, : width - left]
    return pixels


def reduced(pixels, x, y=None):
    size = (pixels.shape[1] // x, pixels.shape[0] // (y or x))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def hang_below(path):
    """All directories but the first of a written TIFF become sub-directories of the first."""
    data = bytearray(path.read_bytes())
    places, at = [], struct.unpack_from("<I", data, 4)[0]
    while at:
        places.append(at)
        [count] = struct.unpack_from("<H", data, at)
        link = at + 2 + 12 * count
        [at] = struct.unpack_from("<I", data, link)
        struct.pack_into("<I", data, link, 0)
    first, *others = places
    [count] = struct.unpack_from("<H", data, first)
    entries = [bytes(data[first + 2 + 12 * i : first + 14 + 12 * i]) for i in range(count)]
    value = struct.pack(f"<{len(others)}I", *others)
    if len(others) > 1:
        value, data = struct.pack("<I", len(data)), data + value
    entries.append(struct.pack("<HHI", 330, 13, len(others)) + value)
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
    data += bytes(len(data) % 2)
    struct.pack_into("<I", data, 4, len(data))
    path.write_bytes(data + struct.pack("<H", count + 1) + b"".join(entries) + bytes(4))
    return path


def ome(path, pictures, *, change=None, missing=()):
    levels = []
    for number, picture in enumerate(pictures):
        tiles = jpeg_tiles(picture, TILE)
        for level, index in missing:
            if level == number:
                tiles[index] = b""
        levels.append((level_tags((picture.shape[1], picture.shape[0]), TILE, tiles), tiles))
    return hang_below(write_tiff(path, levels, change=change))


@pytest.mark.parametrize("factors", [(2, 4), (4,), (2, 8, 16)])
def test_sub_levels_are_levels(tmp_path: Path, factors) -> None:
    picture = section(1500, 1100)
    path = ome(tmp_path / "x.ome.tif", [picture, *(reduced(picture, f) for f in factors)])
    with open_slide(path, mpp=0.5) as slide, slide.reopen() as again:
        assert [level.downsample for level in slide.levels] == [1.0, *map(float, factors)]
        assert "levels_left_out" not in slide.metadata and slide.levels == again.levels
        for number, factor in enumerate(factors, start=1):
            for reader in (slide, again):
                region = reader.read_region((10, 20), number, (80, 40)).astype(int)
                assert np.abs(region - reduced(picture, factor)[20:60, 10:90]).mean() < 8
    tiles = jpeg_tiles(picture, TILE)
    whole = write_tiff(tmp_path / "plain.tif", [(level_tags((1500, 1100), TILE, tiles), tiles)])
    with open_slide(path, mpp=0.5) as slide, open_slide(whole, mpp=0.5) as plain:
        assert len(plain.levels) == 1
        assert find_tissue(slide).tissue_mm2 == pytest.approx(find_tissue(plain).tissue_mm2, rel=0.02)


def test_what_does_not_show_the_slide_is_left_out_and_told(tmp_path: Path) -> None:
    picture, other = section(1500, 1100), section(1500, 1100, seed=9)[::-1, ::-1]
    for wrong in (reduced(other, 4), reduced(picture, 4, 2), np.ascontiguousarray(reduced(picture, 4)[::-1])):
        with open_slide(ome(tmp_path / "x.ome.tif", [picture, wrong, reduced(picture, 8)]), mpp=0.5) as slide:
            assert [level.downsample for level in slide.levels] == [1.0, 8.0]
            assert slide.metadata["levels_left_out"] == 1


def test_a_sub_level_of_another_layout_is_passed_over(tmp_path: Path) -> None:
    """What is no JPEG cannot be read here; full resolution can."""
    picture = section(1500, 1100)

    def uncompressed(directories):
        directories[1][259] = (SHORT, [1])

    with open_slide(ome(tmp_path / "x.tif", [picture, reduced(picture, 4)], change=uncompressed), mpp=0.5) as slide:
        assert len(slide.levels) == 1 and slide.backend == "tiff-jpeg"


@pytest.mark.parametrize("place", [0, 5, 2**31, 2**32 - 1])
def test_a_sub_directory_that_leads_nowhere_is_passed_over(tmp_path: Path, place: int) -> None:
    picture = section(900, 700)
    path = ome(tmp_path / "x.tif", [picture, reduced(picture, 4)])
    data = bytearray(path.read_bytes())
    at = data.rindex(struct.pack("<HHI", 330, 13, 1))
    struct.pack_into("<I", data, at + 8, place)
    path.write_bytes(data)
    with open_slide(path, mpp=0.5) as slide:
        assert len(slide.levels) == 1


def test_a_tile_of_a_sub_level_that_is_missing_is_white_and_a_damaged_one_told(tmp_path: Path) -> None:
    picture = section(1500, 1100)
    path = ome(tmp_path / "x.tif", [picture, reduced(picture, 2)], missing=[(1, 0)])
    with open_slide(path, mpp=0.5) as slide:
        assert (slide.read_region((0, 0), 1, (TILE, TILE)) == 255).all()
    path = ome(tmp_path / "y.tif", [picture, reduced(picture, 2)])
    data = path.read_bytes()
    tile = jpeg_tiles(reduced(picture, 2), TILE)[7]
    path.write_bytes(data.replace(tile, b"\0" * len(tile)))
    with open_slide(path, mpp=0.5) as slide:
        assert len(slide.levels) in (1, 2)
        if len(slide.levels) == 2:
            with pytest.raises(CorruptSlideError, match="a tile cannot be decoded"):
                slide.read_region((0, 0), 1, slide.levels[1].size_px)
