"""The tissue mask: blank stays blank, ink and black are not tissue, pale lung is."""

import cv2
import numpy as np
import pytest

from tests.slides import ArraySlide, stained
from tiler.tissue import MASK_MPP, find_tissue, segment

GLASS = (244, 243, 245)


def glass(rows=300, columns=400, colour=GLASS, noise=1.5, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(np.array(colour) + rng.normal(0, noise, (rows, columns, 3)), 0, 255).astype(np.uint8)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("colour", [GLASS, (255, 255, 255), (228, 228, 226), (240, 234, 225), (250, 245, 252)])
@pytest.mark.parametrize("noise", [0.0, 1.5, 4.0])
def test_a_blank_slide_stays_blank(colour, noise):
    tissue, pen, dark = segment(glass(colour=colour, noise=noise), MASK_MPP)
    assert tissue.sum() == pen.sum() == dark.sum() == 0


def test_tissue_is_found_where_it_is():
    image, truth = glass(), np.zeros((300, 400), np.uint8)
    cv2.ellipse(truth, (180, 150), (120, 80), 20, 0, 360, 1, -1)
    image[truth > 0] = stained(300, 400)[truth > 0]
    tissue, _, _ = segment(image, MASK_MPP)
    assert iou(tissue, truth > 0) > 0.93
    assert not (truth.astype(bool) & ~tissue).any()  # nothing of it is dropped


def test_pale_lung_with_airspace_is_tissue_throughout():
    rng = np.random.default_rng(1)
    walls = cv2.GaussianBlur(rng.random((200, 200)).astype(np.float32), (0, 0), 2)
    wall = walls > np.quantile(walls, 0.55)
    image = glass()
    lung = np.where(wall[..., None], np.array([225, 190, 210]), np.array(GLASS)).astype(np.uint8)
    image[50:250, 100:300] = lung
    tissue, _, _ = segment(image, MASK_MPP)
    assert tissue[60:240, 110:290].mean() > 0.97
    assert tissue[:, :80].sum() == 0


@pytest.mark.parametrize(
    "ink", [(20, 150, 60), (20, 40, 200), (0, 160, 200), (210, 20, 30), (15, 15, 18), (230, 210, 40)]
)
def test_pen_marks_alone_are_no_tissue(ink):
    image = glass()
    cv2.polylines(image, [np.array([[40, 60], [200, 40], [350, 120]], np.int32)], False, ink, 9, cv2.LINE_AA)
    tissue, pen, dark = segment(image, MASK_MPP)
    assert tissue.sum() == 0
    assert (pen | dark).sum() > 1000


def test_pen_beside_tissue_is_told_and_leaves_the_tissue_whole():
    image, truth = glass(), np.zeros((300, 400), bool)
    truth[150:280, 60:340] = True
    image[truth] = stained(300, 400)[truth]
    cv2.line(image, (40, 40), (360, 50), (20, 150, 60), 10)
    tissue, pen, _ = segment(image, MASK_MPP)
    assert iou(tissue, truth) > 0.93
    assert pen.sum() > 2000 and not pen[truth].any()


def test_a_black_scan_border_is_dark_and_no_tissue():
    image = glass()
    image[:, :40] = 3
    tissue, _, dark = segment(image, MASK_MPP)
    assert tissue.sum() == 0
    assert dark[:, :38].all() and not dark[:, 45:].any()


def test_specks_are_dropped_and_fragments_kept():
    image = glass()
    image[20:23, 20:23] = (150, 60, 130)  # 24 um of dust
    image[100:125, 200:225] = stained(25, 25)  # a 200 um fragment
    tissue, _, _ = segment(image, MASK_MPP)
    assert tissue[15:30, 15:30].sum() == 0
    assert tissue[102:123, 202:223].all()


def test_the_mask_covers_the_whole_slide_in_level_0_px():
    pixels = np.full((1003, 2001, 3), 245, np.uint8)
    pixels[400:, 1200:] = stained(603, 801)
    mask = find_tissue(ArraySlide(pixels, mpp=1.0))
    rows, columns = mask.tissue.shape
    assert columns * mask.scale_px[0] == pytest.approx(2001)
    assert rows * mask.scale_px[1] == pytest.approx(1003)
    assert mask.mpp == pytest.approx(8.0, rel=0.02)
    assert mask.tissue_mm2 == pytest.approx(603 * 801 / 1e6, rel=0.08)
    assert mask.tissue[-1, -1] and not mask.tissue[0, 0]
