"""TIFFs that OpenSlide does not read for their compression: the very px that were written, or a line that says why."""

from __future__ import annotations

import importlib.util
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.coded import CODECS, TILE, codecs, encoded, reduced, write_coded
from tests.contracts.reader import ReaderContract
from tests.tiffs import APERIO, SHORT, level_tags, noise, write_tiff
from wsi import open_slide
from wsi.errors import CorruptSlideError, SlideError, UnsupportedSlideError
from wsi.readers.openslide import OpenSlideReader
from wsi.readers.tiff.coded_tile import OddTileError, decode_coded

QPI = (
    '<?xml version="1.0" encoding="utf-16"?><PerkinElmer-QPI-ImageDescription><ImageType>FullResolution</ImageType>'
    "<ScanProfile><root><PixelSizeMicrons>0.4981</PixelSizeMicrons></root></ScanProfile></PerkinElmer-QPI-ImageDescription>"
)
OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image><Pixels SizeX="{}" '
    'SizeY="{}" PhysicalSizeX="251.5" PhysicalSizeXUnit="nm" PhysicalSizeY="251.5" PhysicalSizeYUnit="nm"/></Image>'
    "</OME>"
)


def picture(width=900, height=700, seed=0):
    """Noise that is coarse enough to be seen in its levels."""
    small = noise(width // 16 + 2, height // 16 + 2, seed)
    return np.ascontiguousarray(small.repeat(16, axis=0).repeat(16, axis=1)[:height, :width])


class TestContract(ReaderContract):
    @pytest.fixture
    def slide(self, tmp_path: Path):
        with open_slide(write_coded(tmp_path / "x.tif", picture(), "png"), mpp=0.5) as slide:
            yield slide


@pytest.mark.parametrize("below", [False, True], ids=["pages", "sub-levels"])
@pytest.mark.parametrize("codec", codecs())
def test_each_codec_gives_the_pixels_that_were_written(tmp_path: Path, codec, below) -> None:
    pixels = picture()
    with open_slide(write_coded(tmp_path / "x.tif", pixels, codec, below=below), mpp=0.5) as slide:
        assert slide.backend == "tiff-coded" and slide.metadata["reader"] == "tiff-coded"
        assert [level.downsample for level in slide.levels] == [1, 2, 4]
        for number, by in enumerate((1, 2, 4)):
            size = slide.levels[number].size_px
            assert np.array_equal(slide.read_region((0, 0), number, size), reduced(pixels, by))


@pytest.mark.parametrize("codec", ["jpeg2000", "webp"])
def test_what_lost_detail_is_read_as_another_decoder_reads_it(tmp_path: Path, codec, monkeypatch) -> None:
    lossy = {"jpeg2000": {"irreversible": True, "quality_layers": [30], "no_jp2": True}, "webp": {"quality": 70}}
    kind = {"jpeg2000": "JPEG2000", "webp": "WEBP"}[codec]

    def encode(part):
        file = io.BytesIO()
        Image.fromarray(part).save(file, kind, **lossy[codec])
        return file.getvalue()

    monkeypatch.setitem(CODECS, codec, (CODECS[codec][0], encode))
    pixels = picture(TILE, TILE)
    truth = np.asarray(Image.open(io.BytesIO(encode(pixels))).convert("RGB")).astype(int)
    with open_slide(write_coded(tmp_path / "x.tif", pixels, codec, downsamples=(1,)), mpp=0.5) as slide:
        read = slide.read_region((0, 0), 0, (TILE, TILE)).astype(int)
    assert np.abs(read - truth).max() <= 1 and not np.array_equal(read, pixels)


def test_the_pixel_size_is_the_files_own(tmp_path: Path) -> None:
    pixels = picture()
    for description, um_px, told in (
        (OME.format(900, 700), None, (0.2515, "ome-xml")),
        (QPI, 0.25, (0.4981, "slide")),
        ("", 0.25, (0.25, "tiff-resolution")),
    ):
        path = write_coded(tmp_path / "x.tif", pixels, "png", description=description, um_px=um_px)
        with open_slide(path) as slide:
            assert (round(slide.spacing.mpp, 4), slide.spacing.source) == told


def test_a_qptiff_in_jpeg_states_its_pixel_size_too(tmp_path: Path) -> None:
    from tests.tiffs import jpeg_tiles

    pixels = noise(500, 300)
    tiles = jpeg_tiles(pixels, 128)
    path = write_tiff(tmp_path / "x.qptiff", [(level_tags((500, 300), 128, tiles, description=QPI), tiles)])
    with open_slide(path) as slide:
        assert (slide.backend, slide.spacing.mpp, slide.spacing.source) == ("tiff-jpeg", 0.4981, "slide")


def test_the_level_of_another_picture_is_left_out(tmp_path: Path) -> None:
    pixels, other = picture(), picture(seed=5)
    pictures = [pixels, reduced(other, 2), reduced(pixels, 4)]
    with open_slide(write_coded(tmp_path / "x.tif", pixels, "png", pictures=pictures), mpp=0.5) as slide:
        assert [level.downsample for level in slide.levels] == [1, 4] and slide.metadata["levels_left_out"] == 1
        assert np.array_equal(slide.read_region((0, 0), 1, (225, 175)), pictures[2])


def test_bytes_that_are_no_picture_of_their_kind_are_told_at_opening(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(CODECS, "jpeg2000", (34712, lambda part: part.tobytes()))
    path = write_coded(tmp_path / "x.tif", picture(), "jpeg2000")
    for mpp in (None, 0.5):
        with pytest.raises(UnsupportedSlideError, match=r"JPEG 2000 tiles \(no JPEG 2000 codestream\); export"):
            open_slide(path, mpp=mpp)


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(CODECS, "jpeg-xl", (50002, CODECS["png"][1]))
    path = write_coded(tmp_path / "x.tif", picture(), "jpeg-xl")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "imagecodecs" else find(name, *a))
    with pytest.raises(UnsupportedSlideError, match=r"JPEG XL; install the extra `formats`: pip install"):
        open_slide(path, mpp=0.5)


def spoilt(path: Path, pixels, codec, number, change) -> Path:
    """A slide of one level whose tile of that number is `change`d."""
    tiles = encoded(pixels, codec)
    tiles[number] = change(tiles[number])
    tags = level_tags(pixels.shape[1::-1], TILE, tiles, photometric="rgb") | {259: (SHORT, [CODECS[codec][0]])}
    return write_tiff(path, [(tags, tiles)])


@pytest.mark.parametrize("codec", codecs())
@pytest.mark.parametrize("change", [lambda tile: tile[: len(tile) // 2], lambda tile: bytes(len(tile)), lambda _: b"x"])
def test_a_damaged_tile_is_damage_where_it_is_read(tmp_path: Path, codec, change) -> None:
    pixels = picture(TILE * 2, TILE)
    pixels[:, :TILE] = noise(TILE, TILE)  # the fullest tile, which is looked at when the slide is opened
    with open_slide(spoilt(tmp_path / "x.tif", pixels, codec, 1, change), mpp=0.5) as slide:
        assert np.array_equal(slide.read_region((0, 0), 0, (TILE, TILE)), pixels[:, :TILE])
        with pytest.raises(CorruptSlideError, match="a tile cannot be decoded"):
            slide.read_region((TILE, 0), 0, (TILE, TILE))


@pytest.mark.parametrize("codec", codecs())
def test_a_picture_of_another_size_than_its_tile_is_not_decoded(codec) -> None:
    number, encode = CODECS[codec]
    for size in ((TILE, TILE // 2), (TILE // 2, TILE), (TILE * 2, TILE * 2)):
        with pytest.raises(OddTileError):
            decode_coded(number, encode(noise(*size)), np.empty((TILE, TILE, 3), np.uint8))


def test_a_codestream_that_claims_much_is_refused_by_its_head() -> None:
    number, encode = CODECS["jpeg2000"]
    tile = bytearray(encode(noise(TILE, TILE)))
    into = np.empty((TILE, TILE, 3), np.uint8)
    for at, form, value in ((8, ">I", 2**31), (24, ">I", 1), (28, ">I", 0), (40, ">H", 16384), (42, ">B", 37)):
        bad = bytearray(tile)
        struct.pack_into(form, bad, at, value)
        with pytest.raises(OddTileError):
            decode_coded(number, bytes(bad), into)
    unmixed = io.BytesIO()
    Image.fromarray(noise(TILE, TILE)).save(unmixed, "JPEG2000", no_jp2=True, mct=0)
    with pytest.raises(OddTileError, match="told apart by the TIFF alone"):
        decode_coded(number, unmixed.getvalue(), into, ycbcr=True)
    decode_coded(number, unmixed.getvalue(), into)


def test_an_animation_is_no_tile() -> None:
    frames, file = [Image.fromarray(noise(TILE, TILE, seed)) for seed in (1, 2)], io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(OddTileError):
        decode_coded(50001, file.getvalue(), np.empty((TILE, TILE, 3), np.uint8))


def test_what_is_cut_short_or_turned_is_told(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "x.tif", picture(), "png")
    whole = path.read_bytes()
    with pytest.raises(SlideError, match="incomplete"):
        (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
        open_slide(tmp_path / "cut.tif", mpp=0.5)
    turned = write_coded(tmp_path / "t.tif", picture(), "png", change=lambda d: d[0].update({274: (SHORT, [6])}))
    with pytest.raises(UnsupportedSlideError, match="turned or mirrored"):
        open_slide(turned, mpp=0.5)


def aperio(path: Path, pixels, downsamples=(1, 4)) -> Path:
    """An SVS in JPEG 2000, as Aperio's scanners write them by one of two options."""
    levels = []
    for number, by in enumerate(downsamples):
        part = reduced(pixels, by)
        tiles = encoded(part, "jpeg2000-aperio")
        text = APERIO.format(*pixels.shape[1::-1], TILE, TILE).replace("JPEG/RGB", "J2K/KDU")
        tags = level_tags(part.shape[1::-1], TILE, tiles, photometric="rgb", description="" if number else text)
        levels.append((tags | {259: (SHORT, [33005])}, tiles))
    return write_tiff(path, levels)


def test_jpeg_2000_of_aperio_is_read_here_and_checked_against_openslide(tmp_path: Path) -> None:
    pixels = picture(1000, 600)
    path = aperio(tmp_path / "x.svs", pixels)
    with open_slide(path) as slide, OpenSlideReader(path) as other, slide.reopen() as again:
        assert slide.backend == again.backend == "tiff-jpeg2000"
        assert slide.metadata["reader"] == "tiff-jpeg2000 (verified on 3 tiles)"
        assert np.array_equal(slide.read_region((0, 0), 0, (1000, 600)), pixels)
        assert np.array_equal(again.read_region((0, 0), 1, (250, 150)), reduced(pixels, 4))
        assert np.array_equal(other.read_region((0, 0), 0, (1000, 600)), pixels)
        assert slide.levels == other.levels


def test_the_real_one_has_openslides_pixels(data_dir) -> None:
    path = data_dir / "wsi" / "tcga-cr-7395-01a-01-ts1.svs"
    with open_slide(path, mpp=0.5) as slide, OpenSlideReader(path, 0.5) as other:
        assert slide.backend == "tiff-jpeg2000"
        for corner in ((0, 0), (1500, 700), (3000, 2500)):
            ours, theirs = (reader.read_region(corner, 0, (700, 700)).astype(int) for reader in (slide, other))
            # Builds of one decoder round apart: here 13 samples of three million, by one grey level.
            assert np.abs(ours - theirs).max() <= 1 and np.count_nonzero(ours - theirs) < 20
