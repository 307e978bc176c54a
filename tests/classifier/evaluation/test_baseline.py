"""What little achieves: each baseline finds what it is made for, and nothing else."""

import cv2
import numpy as np
import pytest
from PIL import Image

from classifier.dataset.tile_list import read_tile_set
from classifier.evaluation.baseline import baseline, colour_histogram, glass_alone, sharpness_alone
from tests.classifier.tiles import write_csv
from tiler.spec import TileSpec

SPEC = TileSpec(64, 1.0)


def listed(folder, change):
    """Two classes of the same texture; `change(pixels, number of the class)` is all that tells them apart."""
    rng, rows = np.random.default_rng(0), []
    for index in range(40):
        for number, label in enumerate(("a", "b")):
            texture = cv2.GaussianBlur(rng.integers(60, 190, (64, 64, 3), dtype=np.uint8), (0, 0), 1.0)
            texture[:8] = 235
            file = f"{label}{index}.png"
            Image.fromarray(change(texture, number)).save(folder / file)
            rows.append((file, label, file, "train" if index < 25 else "val"))
    return read_tile_set(write_csv(folder / "tiles.csv", ("file", "class", "source_group", "split"), rows))


def accuracy(tiles, features):
    judged = tiles.of_split("val")
    told = baseline(tiles.of_split("train"), judged, SPEC, features)
    assert told.sum(axis=1) == pytest.approx(np.ones(len(judged)))
    return float((told.argmax(axis=1) == judged.labels).mean())


def warmer(pixels, number):
    pixels[:8] = (250, 228, 232) if number else 235  # as bright, and of another colour
    return pixels


def softer(pixels, number):
    return cv2.GaussianBlur(pixels, (0, 0), 1.5) if number else pixels


def test_the_glass_tells_cameras_apart_and_sharpness_does_not(tmp_path):
    tiles = listed(tmp_path, warmer)
    assert accuracy(tiles, glass_alone) == 1.0
    assert accuracy(tiles, sharpness_alone) < 0.8


def test_sharpness_tells_scanners_apart_and_the_glass_does_not(tmp_path):
    tiles = listed(tmp_path, softer)
    assert accuracy(tiles, sharpness_alone) == 1.0
    assert accuracy(tiles, glass_alone) < 0.8


def test_a_histogram_is_of_shares(tmp_path):
    histogram = colour_histogram(np.zeros((10, 10, 3), np.uint8))
    assert histogram.shape == (512,) and (histogram**2).sum() == pytest.approx(1.0)
