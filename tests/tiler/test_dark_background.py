"""What shines on black is told, and not as pen or artefact; H&E beside black that was not scanned is left alone."""

import cv2
import numpy as np
import pytest

from tests.slides import ArraySlide
from tests.tiler.test_colours_of_slides import MPP, SIDE, section
from tiler import find_tissue

# Red, green, blue of nuclei, and of what fills the cells.
PICTURES = {
    "one blue stain": ((5, 20, 235), (0, 6, 30)),
    "three stains": ((40, 60, 230), (90, 70, 25)),
    "red": ((230, 30, 20), (40, 8, 5)),
    "dark field": ((190, 182, 165), (40, 38, 34)),
}


def shining(nuclei, cells, background=(3, 3, 6), seed=0):
    """(SIDE, SIDE, 3) uint8: 0.36 mm2 of faint tissue with bright nuclei of about 8 um."""
    rng = np.random.default_rng(seed)
    tissue = np.zeros((SIDE, SIDE), np.float32)
    tissue[300:600, 300:600] = 1
    seeds = (rng.random((SIDE, SIDE)) < 0.02).astype(np.float32)
    spots = np.clip(cv2.GaussianBlur(cv2.dilate(seeds, np.ones((3, 3))), (0, 0), 1.0), 0, 1) * tissue
    light = np.array(background) + tissue[..., None] * np.array(cells) + spots[..., None] * np.array(nuclei)
    return np.clip(light + rng.normal(0, 2, light.shape), 0, 255).astype(np.uint8)


def found(pixels):
    return find_tissue(ArraySlide(pixels, mpp=MPP))


@pytest.mark.parametrize("background", [(0, 0, 0), (3, 3, 6), (12, 12, 30)])
@pytest.mark.parametrize(("nuclei", "cells"), PICTURES.values(), ids=PICTURES)
def test_it_is_told_and_what_shines_is_found(nuclei, cells, background) -> None:
    mask = found(shining(nuclei, cells, background))
    assert mask.areas.dark_background
    assert mask.tissue_mm2 == pytest.approx(0.36, rel=0.25)
    assert mask.pen_mm2 == 0 and not mask.dark.any()
    assert not (mask.areas.other_stain or mask.areas.tinted_glass or mask.areas.false_colours)


@pytest.mark.parametrize("stain", [((222, 158, 196), (96, 52, 130)), ((200, 90, 150), (70, 30, 110))])
@pytest.mark.parametrize("beside", [0, 200])
def test_tissue_that_black_surrounds_is_no_such_picture(stain, beside) -> None:
    pixels = section(colours=stain)
    around = np.ones((SIDE, SIDE), bool)
    around[300 - beside : 600 + beside, 300 - beside : 600 + beside] = False
    pixels[around] = 0
    assert not found(pixels).areas.dark_background


def test_neither_black_alone_nor_grey_on_black_is() -> None:
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    grey = np.ascontiguousarray(np.repeat(shining(*PICTURES["dark field"])[..., :1], 3, axis=2))
    assert not found(black).areas.dark_background and not found(grey).areas.dark_background
