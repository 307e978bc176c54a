"""Files whose colours were mistaken are told, and tissue is found on them; well-coloured slides are left alone."""

import cv2
import numpy as np
import pytest

from tests.slides import ArraySlide
from tests.tiler.test_colours_of_slides import MPP, SIDE, TINTS, section
from tiler import find_tissue
from wsi import open_slide

TISSUE_MM2 = 0.36


def decoded_as_ycbcr(rgb):
    """What a reader makes of stored RGB that it takes for YCbCr (ITU-T T.871), saved again."""
    y, cb, cr = (rgb[..., channel].astype(float) for channel in range(3))
    red, green = y + 1.402 * (cr - 128), y - 0.344 * (cb - 128) - 0.714 * (cr - 128)
    return np.clip(np.stack([red, green, y + 1.772 * (cb - 128)], axis=-1), 0, 255).astype(np.uint8)


def shown_without_decoding(rgb):
    return np.ascontiguousarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]])


MISTAKES = {
    "rgb decoded as ycbcr": decoded_as_ycbcr,
    "ycbcr shown as rgb": shown_without_decoding,
    "the same, exchanged": lambda rgb: np.ascontiguousarray(shown_without_decoding(rgb)[..., ::-1]),
    "negative": lambda rgb: 255 - rgb,
    "red and blue exchanged": lambda rgb: np.ascontiguousarray(rgb[..., ::-1]),
}
STAINS = {
    "usual": ((222, 158, 196), (96, 52, 130)),
    "pale": ((235, 190, 215), (130, 90, 160)),
    "strong": ((200, 90, 150), (70, 30, 110)),
}


def found(pixels):
    return find_tissue(ArraySlide(pixels, mpp=MPP))


@pytest.mark.parametrize("stain", STAINS.values(), ids=STAINS)
@pytest.mark.parametrize("glass", [(244, 243, 245), (255, 255, 255), (226, 226, 224)])
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_it_is_told_and_the_tissue_found(mistake, glass, stain) -> None:
    mask = found(mistake(section(glass, stain)))
    assert mask.areas.false_colours
    assert mask.tissue_mm2 == pytest.approx(TISSUE_MM2, rel=0.15)
    assert mask.pen_mm2 == 0 and not mask.areas.other_stain


@pytest.mark.parametrize("mistake", list(MISTAKES.values())[:3], ids=list(MISTAKES)[:3])
def test_with_unscanned_white_around_it(mistake) -> None:
    pixels = mistake(section())
    pixels[:150], pixels[:, -100:] = 255, 255
    mask = found(pixels)
    assert mask.areas.false_colours and mask.tissue_mm2 == pytest.approx(TISSUE_MM2, rel=0.15)


@pytest.mark.parametrize("stain", STAINS.values(), ids=STAINS)
@pytest.mark.parametrize("glass", [(244, 243, 245), *TINTS[:-1]])
def test_right_colours_are_not_told_on_any_glass(glass, stain) -> None:
    assert not found(section(glass, stain)).areas.false_colours


@pytest.mark.parametrize(
    "stain",
    [
        ((70, 120, 190), (60, 30, 60)),  # trichrome, blue
        ((90, 160, 130), (80, 30, 60)),  # trichrome, green
        ((205, 205, 220), (120, 80, 40)),  # immunostain, brown
        ((200, 190, 150), (90, 60, 30)),  # elastin
    ],
)
def test_another_stain_is_another_matter(stain) -> None:
    assert not found(section(colours=stain)).areas.false_colours


def test_blank_and_black_slides_have_no_colours_at_all() -> None:
    for pixels in (np.full((SIDE, SIDE, 3), 243, np.uint8), np.zeros((SIDE, SIDE, 3), np.uint8)):
        assert not found(pixels).areas.false_colours


def test_tissue_on_a_black_ground_is_no_negative() -> None:
    pixels = section(glass=(0, 0, 0))
    assert not found(pixels).areas.false_colours


@pytest.mark.parametrize(("number", "mm2"), [(2, (3.0, 5.0)), (4, (4.5, 7.0))])
def test_two_real_slides_that_were_saved_so(data_dir, number, mm2) -> None:
    with open_slide(data_dir / "lung-elsewhere" / "slides" / f"lung-squamous-trucut-he{number}.tif") as slide:
        mask = find_tissue(slide)
    assert mask.areas.false_colours and mask.pen_mm2 == 0
    assert mm2[0] < mask.tissue_mm2 < mm2[1]


@pytest.mark.parametrize("case", ["tcga-cr-7395-01a-01-ts1.svs", "cmu-1-small-region.svs"])
def test_real_slides_in_their_own_colours_are_left_alone(data_dir, case) -> None:
    with open_slide(data_dir / "wsi" / case, mpp=0.5) as slide:
        assert not find_tissue(slide).areas.false_colours
