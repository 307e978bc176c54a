"""OME-Zarr as a slide: the very px that the Zarr library wrote, and a line for what is not read."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

from tests.coded import reduced
from tests.contracts.reader import ReaderContract
from tests.wsi.readers.test_coded_tiff import picture
from tests.zarrs import write_ome_zarr
from wsi import open_slide
from wsi.deidentify.formats import refuse_identifying
from wsi.errors import (
    CorruptSlideError,
    IdentifyingMetadataError,
    NotAFileError,
    SlideChangedError,
    SlideError,
    UnsupportedSlideError,
)
from wsi.files.fingerprint import fingerprint
from wsi.readers.zarr_files.folder import is_picture_folder

V2 = {
    "blosc": numcodecs.Blosc("zstd"),
    "zlib": numcodecs.Zlib(),
    "gzip": numcodecs.GZip(),
    "zstd": numcodecs.Zstd(),
    "lz4": numcodecs.LZ4(),
    "none": None,
}
V3 = {
    "blosc": zarr.codecs.BloscCodec(cname="lz4"),
    "gzip": zarr.codecs.GzipCodec(),
    "zstd": zarr.codecs.ZstdCodec(),
    "none": None,
}


class TestContract(ReaderContract):
    @pytest.fixture
    def slide(self, tmp_path: Path):
        with open_slide(write_ome_zarr(tmp_path / "x.ome.zarr", picture())) as slide:
            yield slide


def check(path: Path, pixels, downsamples=(1, 2, 4)) -> None:
    with open_slide(path) as slide:
        assert slide.backend == "ome-zarr" and [level.downsample for level in slide.levels] == list(downsamples)
        assert slide.spacing.mpp == pytest.approx(0.5) and slide.spacing.source == "slide"
        for number, by in enumerate(downsamples):
            truth = reduced(pixels, by)
            assert np.array_equal(slide.read_region((0, 0), number, truth.shape[1::-1]), truth)


@pytest.mark.parametrize(("version", "codec"), [("0.4", name) for name in V2] + [("0.5", name) for name in V3])
def test_each_codec_of_each_version(tmp_path: Path, version, codec) -> None:
    pixels = picture(500, 300)
    compressor = (V2 if version == "0.4" else V3)[codec]
    check(write_ome_zarr(tmp_path / "x.zarr", pixels, version=version, compressors=compressor), pixels)


WAYS = (
    {"axes": "cyx"},
    {"axes": "yxc", "colours_a_chunk": 3},
    {"colours_a_chunk": 3},
    {"axes": "czyx", "colours_a_chunk": 2},
    {"shards": True},
    {"shards": True, "axes": "yxc", "colours_a_chunk": 3},
    {"layout": True},
    {"layout": True, "version": "0.4"},
    {"unit": "nanometer", "um_px": 500.0},
    {"unit": "millimeter", "um_px": 5e-4},
    {"whole": 0.25},
    {"chunk_px": 4096},
)


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_axes_chunks_shards_layouts_and_units(tmp_path: Path, how) -> None:
    pixels = picture(500, 300)
    check(write_ome_zarr(tmp_path / "x.zarr", pixels, **how), pixels)


def test_a_pixel_size_without_a_unit_is_none(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match=r"^mpp-missing"):
        open_slide(write_ome_zarr(tmp_path / "x.zarr", picture(), unit=""))


def test_a_chunk_that_was_never_written_holds_the_fill_value(tmp_path: Path) -> None:
    pixels = picture(500, 300)
    path = write_ome_zarr(tmp_path / "x.zarr", pixels, downsamples=(1,))
    for colour in range(3):
        (path / "0" / "c" / "0" / str(colour) / "0" / "1" / "2").unlink()
    truth = pixels.copy()
    truth[128:256, 256:384] = 255
    with open_slide(path) as slide:
        assert np.array_equal(slide.read_region((0, 0), 0, (500, 300)), truth)


def test_the_level_of_another_picture_is_left_out(tmp_path: Path) -> None:
    pixels = picture()
    pictures = [pixels, reduced(picture(seed=4), 2), reduced(pixels, 4)]
    with open_slide(write_ome_zarr(tmp_path / "x.zarr", pixels, pictures=pictures)) as slide:
        assert [level.downsample for level in slide.levels] == [1, 4] and slide.metadata["levels_left_out"] == 1


def change(path: Path, name: str, **values) -> None:
    told = json.loads((path / name).read_text())
    (path / name).write_text(json.dumps(told | values))


HOSTILE = {
    "pickle": {"filters": [{"id": "pickle"}]},
    "unknown codec": {"compressor": {"id": "pickle"}},
    "16 bits": {"dtype": "<u2"},
    "objects": {"dtype": "|O"},
    "F order": {"order": "F"},
    "a chunk of 8 GB": {"chunks": [1, 1, 1, 90000, 90000], "shape": [1, 3, 1, 90000, 90000]},
    "no size": {"shape": [1, 3, 1, 0, 5]},
    "a negative size": {"shape": [1, 3, 1, -5, 5]},
    "a billion chunks": {"shape": [1, 3, 1, 2**31 - 1, 2**31 - 1], "chunks": [1, 1, 1, 16, 16]},
    "4 colours": {"shape": [1, 4, 1, 300, 500]},
    "focal planes": {"shape": [1, 3, 9, 300, 500]},
    "words": {"shape": "huge"},
    "other axes": {"shape": [300, 500], "chunks": [128, 128]},
}


@pytest.mark.parametrize("values", HOSTILE.values(), ids=HOSTILE)
def test_arrays_that_are_no_picture_are_refused_by_their_metadata(tmp_path: Path, values) -> None:
    path = write_ome_zarr(tmp_path / "x.zarr", picture(500, 300), version="0.4")
    change(path / "0", ".zarray", **values)
    with pytest.raises(UnsupportedSlideError, match=r"OME-Zarr 0\.4 or 0\.5"):
        open_slide(path)


@pytest.mark.parametrize("way", ["../y.zarr/0", "/etc", "0/../../y", ".", "", 5, None])
def test_a_level_outside_of_its_folder_is_not_read(tmp_path: Path, way) -> None:
    write_ome_zarr(tmp_path / "y.zarr", picture(500, 300))
    path = write_ome_zarr(tmp_path / "x.zarr", picture(500, 300))
    told = json.loads((path / "zarr.json").read_text())
    told["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = way
    (path / "zarr.json").write_text(json.dumps(told))
    with pytest.raises(UnsupportedSlideError):
        open_slide(path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"attributes": 5}', "[" * 100_000])
def test_odd_metadata_are_one_line(tmp_path: Path, text) -> None:
    path = write_ome_zarr(tmp_path / "x.zarr", picture(500, 300))
    (path / "0" / "zarr.json").write_text(text)
    with pytest.raises(UnsupportedSlideError):
        open_slide(path)
    (path / "zarr.json").write_text(text)
    with pytest.raises(NotAFileError, match="is a folder"):
        open_slide(path)


def test_a_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "x.zarr", picture(500, 300))
    (path / "1" / "link").symlink_to("/etc")
    with pytest.raises(SlideError, match="holds a link"):
        open_slide(path)


@pytest.mark.parametrize("codec", ["blosc", "zlib", "zstd", "lz4", "none"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda chunk: chunk[: len(chunk) // 2],
        lambda chunk: bytes(len(chunk)),
        lambda c: b"\xff" * len(c),
    ],
    ids=["empty", "half", "zeros", "ones"],
)
def test_a_damaged_chunk_is_damage(tmp_path: Path, codec, spoil) -> None:
    path = write_ome_zarr(
        tmp_path / "x.zarr", picture(500, 300), version="0.4", downsamples=(1,), compressors=V2[codec]
    )
    chunk = path / "0" / "0" / "1" / "0" / "0" / "0"
    spoilt = spoil(chunk.read_bytes())
    chunk.write_bytes(spoilt)
    with open_slide(path) as slide:
        if codec == "none" and len(spoilt) == 128 * 128:
            assert slide.read_region((0, 0), 0, (9, 9))[0, 0, 1] == spoilt[0]  # nothing tells that they are not px
            return
        with pytest.raises(CorruptSlideError, match="a chunk cannot be decoded"):
            slide.read_region((0, 0), 0, (9, 9))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = write_ome_zarr(
        tmp_path / "x.zarr", picture(500, 300), version="0.4", downsamples=(1,), compressors=V2["zlib"]
    )
    chunk = path / "0" / "0" / "0" / "0" / "0" / "0"
    chunk.write_bytes(numcodecs.Zlib(9).encode(bytes(10**7)))
    with open_slide(path) as slide, pytest.raises(CorruptSlideError):
        slide.read_region((0, 0), 0, (9, 9))


@pytest.mark.parametrize(("offset", "length"), [(2**63, 100), (0, 2**40), (10**9, 100), (0, 3)])
def test_an_index_that_lies_is_damage(tmp_path: Path, offset, length) -> None:
    path = write_ome_zarr(tmp_path / "x.zarr", picture(500, 300), shards=True, downsamples=(1,))
    shard = path / "0" / "c" / "0" / "0" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    struct.pack_into("<QQ", data, len(data) - 4 - 16 * 4, offset, length)
    shard.write_bytes(data)
    with open_slide(path) as slide, pytest.raises(CorruptSlideError):
        slide.read_region((0, 0), 0, (9, 9))


def test_a_folder_has_one_digest_that_moves_with_it_and_tells_changes(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "x.zarr", picture(500, 300))
    first = fingerprint(path)
    path = path.rename(tmp_path / "y.zarr")
    assert fingerprint(path) == first
    with open_slide(path) as slide:
        chunk = path / "0" / "c" / "0" / "0" / "0" / "0" / "0"
        chunk.write_bytes(chunk.read_bytes() + b"x")
        os.utime(chunk, (1, 1))
        with pytest.raises(SlideChangedError):
            slide.files.check()
    assert fingerprint(path) != first


def test_only_a_picture_is_a_slide(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "x.zarr", picture(500, 300))
    zarr.open_group(tmp_path / "other.zarr", mode="w").attrs["pulmoscope"] = {}
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "file.zarr").write_text("{}")
    assert [p.name for p in sorted(tmp_path.iterdir()) if is_picture_folder(p)] == ["x.zarr"]


def test_whether_one_tells_of_a_patient_cannot_be_judged(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "x.zarr", picture(500, 300))
    with pytest.raises(IdentifyingMetadataError, match="an OME-Zarr folder"):
        refuse_identifying(path, "x.zarr")
