"""lung-v1 on real tiles: the promised accuracy, the baseline beside it, and what it must not recognise."""

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from classifier.dataset.tile_list import read_tile, read_tile_set
from classifier.evaluation.evaluate import EvaluationPlan, evaluate
from classifier.model import load_model

DATA = Path(os.environ.get("PULMOSCOPE_DATA", "no-data-named"))
TILES = DATA / "lc25000" / "tiles.csv"
SKIN = DATA / "wsi" / "cmu-1-small-region.svs"

needs_tiles = pytest.mark.skipif(not TILES.exists(), reason="LC25000 is not at hand")
needs_skin = pytest.mark.skipif(not SKIN.exists(), reason="the OpenSlide test slide is not at hand")

BOTH = pytest.mark.parametrize("lung", ["lung-v1", "lung-v2"])


@pytest.fixture(scope="module")
def model():
    return load_model("lung-v1")


@needs_tiles
@pytest.mark.slow
def test_accuracy_on_the_validation_groups_and_the_card_says_so(model, tmp_path):
    evaluation = evaluate(TILES, model, tmp_path, EvaluationPlan(shifts=False))
    accuracy, baseline = evaluation.figures["accuracy"], evaluation.baseline["accuracy"]
    assert evaluation.split == "val" and evaluation.groups == 93
    assert accuracy.value >= 0.93 and accuracy.low > 0.85
    assert accuracy.value > baseline.value
    told = model.card.metrics["val"]["figures"]["accuracy"]
    assert told["value"] == pytest.approx(accuracy.value, abs=0.005)
    assert evaluation.not_recognised < 0.10


@needs_tiles
def test_both_runtimes_agree_on_validation_tiles(model):
    tiles = read_tile_set(TILES).of_split("val")
    some = replace(tiles, records=tiles.records[::8])
    pixels = np.stack([read_tile(record, model.card.tile) for record in some.records])
    first = model.predict(pixels).probabilities.argmax(axis=1)
    second = load_model("lung-v1", runtime="tensorflow").predict(pixels).probabilities.argmax(axis=1)
    assert (first == second).mean() >= 0.97


@needs_skin
def test_skin_is_not_taken_for_lung(model):
    openslide = pytest.importorskip("openslide")
    slide = openslide.OpenSlide(SKIN)
    pixels = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
    half = cv2.resize(pixels, None, fx=0.499, fy=0.499, interpolation=cv2.INTER_AREA)
    tiles = cut(half, model.card.tile.size_px)
    stained = np.ptp(tiles.astype(int), axis=3).mean(axis=(1, 2)) > 15
    familiarity = model.predict(tiles[stained]).familiarity
    assert (familiarity < model.card.familiarity_threshold).mean() > 0.9


@BOTH
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_photographs_are_not_taken_for_lung(lung, name):
    model = load_model(lung)
    data = pytest.importorskip("skimage.data")
    tiles = cut(np.ascontiguousarray(getattr(data, name)()), model.card.tile.size_px)
    assert (model.predict(tiles).familiarity < model.card.familiarity_threshold).mean() > 0.9


@BOTH
@pytest.mark.parametrize("level", [0, 128, 243, 255])
def test_flat_tiles_are_not_taken_for_lung(lung, level):
    model = load_model(lung)
    flat = np.full((1, *(model.card.tile.size_px,) * 2, 3), level, np.uint8)
    assert model.predict(flat).familiarity[0] < model.card.familiarity_threshold


def cut(pixels, size_px):
    rows, columns = (side // size_px for side in pixels.shape[:2])
    return np.stack(
        [
            pixels[r * size_px : (r + 1) * size_px, c * size_px : (c + 1) * size_px]
            for r in range(rows)
            for c in range(columns)
        ]
    )
