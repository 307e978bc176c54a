"""Pen marks over tissue and glass, opaque or as a film; what is no pen mark: known truth, drawn here."""

import cv2
import numpy as np
import pytest

from tests.slides import ArraySlide
from tests.tiler.test_colours_of_slides import H_AND_E, MPP, PENS, SIDE, section
from tiler import TileQuality, TileSpec, find_tissue, lay_grid

BOX = (200, 200, 800, 800)


def stroke(pixels, ink, points, width, how):
    """`pixels` with a pen's stroke through `points`: `opaque`, or a `film` that light passes after the tissue."""
    cover = np.zeros(pixels.shape[:2], np.uint8)
    cv2.polylines(cover, [np.array(points, np.int32)], False, 1, width, cv2.LINE_8)
    chosen, drawn = cover > 0, pixels.copy()
    drawn[chosen] = ink if how == "opaque" else pixels[chosen] * (np.array(ink) / 255.0)
    return drawn, chosen


def found(pixels):
    return find_tissue(ArraySlide(pixels, mpp=MPP))


def at_full_size(mask):
    return cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0


@pytest.mark.parametrize("how", ["opaque", "film"])
@pytest.mark.parametrize("ink", PENS.values(), ids=PENS)
def test_a_pen_over_tissue_is_found_and_is_no_tissue(ink, how) -> None:
    drawn, chosen = stroke(section(box=BOX), ink, [(40, 300), (960, 700)], 60, how)
    mask = found(drawn)
    # The rim of a stroke is a mixture.
    core = cv2.erode(chosen.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    assert (at_full_size(mask.pen) & core).sum() > 0.8 * core.sum()
    assert (at_full_size(mask.tissue) & core).sum() < 0.02 * core.sum()
    elsewhere = cv2.dilate(chosen.astype(np.uint8), np.ones((49, 49), np.uint8)) == 0
    inside = np.zeros((SIDE, SIDE), bool)
    inside[220:780, 220:780] = True
    assert (at_full_size(mask.tissue) & inside & elsewhere).sum() > 0.98 * (inside & elsewhere).sum()
    assert not (at_full_size(mask.pen) & elsewhere).any()


@pytest.mark.parametrize("ink", PENS.values(), ids=PENS)
def test_tiles_under_a_pen_are_told(ink) -> None:
    drawn, chosen = stroke(section(box=BOX), ink, [(40, 300), (960, 700)], 60, "film")
    slide = ArraySlide(drawn, mpp=MPP)
    grid = lay_grid(find_tissue(slide), TileSpec(64, MPP), slide)
    under = np.array([chosen[y : y + 64, x : x + 64].mean() > 0.5 for x, y in grid.xy])
    assert under.sum() > 5
    assert ((grid.quality[under] & np.uint8(TileQuality.PEN | TileQuality.DARK)) > 0).all()


@pytest.mark.parametrize("ink", PENS.values(), ids=PENS)
def test_a_ring_around_a_biopsy_is_found_and_the_biopsy_stays(ink) -> None:
    pixels = section(box=(420, 420, 580, 580))
    cv2.circle(pixels, (500, 500), 300, ink, 40, cv2.LINE_AA)
    mask = found(pixels)
    assert mask.pen_mm2 == pytest.approx(2 * np.pi * 0.6 * 0.08, rel=0.2)
    assert mask.tissue_mm2 == pytest.approx(0.32**2, rel=0.25)
    assert not mask.areas.other_stain


@pytest.mark.parametrize("ink", PENS.values(), ids=PENS)
def test_a_slide_with_nothing_but_a_pen_has_no_tissue_and_no_other_stain(ink) -> None:
    pixels = np.full((SIDE, SIDE, 3), 244, np.uint8)
    cv2.polylines(pixels, [np.array([(100, 150), (500, 300), (900, 200)], np.int32)], False, ink, 50, cv2.LINE_AA)
    mask = found(pixels)
    assert mask.tissue_mm2 == 0
    assert mask.pen_mm2 > 0.1
    assert not mask.areas.other_stain


@pytest.mark.parametrize("colour", [(200, 110, 180), (150, 60, 160), (225, 150, 190), (110, 80, 190), (170, 70, 130)])
def test_flat_tissue_in_the_colours_of_h_and_e_is_no_pen_and_no_glass(colour) -> None:
    pixels = np.full((SIDE, SIDE, 3), 244, np.uint8)
    pixels[100:900, 100:800] = colour
    mask = found(pixels)
    assert mask.pen_mm2 == 0
    assert mask.tissue_mm2 == pytest.approx(800 * 700 * 4 / 1e6, rel=0.05)
    assert not mask.areas.tinted_glass


def test_a_black_frame_and_a_black_corner_are_no_pen() -> None:
    framed, corner = section(), section()
    framed[:60], framed[-60:], framed[:, :60], framed[:, -60:] = 0, 0, 0, 0
    corner[:400, :200] = 3
    for pixels in (framed, corner):
        assert found(pixels).pen_mm2 == 0


def test_clumps_of_soot_and_a_bubble_are_no_pen() -> None:
    pixels, rng = section(box=BOX), np.random.default_rng(2)
    for _ in range(40):
        cv2.circle(pixels, tuple(rng.integers(220, 780, 2).tolist()), 12, (25, 22, 26), -1)
    cv2.circle(pixels, (850, 850), 100, (30, 30, 30), 8)
    assert found(pixels).pen_mm2 == 0


def test_dense_tissue_in_pale_tissue_is_no_pen() -> None:
    pale = section(box=BOX, colours=((235, 205, 222), (170, 130, 180)))
    pale[400:600, 400:600] = section(box=BOX, colours=((160, 80, 150), (70, 35, 110)), seed=1)[400:600, 400:600]
    mask = found(pale)
    assert mask.pen_mm2 == 0
    assert H_AND_E[0] and mask.tissue_mm2 == pytest.approx(1.44, rel=0.05)


@pytest.mark.parametrize("case", ["tcga-cr-7395-01a-01-ts1.svs", "cmu-1-small-region.svs"])
def test_real_tissue_is_no_pen_no_other_stain_and_no_glass(data_dir, case) -> None:
    from wsi import open_slide

    with open_slide(data_dir / "wsi" / case, mpp=0.5) as slide:
        mask = find_tissue(slide)
    assert mask.pen_mm2 == 0
    assert not (mask.areas.other_stain or mask.areas.tinted_glass or mask.areas.false_colours)


@pytest.mark.parametrize("ink", [PENS["navy"], PENS["violet"], PENS["red"], PENS["brown"], PENS["magenta"]])
def test_ink_that_lets_a_fifth_of_the_tissue_through_is_found(ink) -> None:
    pixels = section(box=BOX, colours=((222, 158, 196), (160, 105, 165)))
    opaque, chosen = stroke(pixels, ink, [(40, 300), (960, 700)], 120, "opaque")
    mask = found((0.8 * opaque + 0.2 * pixels).astype(np.uint8))
    core = cv2.erode(chosen.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    assert (at_full_size(mask.pen) & core).sum() > 0.6 * core.sum()
    assert not mask.areas.other_stain


def test_a_real_immunostain_is_another_stain_and_no_pen() -> None:
    data = pytest.importorskip("skimage.data")
    picture = np.pad(data.immunohistochemistry(), ((100, 100), (100, 100), (0, 0)), constant_values=245)
    for shrink in (1, 2):
        areas = find_tissue(ArraySlide(picture[::shrink, ::shrink], mpp=8.0)).areas
        assert areas.other_stain and areas.pen_mm2 == 0 and not areas.false_colours
