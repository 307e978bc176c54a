import cv2
import numpy as np
import pytest

from tests.slides import stained
from tiler.quality import blur_flags, mask_quality, sharpness
from tiler.spec import TileQuality


def textured(seed=0):
    """A tile with detail at the scale of nuclei."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((224, 224)).astype(np.float32), (0, 0), 1.0)
    nuclei = (noise > np.quantile(noise, 0.7)).astype(np.float32)[..., None]
    return (nuclei * np.array([90, 60, 140]) + (1 - nuclei) * np.array([220, 160, 200])).astype(np.uint8)


def test_blur_is_told_from_sharp():
    sharp = [textured(seed) for seed in range(4)]
    blurred = [cv2.GaussianBlur(tile, (0, 0), 3) for tile in sharp]
    assert blur_flags(np.stack(sharp)).tolist() == [0] * 4
    assert blur_flags(np.stack(blurred)).tolist() == [int(TileQuality.BLUR)] * 4


@pytest.mark.parametrize("sigma", [0.5, 1.5, 4.0])
def test_sharpness_is_the_laplacians_variance_over_the_spread(sigma):
    tile = cv2.GaussianBlur(textured(3), (0, 0), sigma)
    grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY).astype(float)
    assert sharpness(tile) == pytest.approx(cv2.Laplacian(grey, cv2.CV_64F).var() / (grey.std() + 1.0))


def test_sharpness_falls_with_blur():
    tile = textured()
    values = [sharpness(tile), *(sharpness(cv2.GaussianBlur(tile, (0, 0), sigma)) for sigma in (1, 2, 4))]
    assert values == sorted(values, reverse=True)


def test_glass_is_not_blurred():
    assert sharpness(np.full((224, 224, 3), 243, np.uint8)) == float("inf")
    assert blur_flags(stained(224, 224)[None])[0] == 0


@pytest.mark.parametrize(
    ("tissue", "pen", "dark", "flags"),
    [
        (1.0, 0.0, 0.0, TileQuality.GOOD),
        (0.24, 0.0, 0.0, TileQuality.EDGE),
        (0.25, 0.0, 0.0, TileQuality.GOOD),
        (1.0, 0.05, 0.0, TileQuality.PEN),
        (1.0, 0.0, 0.2, TileQuality.DARK),
        (0.1, 0.5, 0.5, TileQuality.EDGE | TileQuality.PEN | TileQuality.DARK),
    ],
)
def test_flags_follow_the_shares(tissue, pen, dark, flags):
    found = mask_quality(np.array([tissue]), np.array([pen]), np.array([dark]))
    assert found.tolist() == [int(flags)]
