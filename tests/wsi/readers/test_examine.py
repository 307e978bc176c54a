"""What is looked at before any reader: files cut short, the page that is the slide, features of intact files."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.slides import stained
from tests.tiffs import jpeg_tiles, level_tags, write_slide, write_tiff
from tiler import find_tissue
from wsi import open_slide
from wsi.errors import CorruptSlideError, SlideError, UnsupportedSlideError
from wsi.readers.features import explained

SHORT, LONG, ASCII = 3, 4, 2
TILE = 64


def section(width, height, seed=0):
    pixels = np.full((height, width, 3), 244, np.uint8)
    tissue = stained(height // 16 + 1, width // 16 + 1, seed).repeat(16, axis=0).repeat(16, axis=1)
    pixels[height // 4 : height * 3 // 4, width // 6 : width // 2] = tissue[
        : height * 3 // 4 - height // 4, : width // 2 - width // 6
    ]
    return pixels


def reduced(pixels, by):
    return cv2.resize(pixels, (pixels.shape[1] // by, pixels.shape[0] // by), interpolation=cv2.INTER_AREA)


def page(pixels, *, reduced_flag=False, strips=False, description="", **fields):
    """An uncompressed page, (height, width, samples), tiled unless `strips`; `fields` are tags by name."""
    height, width, samples = pixels.shape
    if strips:
        pieces = [pixels.tobytes()]
    else:
        full = np.pad(pixels, ((0, -height % TILE), (0, -width % TILE), (0, 0)), mode="edge")
        pieces = [
            full[y : y + TILE, x : x + TILE].tobytes() for y in range(0, height, TILE) for x in range(0, width, TILE)
        ]
    tags = level_tags((width, height), TILE, pieces, photometric="rgb", description=description)
    tags |= {258: (SHORT, [8] * samples), 259: (SHORT, [1]), 277: (SHORT, [samples])}
    if samples == 1:
        tags[262] = (SHORT, [1])
    if reduced_flag:
        tags[254] = (LONG, [1])
    names = {"orientation": 274, "extra": 338, "sample_format": 339, "compression": 259}
    tags |= {names[name]: (SHORT, value) for name, value in fields.items()}
    return tags, pieces


def tiff(path, *pages):
    """A TIFF of `pages`; strips get their own tags for places."""

    def as_strips(directories):
        for tags, (_, pieces) in zip(directories, pages, strict=True):
            if len(pieces) == 1 and tags[256][1][0] * tags[257][1][0] > TILE * TILE:
                tags[273], tags[279] = tags.pop(324), tags.pop(325)
                tags[278] = (LONG, tags[257][1])
                del tags[322], tags[323]

    return write_tiff(path, [(dict(tags), pieces) for tags, pieces in pages], change=as_strips)


def tissue_mm2(path):
    with open_slide(path, mpp=0.5) as slide:
        return slide.size_px, find_tissue(slide).tissue_mm2


@pytest.fixture
def plain(tmp_path: Path):
    picture = section(900, 700)
    return picture, tissue_mm2(tiff(tmp_path / "plain.tif", page(picture)))


class TestOrderOfPages:
    @pytest.mark.parametrize("strips", [False, True])
    def test_full_resolution_is_found_wherever_it_lies(self, tmp_path: Path, plain, strips: bool) -> None:
        picture, expected = plain
        label = np.full((120, 160, 3), 20, np.uint8)
        full, overview, small = page(picture, strips=strips), page(reduced(picture, 8)), page(reduced(picture, 4))
        flagged = page(reduced(picture, 4), reduced_flag=True)
        orders = [(small, full), (overview, full, flagged), (flagged, full), (page(label, strips=True), full)]
        for number, order in enumerate(orders):
            assert tissue_mm2(tiff(tmp_path / f"{number}.tif", *order)) == expected
        assert expected[1] > 0.02

    def test_the_slides_own_reader_is_kept_where_it_is_right(self, tmp_path: Path) -> None:
        picture = section(900, 700)
        path = tiff(tmp_path / "x.tif", page(picture), page(reduced(picture, 4), reduced_flag=True))
        with open_slide(path, mpp=0.5) as slide:
            assert slide.backend == "openslide"
            assert len(slide.levels) == 2
            assert "other_images" not in slide.metadata

    def test_a_named_reader_that_would_misread_is_refused(self, tmp_path: Path) -> None:
        picture = section(900, 700)
        path = tiff(tmp_path / "x.tif", page(reduced(picture, 4)), page(picture))
        with pytest.raises(UnsupportedSlideError, match="would misread"):
            open_slide(path, mpp=0.5, reader="openslide")
        assert open_slide(path, mpp=0.5, reader="image").size_px == (900, 700)

    def test_too_large_to_be_read_as_an_image(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wsi.picture.MAX_SLIDE_PIXELS", 900 * 700 - 1)
        picture = section(900, 700)
        path = tiff(tmp_path / "x.tif", page(reduced(picture, 4)), page(picture))
        with pytest.raises(UnsupportedSlideError, match=r"which of its 2 images is meant\?"):
            open_slide(path, mpp=0.5)

    @pytest.mark.parametrize("second", [(900, 700), (700, 900), (500, 600)])
    def test_a_second_section_is_told(self, tmp_path: Path, second: tuple[int, int]) -> None:
        one, other = section(900, 700), section(*second, seed=4)
        pages = [
            page(one),
            page(reduced(one, 4), reduced_flag=True),
            page(other),
            page(reduced(other, 4), reduced_flag=True),
        ]
        with open_slide(tiff(tmp_path / "x.tif", *pages), mpp=0.5) as slide:
            assert slide.metadata["other_images"] == 1


class TestCutShort:
    @pytest.mark.parametrize("given", [None, 0.5])
    @pytest.mark.parametrize("share", [0.3, 0.8, 0.9, 0.97, 0.999])
    @pytest.mark.parametrize("aperio", [False, True])
    def test_is_incomplete_or_damaged_and_never_read(self, tmp_path: Path, share, given, aperio: bool) -> None:
        data = write_slide(tmp_path / "whole.svs", (700, 500), downsamples=(1, 2, 4), aperio=aperio).read_bytes()
        path = tmp_path / "cut.svs"
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(CorruptSlideError), open_slide(path, mpp=given) as slide:
            slide.read_region((0, 0), 0, slide.size_px)

    def test_directories_before_their_pixels(self, tmp_path: Path) -> None:
        """As some writers have them: all directories are there, the pixels are not."""
        Image.fromarray(section(400, 300)).save(tmp_path / "x.tif")
        data = bytearray((tmp_path / "x.tif").read_bytes())
        [first] = struct.unpack_from("<I", data, 4)
        entries = data[first : first + 2 + 12 * struct.unpack_from("<H", data, first)[0] + 4]
        moved = data[:4] + struct.pack("<I", 8) + entries + data[8:first]
        (tmp_path / "cut.tif").write_bytes(moved[: len(moved) // 2])
        with pytest.raises(CorruptSlideError, match=r"^corrupt-slide: cut\.tif is incomplete: the file was cut short"):
            open_slide(tmp_path / "cut.tif", mpp=0.5)

    @pytest.mark.parametrize("given", [None, 0.5])
    def test_mrxs_without_its_folder(self, tmp_path: Path, given: float | None) -> None:
        path = tmp_path / "case7.mrxs"
        Image.fromarray(section(300, 200)).save(path, "JPEG")
        with pytest.raises(CorruptSlideError, match="its folder case7 is missing; copy the folder beside the file"):
            open_slide(path, mpp=given)
        (tmp_path / "case7").mkdir()
        with pytest.raises(CorruptSlideError, match="its folder case7 has no Slidedat"):
            open_slide(path, mpp=given)

    @pytest.mark.parametrize("ending", ["ndpi", "SVS", "scn", "bif"])
    def test_a_picture_named_as_a_slide(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"x.{ending}"
        Image.fromarray(section(300, 200)).save(path, "PNG")
        with pytest.raises(UnsupportedSlideError, match="named as a slide but holds a plain picture"):
            open_slide(path, mpp=0.5)


class TestSizesThatAreNotThere:
    """A damaged size: searching the glass that is not there took 20 minutes a slide."""

    @pytest.mark.parametrize("reader", ["auto", "openslide"])
    @pytest.mark.parametrize("tag", [257, 256])
    def test_fewer_tiles_than_the_size_asks_for(self, tmp_path: Path, tag: int, reader: str) -> None:
        def higher(directories):
            directories[0][tag] = (LONG, [471_627])

        path = write_slide(tmp_path / "x.svs", change=higher)
        with pytest.raises(CorruptSlideError, match=r"of the 1\d,\d\d\d tiles of its .* only 12 are listed"):
            open_slide(path, mpp=0.5, reader=reader)

    @pytest.mark.parametrize("aperio", [True, False])
    def test_tiles_of_a_coarser_level(self, tmp_path: Path, aperio: bool) -> None:
        path = write_slide(
            tmp_path / "x.tif", aperio=aperio, change=lambda levels: levels[1].update({322: (SHORT, [16])})
        )
        with pytest.raises(CorruptSlideError, match="only 1 are listed"):
            open_slide(path, mpp=0.5)

    def test_strips(self, tmp_path: Path) -> None:
        tags, pieces = page(section(300, 200), strips=True)
        tags[278] = (LONG, [10])

        def few(directories):
            for one in directories:
                one[273], one[279] = one.pop(324), one.pop(325)
                del one[322], one[323]

        with pytest.raises(CorruptSlideError, match=r"of the 20 tiles .* only 1 are listed"):
            open_slide(write_tiff(tmp_path / "x.tif", [(tags, pieces)], change=few), mpp=0.5)

    def test_tiles_that_were_never_written_are_listed(self, tmp_path: Path) -> None:
        with open_slide(write_slide(tmp_path / "x.svs", missing=[(0, 3)]), mpp=0.5) as slide:
            assert slide.size_px == (500, 333)

    def test_a_number_of_channels_that_nothing_has(self, tmp_path: Path) -> None:
        path = write_slide(tmp_path / "x.svs", change=lambda levels: levels[0].update({277: (LONG, [15_921_501])}))
        with pytest.raises(CorruptSlideError, match="damaged: 15,921,501 channels"):
            open_slide(path, mpp=0.5)


class TestTurnedAndFourth:
    @pytest.mark.parametrize("strips", [False, True])
    @pytest.mark.parametrize("orientation", range(2, 9))
    def test_turned_tiles_come_upright(self, tmp_path: Path, plain, orientation: int, strips: bool) -> None:
        picture, ((width, height), expected) = plain
        path = tiff(tmp_path / "x.tif", page(picture, orientation=[orientation], strips=strips))
        size, area = tissue_mm2(path)
        assert size == ((height, width) if orientation > 4 else (width, height))
        assert area == pytest.approx(expected, rel=0.02)

    def test_too_large_to_be_turned(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wsi.picture.MAX_SLIDE_PIXELS", 1000)
        path = tiff(tmp_path / "x.tif", page(section(900, 700), orientation=[6]))
        with pytest.raises(UnsupportedSlideError, match="TIFF Orientation"):
            open_slide(path, mpp=0.5)

    @pytest.mark.parametrize("fill", [0, 100, 255])
    def test_a_fourth_channel_of_no_meaning_is_left_out(self, tmp_path: Path, plain, fill: int) -> None:
        picture, expected = plain
        four = np.dstack([picture, np.full(picture.shape[:2], fill, np.uint8)])
        assert tissue_mm2(tiff(tmp_path / "x.tif", page(four, extra=[0]))) == expected

    @pytest.mark.parametrize("kind", [1, 2])
    def test_opacity_of_nothing_is_told(self, tmp_path: Path, kind: int) -> None:
        picture = section(300, 200)
        four = np.dstack([picture, np.zeros(picture.shape[:2], np.uint8)])
        with pytest.raises(UnsupportedSlideError, match=r"every pixel of x\.tif is fully transparent"):
            tissue_mm2(tiff(tmp_path / "x.tif", page(four, extra=[kind])))
        Image.fromarray(four).save(tmp_path / "x.png")
        with pytest.raises(UnsupportedSlideError, match="transparent"):
            tissue_mm2(tmp_path / "x.png")


class TestFeatures:
    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"compression": [34925]}, "LZMA"),
            ({"compression": [34934]}, "JPEG XR"),
            ({"compression": [34661]}, "JBIG"),
            ({"compression": [65001]}, "TIFF compression 65001"),
            ({"sample_format": [3, 3, 3]}, "float samples"),
            ({"sample_format": [2, 2, 2]}, "signed whole numbers"),
        ],
    )
    def test_of_a_tiff_is_named_with_a_way_out(self, tmp_path: Path, fields, told: str) -> None:
        path = tiff(tmp_path / "x.tif", page(section(300, 200), **fields))
        for given in (None, 0.5):
            with pytest.raises(UnsupportedSlideError, match=f"{told}; export") as caught:
                open_slide(path, mpp=given)
            assert "damaged" not in str(caught.value)

    def test_many_channels(self, tmp_path: Path) -> None:
        seven = np.dstack([section(300, 200)] * 3)[..., :7].copy()
        with pytest.raises(UnsupportedSlideError, match="7 channels"):
            open_slide(tiff(tmp_path / "x.tif", page(seven, extra=[0] * 4)), mpp=0.5)

    @pytest.mark.parametrize("said", ['<OME><Pixels SizeZ="3" SizeC="3"/></OME>', "ImageJ=1.53\nimages=3\nslices=3\n"])
    def test_focal_planes(self, tmp_path: Path, said: str) -> None:
        picture = section(300, 200)
        path = tiff(tmp_path / "x.tif", page(picture, description=said), page(picture), page(picture))
        with pytest.raises(UnsupportedSlideError, match="3 focal planes; export one focal plane"):
            open_slide(path, mpp=0.5)

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ("Attribute TotalPixelMatrixFocalPlanes value 3 != 1", "3 focal planes"),
            ("Unsupported transfer syntax 1.2.840.10008.1.2.5", "RLE compression"),
            ("Unsupported transfer syntax 1.2.840.10008.1.2.4.201", "HTJ2K"),
            ('Bad direction attribute "LEFT"', "direction LEFT"),
            ("Unsupported TIFF compression: 34925", "LZMA"),
            ("TIFFRGBAImageBegin failed: Sorry, can not handle images with 32-bit samples", "32 bits"),
        ],
    )
    def test_openslides_words_are_understood_and_not_repeated(self, said: str, told: str) -> None:
        error: SlideError = explained("x.dcm", ValueError(f"Reading /secret/path: {said}"))
        assert isinstance(error, UnsupportedSlideError)
        assert told in str(error) and "secret" not in str(error) and error.hint

    def test_damage_is_still_damage(self) -> None:
        assert isinstance(explained("x.svs", ValueError("Short read of file /secret")), CorruptSlideError)


def test_jpeg_tiles_are_taken_as_stored(tmp_path: Path) -> None:
    picture = section(300, 200)
    tiles = jpeg_tiles(picture, TILE)
    tags = level_tags((300, 200), TILE, tiles)
    tags[274] = (SHORT, [6])
    with open_slide(write_tiff(tmp_path / "x.tif", [(tags, tiles)]), mpp=0.5) as slide:
        assert (slide.backend, slide.size_px) == ("tiff-jpeg", (300, 200))
