"""Tissue on glass of any tint, pens of any colour, other stains and grey pictures: known truth, drawn here."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.slides import ArraySlide
from tiler import TileSpec, find_tissue, lay_grid
from wsi.errors import NoColourError, NoTissueError

MPP = 2.0
SIDE = 1000  # 2 x 2 mm
TISSUE_MM2 = 0.36
H_AND_E = ((222, 158, 196), (96, 52, 130))
PENS = {
    "red": (200, 30, 40),
    "violet": (110, 40, 160),
    "magenta": (190, 40, 140),
    "navy": (20, 20, 90),
    "brown": (110, 70, 30),
    "green": (20, 120, 60),
    "black": (20, 20, 20),
    "orange": (225, 105, 20),
    "turquoise": (20, 150, 170),
    "pink": (235, 60, 150),
    "purple": (80, 20, 110),
}


def section(glass=(244, 243, 245), colours=H_AND_E, box=(300, 300, 600, 600), seed=0):
    """(SIDE, SIDE, 3) uint8: 0.36 mm2 of ground with clumps of 8 um on plain glass."""
    rng = np.random.default_rng(seed)
    pixels = np.empty((SIDE, SIDE, 3), np.uint8)
    pixels[:] = glass
    y0, x0, y1, x1 = box
    height, width = y1 - y0, x1 - x0
    coarse = np.kron(rng.random((height // 4 + 1, width // 4 + 1)), np.ones((4, 4)))[:height, :width]
    clumps = coarse + 0.5 * rng.random((height, width)) > 1.0
    ground, nuclei = colours
    tissue = np.where(clumps[..., None], nuclei, ground) + rng.integers(-12, 13, (height, width, 3))
    pixels[y0:y1, x0:x1] = np.clip(tissue, 0, 255)
    return pixels


def found(pixels):
    return find_tissue(ArraySlide(pixels, mpp=MPP))


TINTS = [(222, 214, 186), (200, 180, 120), (190, 215, 240), (235, 205, 225), (160, 170, 195), (255, 121, 255)]


SET_BACK = pytest.mark.xfail(reason="set back on 2026-11-25: it took even tissue for pen and glass; see docs/faults.md")


class TestTintedGlass:
    @pytest.mark.parametrize("glass", TINTS)
    def test_tissue_is_that_on_clear_glass(self, glass) -> None:
        mask = found(section(glass))
        assert mask.tissue_mm2 == pytest.approx(TISSUE_MM2, rel=0.12)
        assert mask.areas.tinted_glass

    @pytest.mark.parametrize("glass", TINTS)
    def test_behind_a_filter_the_tissue_is_tinted_too(self, glass) -> None:
        pixels = (section((255, 255, 255)) * (np.array(glass) / 255.0)).astype(np.uint8)
        assert found(pixels).tissue_mm2 == pytest.approx(TISSUE_MM2, rel=0.12)

    @pytest.mark.parametrize("glass", TINTS)
    def test_with_a_white_border_and_noise(self, glass) -> None:
        pixels = section(glass).astype(int) + np.random.default_rng(1).integers(-6, 7, (SIDE, SIDE, 3))
        pixels = np.clip(pixels, 0, 255).astype(np.uint8)
        pixels[:120] = 255
        assert found(pixels).tissue_mm2 == pytest.approx(TISSUE_MM2, rel=0.15)

    @pytest.mark.parametrize("glass", TINTS)
    def test_blank_glass_holds_no_tissue(self, glass) -> None:
        slide = ArraySlide(np.full((SIDE, SIDE, 3), glass, np.uint8), mpp=MPP)
        with pytest.raises(NoTissueError):
            lay_grid(find_tissue(slide), TileSpec(64, MPP), slide)

    def test_clear_glass_is_not_told_and_tissue_everywhere_is_not_glass(self) -> None:
        assert not found(section()).areas.tinted_glass
        full = found(section(box=(0, 0, SIDE, SIDE)))
        assert full.tissue_mm2 == pytest.approx(4.0, rel=0.02)
        assert not full.areas.tinted_glass


class TestPens:
    @pytest.mark.parametrize("ink", PENS.values(), ids=PENS)
    @pytest.mark.parametrize("diagonal", [False, True])
    def test_no_pen_on_glass_is_tissue(self, ink, diagonal: bool) -> None:
        pixels = section()
        pixels = cv2.line(pixels, (60, 60), (950, 250 if diagonal else 60), ink, 40, cv2.LINE_AA)
        mask = found(pixels)
        assert mask.tissue_mm2 == pytest.approx(TISSUE_MM2, rel=0.12)
        assert not mask.areas.other_stain
        if ink != PENS["black"]:
            assert mask.pen_mm2 > 0.08

    @pytest.mark.parametrize("colours", [H_AND_E, ((235, 190, 215), (130, 90, 160)), ((200, 90, 150), (70, 30, 110))])
    def test_tissue_of_h_and_e_is_no_pen(self, colours) -> None:
        mask = found(section(colours=colours))
        assert mask.pen_mm2 == 0
        assert not mask.areas.other_stain


class TestOtherStains:
    @pytest.mark.parametrize(
        "colours",
        [
            ((70, 120, 190), (60, 30, 60)),  # trichrome, blue
            ((90, 160, 130), (80, 30, 60)),  # trichrome, green
            ((205, 205, 220), (120, 80, 40)),  # immunostain in brown
            ((200, 190, 150), (90, 60, 30)),  # elastin
        ],
    )
    def test_is_tissue_and_told(self, colours) -> None:
        mask = found(section(colours=colours))
        assert mask.areas.other_stain
        assert mask.pen_mm2 == 0
        assert mask.tissue_mm2 == pytest.approx(TISSUE_MM2, rel=0.2)

    def test_a_pen_beside_it_is_still_found(self) -> None:
        pixels = cv2.line(section(colours=((70, 120, 190), (60, 30, 60))), (60, 60), (950, 60), PENS["green"], 40)
        mask = found(pixels)
        assert mask.areas.other_stain
        assert mask.pen_mm2 > 0.08
        assert mask.tissue_mm2 == pytest.approx(TISSUE_MM2, rel=0.2)


class TestGrey:
    @pytest.mark.parametrize("glass", [(244, 243, 245), (210, 210, 210), (255, 255, 255)])
    def test_a_grey_section_has_no_colour(self, glass) -> None:
        grey = np.repeat(section(glass).mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
        slide = ArraySlide(grey, mpp=MPP)
        with pytest.raises(NoColourError, match=r"^no-colour: the slide has no colour: 0\.[234] mm2 of it are grey"):
            lay_grid(find_tissue(slide), TileSpec(64, MPP), slide)

    @pytest.mark.parametrize("channel", [0, 1, 2], ids=["red", "green", "blue"])
    @pytest.mark.parametrize("side", [SIDE, 400])
    def test_one_channel_of_a_section_has_no_colour_however_pale_it_is(self, channel, side) -> None:
        start = (SIDE - side) // 2
        part = section((244, 243, 245))[start : start + side, start : start + side]
        slide = ArraySlide(np.repeat(part[..., channel : channel + 1], 3, axis=2), mpp=MPP)
        with pytest.raises(NoColourError, match=r"^no-colour: the slide has no colour: "):
            lay_grid(find_tissue(slide), TileSpec(64, MPP), slide)

    def test_blank_and_black_pen_are_no_grey_section(self) -> None:
        blank = np.full((SIDE, SIDE, 3), 243, np.uint8)
        pen = cv2.line(blank.copy(), (60, 60), (950, 700), PENS["black"], 40, cv2.LINE_AA)
        for pixels in (blank, pen):
            slide = ArraySlide(pixels, mpp=MPP)
            with pytest.raises(NoTissueError):
                lay_grid(find_tissue(slide), TileSpec(64, MPP), slide)
