"""False colours are undone where they can be: pixels and tissue are then the right slide's. Nothing else changes."""

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.slides import ArraySlide
from tests.tiffs import jpeg_tiles, level_tags, rgb_named_ycbcr, write_tiff
from tests.tiler.test_colours_of_slides import MPP, SIDE, section
from tests.tiler.test_false_colours import MISTAKES, STAINS
from tiler import TileSpec, find_tissue, stream_tiles, survey_slide
from tiler.false_colours.righted_slide import in_right_colours, righted
from wsi import open_slide
from wsi.errors import CorruptSlideError
from wsi.slide import COLOURS_RIGHTED

SPEC = TileSpec(64, 4.0)
WAYS = {
    "ycbcr shown as rgb": "decoded-ycbcr",
    "the same, exchanged": "decoded-ycbcr-exchanged",
    "red and blue exchanged": "exchanged-red-and-blue",
}
WHOLE = ((0, 0), 0, (SIDE, SIDE))


def surveyed(pixels, **options):
    return survey_slide(ArraySlide(pixels, mpp=MPP, **options), SPEC)


def seen(slide, righting):
    with in_right_colours(slide, righting) as right:
        return right.read_region(*WHOLE)


@pytest.mark.parametrize("stain", STAINS.values(), ids=STAINS)
@pytest.mark.parametrize("glass", [(244, 243, 245), (255, 255, 255), (226, 226, 224)])
@pytest.mark.parametrize("name", WAYS)
def test_pixels_and_tissue_are_those_of_the_right_slide(name, glass, stain) -> None:
    true = section(glass, stain)
    false = MISTAKES[name](true)
    found, expected = surveyed(false), surveyed(true)
    assert found.areas.righted == WAYS[name] and not found.areas.false_colours
    assert found.areas.tissue_mm2 == pytest.approx(expected.areas.tissue_mm2, rel=0.02)
    assert np.array_equal(found.grid.xy, expected.grid.xy)
    assert np.abs(seen(ArraySlide(false, mpp=MPP), found.areas.righted).astype(int) - true).max() <= 2


@pytest.mark.parametrize("name", ["ycbcr shown as rgb", "the same, exchanged"])
def test_what_was_not_scanned_stays_white_or_black(name) -> None:
    false = MISTAKES[name](section())
    false[:150], false[-60:] = 255, 0
    found = surveyed(false)
    assert found.areas.righted == WAYS[name]
    assert found.areas.tissue_mm2 == pytest.approx(surveyed(section()).areas.tissue_mm2, rel=0.05)
    pixels = seen(ArraySlide(false, mpp=MPP), found.areas.righted)
    assert (pixels[:150] == 255).all() and (pixels[-60:] == 0).all()


def test_beyond_the_slide_it_is_white() -> None:
    slide = righted(ArraySlide(MISTAKES["ycbcr shown as rgb"](section()), mpp=MPP), "decoded-ycbcr")
    region = slide.read_region((-20, SIDE - 10), 0, (50, 40))
    assert (region[:, :20] == 255).all() and (region[10:] == 255).all()
    assert np.abs(region[:10, 20:].astype(int) - (244, 243, 245)).max() <= 2
    assert (slide.read_region((SIDE + 5, 0), 0, (8, 8)) == 255).all()


def test_an_ordinary_slide_is_looked_at_once_and_left_alone() -> None:
    slide = ArraySlide(section(), mpp=MPP)
    looks = []
    whole, slide.thumbnail = slide.thumbnail, lambda max_px: looks.append(max_px) or whole(max_px)
    assert survey_slide(slide, SPEC).areas.righted == ""
    with in_right_colours(slide, "") as right:
        assert right is slide
    assert len(looks) == 1 and slide.handles == [slide] and not slide.closed


def test_every_handle_is_right_and_closed() -> None:
    true = section()
    slide = ArraySlide(np.ascontiguousarray(true[..., ::-1]), mpp=MPP, downsamples=(1, 2))
    found = survey_slide(slide, SPEC)
    with in_right_colours(slide, found.areas.righted) as right:
        assert right.metadata[COLOURS_RIGHTED] == found.areas.righted and right.levels == slide.levels
        tiles = np.concatenate([batch.pixels for batch in stream_tiles(right, found.grid)])
    known = ArraySlide(true, mpp=MPP, downsamples=(1, 2))
    assert np.array_equal(tiles, np.concatenate([batch.pixels for batch in stream_tiles(known, found.grid)]))
    assert all(handle.closed for handle in slide.handles[1:]) and not slide.closed


@pytest.mark.parametrize("name", ["rgb decoded as ycbcr", "negative"])
def test_what_is_lost_is_not_guessed(name) -> None:
    """Colours that were cut off fit several; a negative may be fluorescence."""
    areas = surveyed(MISTAKES[name](section())).areas
    assert areas.false_colours and areas.righted == ""


@pytest.mark.parametrize("colours", [((70, 120, 190), (60, 30, 60)), ((205, 205, 220), (120, 80, 40))])
@pytest.mark.parametrize("name", ["ycbcr shown as rgb", "the same, exchanged"])
def test_what_does_not_look_like_h_and_e_then_is_refused_as_before(name, colours) -> None:
    areas = surveyed(MISTAKES[name](section(colours=colours))).areas
    assert areas.false_colours and areas.righted == ""


@pytest.mark.parametrize("word", ["", "no such way", "stored-components"])
def test_a_word_that_cannot_be_followed_changes_nothing(word) -> None:
    slide = ArraySlide(section(), mpp=MPP)
    assert righted(slide, word) is slide


@pytest.fixture
def named_wrongly(tmp_path):
    """(path, pixels) of a tiled TIFF of two levels whose tiles hold RGB and are named YCbCr, as are its tags."""
    true = section()
    levels = []
    for step in (1, 4):
        part = cv2.resize(true, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
        tiles = jpeg_tiles(part, 128, photometric="mistaken")
        levels.append((level_tags(part.shape[1::-1], 128, tiles), tiles))
    levels[1][0][254] = (4, [1])
    return write_tiff(tmp_path / "wrong.tif", levels), true


def test_a_slide_whose_tiles_hold_rgb_under_another_name(named_wrongly) -> None:
    path, true = named_wrongly
    with open_slide(path, mpp=MPP) as slide:
        assert slide.backend == "tiff-jpeg" and find_tissue(slide).areas.false_colours
        found = survey_slide(slide, SPEC)
        assert found.areas.righted == "stored-components"
        assert found.areas.tissue_mm2 == pytest.approx(surveyed(true).areas.tissue_mm2, rel=0.06)
        with in_right_colours(slide, found.areas.righted) as right, right.reopen() as again:
            for handle in (right, again):
                pixels = handle.read_region(*WHOLE)
                assert np.abs(pixels[:250].astype(int) - true[:250]).max() <= 3  # glass
                assert np.abs(pixels.astype(int) - true)[..., 0].mean() < 3  # red is stored at full resolution
                assert np.abs(pixels.astype(int) - true).mean() < 8
            assert right.thumbnail(250).shape == (250, 250, 3)
        assert slide.read_region((0, 0), 0, (4, 4)).tolist()[0][0] == pytest.approx([255, 121, 255], abs=3)


def test_what_an_encoder_put_beyond_the_slide_is_no_tissue(tmp_path) -> None:
    """White as YCbCr has it, (255, 128, 128), fills the last tile and runs into the slide's rim."""
    true = section()
    size = true.shape[1::-1]
    padded = np.full((1024, 1024, 3), (255, 128, 128), np.uint8)
    padded[: size[1], : size[0]] = true
    tiles = jpeg_tiles(padded, 256, photometric="mistaken")
    path = write_tiff(tmp_path / "rim.tif", [(level_tags(size, 256, tiles), tiles)])
    with open_slide(path, mpp=8.0) as slide:
        areas = survey_slide(slide, TileSpec(64, 16.0)).areas
        with in_right_colours(slide, areas.righted) as right:
            rim = right.read_region((SIDE - 1, 0), 0, (1, 200))
    assert areas.righted == "stored-components" and np.abs(rim.astype(int) - true[0, 0]).max() > 10
    assert areas.tissue_mm2 == pytest.approx(0.36 * 16, rel=0.03)


def test_read_by_openslide_it_is_refused_as_before(named_wrongly) -> None:
    with open_slide(named_wrongly[0], mpp=MPP, reader="openslide") as slide:
        areas = survey_slide(slide, SPEC).areas
    assert areas.false_colours and areas.righted == ""


@pytest.mark.parametrize("turned", [1, 6])
def test_a_plain_jpeg_that_holds_rgb_under_another_name(tmp_path, turned) -> None:
    path, true = tmp_path / "field.jpg", section()
    exif = Image.Exif()
    exif[0x0112] = turned
    size = (SIDE, SIDE)
    Image.frombytes("YCbCr", size, true.tobytes()).save(path, "JPEG", quality=95, subsampling=0, exif=exif)
    true = np.rot90(true, -1) if turned == 6 else true
    with open_slide(path, mpp=MPP) as slide:
        found = survey_slide(slide, SPEC)
        assert found.areas.righted == "stored-components"
        assert np.abs(seen(slide, found.areas.righted).astype(int) - true).mean() < 3


def test_saved_again_after_the_mistake_nothing_helps(tmp_path) -> None:
    """The components are then those of the false colours."""
    path = tmp_path / "again.jpg"
    Image.fromarray(MISTAKES["rgb decoded as ycbcr"](section())).save(path, quality=95)
    with open_slide(path, mpp=MPP) as slide:
        areas = survey_slide(slide, SPEC).areas
    assert areas.false_colours and areas.righted == ""


def test_a_damaged_tile_is_not_left_to_who_would_show_false_colours(named_wrongly) -> None:
    path, _ = named_wrongly
    data = bytearray(path.read_bytes())
    at = data.find(rgb_named_ycbcr(section()[384:512, 384:512]))
    assert at > 0
    data[at + 700 : at + 900] = bytes(200)
    path.write_bytes(data)
    with righted(open_slide(path, mpp=MPP), "stored-components") as right, pytest.raises(CorruptSlideError):
        right.read_region((384, 384), 0, (128, 128))


@pytest.mark.parametrize(("number", "mm2"), [(2, (3.5, 3.9)), (4, (5.2, 5.7))])
def test_two_real_slides_that_are_named_wrongly(data_dir, number, mm2) -> None:
    with open_slide(data_dir / "lung-elsewhere" / "slides" / f"lung-squamous-trucut-he{number}.tif") as slide:
        found = survey_slide(slide, TileSpec(192, 0.7))
    assert found.areas.righted == "stored-components" and not found.areas.tinted_glass
    assert mm2[0] < found.areas.tissue_mm2 < mm2[1] and found.areas.pen_mm2 == 0
