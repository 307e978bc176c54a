"""The tissue mask: blank stays blank, ink and black are not tissue, pale lung is."""

import tracemalloc
from functools import partial

import cv2
import numpy as np
import pytest

from tests.slides import ArraySlide, stained
from tiler.ink import find_pen
from tiler.planes.components import without_small
from tiler.thumbnail_colour import stain_planes
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


def plain_colours(rgb):
    """Hue, saturation, value of a picture whose glass was made white; written down as plainly as can be."""
    brightest = rgb.max(axis=2)
    glass = (brightest > 215) & (brightest.astype(int) - rgb.min(axis=2) < 20)
    if glass.mean() >= 0.02:
        rgb = np.clip(rgb * (255.0 / np.median(rgb[glass], axis=0)), 0, 255).astype(np.uint8)
    hue, saturation, value = np.moveaxis(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV).astype(np.float32), 2, 0)
    return hue * 2, saturation / np.float32(255), value / np.float32(255)


def plain_ink(hue, saturation, value):
    return (
        ((hue > 70) & (hue < 195) & (saturation > 0.20))
        | ((hue >= 195) & (hue < 222) & (saturation > 0.42))
        | ((hue >= 222) & (hue < 252) & (saturation > 0.78))
        | ((hue > 35) & (hue <= 70) & (saturation > 0.40))
        | ((hue >= 14) & (hue <= 35) & (saturation > 0.56))
        | (((hue < 14) | (hue > 348)) & (saturation > 0.78))
    ) & (value > 0.15)


def plain_masks(rgb, mpp, pen):
    """Tissue and dark beside the marks `pen`, by the rule of `segment`: floats, whole images, labels of the whole."""
    _, saturation, value = plain_colours(rgb)
    dark = value < 0.30
    black = dark & ((saturation < 0.45) | (value < 0.15))
    fit = (cv2.dilate(pen.astype(np.uint8), disk(16, mpp)) == 0) & ~black
    smooth = cv2.medianBlur((saturation * 255).astype(np.uint8), 3)
    threshold = 0.10
    if fit.any() and smooth[fit].min() < smooth[fit].max():
        otsu, _ = cv2.threshold(smooth[fit], 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        threshold = float(np.clip(otsu / 255.0, 0.06, 0.10))
    tissue = (smooth > 255.0 * threshold) & fit
    tissue = cv2.morphologyEx(tissue.astype(np.uint8), cv2.MORPH_CLOSE, disk(48, mpp)) > 0
    tissue = ~plain_large(~plain_large(tissue, 0.005, mpp), 0.10, mpp)
    tissue = cv2.dilate(tissue.astype(np.uint8), disk(8, mpp)) > 0
    _, labels = cv2.connectedComponents(black.astype(np.uint8), connectivity=8)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return tissue & ~pen & ~np.isin(labels, rim[rim > 0]), dark


def plain_large(mask, mm2, mpp):
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return (stats[:, cv2.CC_STAT_AREA] >= max(1, round(mm2 * 1e6 / mpp**2)))[labels] & (labels > 0)


def disk(radius_um, mpp):
    radius = max(1, round(radius_um / mpp))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def busy_image(seed):
    """Blobs of tissue, ink, black and pigment on glass of some tint and noise."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(40, 500, 2)
    image = glass(rows, columns, np.array(GLASS) * rng.uniform(0.85, 1.04), rng.uniform(0, 6), seed)
    colours = [
        (200, 110, 180),
        (230, 205, 222),
        (20, 150, 60),
        (10, 10, 12),
        (210, 20, 30),
        (20, 40, 200),
        (120, 60, 140),
    ]
    for _ in range(rng.integers(1, 9)):
        blob = np.zeros((rows, columns), np.uint8)
        axes = tuple(int(axis) for axis in rng.integers(1, 160, 2))
        cv2.ellipse(
            blob, (int(rng.integers(columns)), int(rng.integers(rows))), axes, rng.uniform(0, 180), 0, 360, 1, -1
        )
        speckle = cv2.GaussianBlur(rng.random((rows, columns)), (0, 0), rng.uniform(0.6, 5))
        chosen = (blob > 0) & (speckle > np.quantile(speckle, rng.uniform(0, 0.8)))
        colour = np.array(colours[rng.integers(len(colours))])
        image[chosen] = np.clip(colour + rng.normal(0, 25, (chosen.sum(), 3)), 0, 255)
    return image


@pytest.mark.parametrize("seed", range(25))
def test_masks_made_in_bands_are_those_of_the_plain_rule(seed, monkeypatch):
    image, mpp = busy_image(seed), (8.0, 7.9, 4.0)[seed % 3]
    whole = segment(image, mpp)
    for module in ("tissue", "ink"):
        monkeypatch.setattr(f"tiler.{module}.without_small", partial(without_small, band_pixels=20 * image.shape[1]))
    for module, rows in (("thumbnail_colour", 13), ("glass", 11), ("tissue", 17)):
        monkeypatch.setattr(f"tiler.{module}._BAND_PIXELS", rows * image.shape[1])
    tissue, pen, dark = segment(image, mpp)
    for mask, of_whole in zip((tissue, pen, dark), whole, strict=True):
        assert np.array_equal(mask, of_whole)
    plain_tissue, plain_dark = plain_masks(image, mpp, pen)
    assert np.array_equal(tissue, plain_tissue) and np.array_equal(dark, plain_dark)
    # More is found of the hues that H&E gives: `tests/tiler/test_ink.py`. Speckled ink that is most of what is stained
    # is nothing but another stain.
    assert (
        find_pen(stain_planes(image), mpp)[1]
        or not (plain_large(plain_ink(*plain_colours(image)), 0.01, mpp) & ~pen).any()
    )


def test_a_giant_slide_gets_a_coarser_mask_and_not_a_larger_one(monkeypatch):
    monkeypatch.setattr("tiler.tissue._MAX_MASK_PIXELS", 10_000)
    pixels = np.full((1000, 4000, 3), 245, np.uint8)
    pixels[400:, 1200:] = stained(600, 2800)
    mask = find_tissue(ArraySlide(pixels, mpp=2.0))
    assert 9_000 < mask.tissue.size <= 10_000
    assert mask.scale_px == pytest.approx((20.0, 20.0)) and mask.mpp == pytest.approx(40.0)
    assert mask.tissue_mm2 == pytest.approx(600 * 2800 * 4 / 1e6, rel=0.08)


def test_a_mask_takes_few_bytes_a_px():
    image = np.tile(busy_image(3), (8, 8, 1))
    tracemalloc.start()
    try:
        segment(image, MASK_MPP)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    labels = 5 * (1 << 22)
    assert peak < 10 * image.shape[0] * image.shape[1] + labels
