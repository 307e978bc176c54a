"""A labelled tile that is larger than the model's is judged by all of it."""

import numpy as np
import pytest
from PIL import Image

from classifier.dataset.predict import forward_tiles, judge_tiles, mean_of_parts
from classifier.dataset.tile_list import TileRecord, TileSet
from classifier.model import BATCH_TILES, TilePredictions, load_model
from tests.classifier.tiles import pattern, tiny_model


@pytest.fixture(scope="module")
def model():
    return load_model(tiny_model())


def listed(folder, sides, size_px):
    rng, records = np.random.default_rng(5), []
    for i, side in enumerate(sides):
        name = f"{i}.png"
        Image.fromarray(pattern("dots", rng, side * size_px)).save(folder / name)
        records.append(TileRecord(folder / name, name, "dots", f"g{i}", "val", None, row=i + 2))
    return TileSet(tuple(records), ("dots", "stripes"))


def test_tiles_of_the_models_size_are_judged_as_they_are(model, tmp_path):
    tiles = listed(tmp_path, [1] * 3, model.card.tile.size_px)
    judged, plain = judge_tiles(model, tiles), model.predictions_of(*forward_tiles(model, tiles))
    np.testing.assert_array_equal(judged.probabilities, plain.probabilities)
    np.testing.assert_array_equal(judged.features, plain.features)
    np.testing.assert_array_equal(judged.familiarity, plain.familiarity)


def test_a_larger_tile_counts_as_the_mean_of_its_parts_wherever_it_stands_in_the_list(model, tmp_path):
    size, sides = model.card.tile.size_px, [1, 2, 3] + [1] * BATCH_TILES + [2]
    tiles = listed(tmp_path, sides, size)
    judged = judge_tiles(model, tiles)
    for i in (1, 2, len(sides) - 1):
        pixels = np.asarray(Image.open(tiles.records[i].path))
        steps = range(0, sides[i] * size, size)
        parts = model.predict(np.stack([pixels[y : y + size, x : x + size] for y in steps for x in steps]))
        np.testing.assert_allclose(judged.probabilities[i], parts.probabilities.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(judged.familiarity[i], np.median(parts.familiarity), equal_nan=True)


def test_a_view_is_given_each_part_and_the_number_of_its_tile(model, tmp_path):
    tiles, seen = listed(tmp_path, [1, 2, 1], model.card.tile.size_px), []
    judge_tiles(model, tiles, view=lambda pixels, i: seen.append((i, pixels.shape)) or pixels)
    shape = (model.card.tile.size_px,) * 2 + (3,)
    assert seen == [(0, shape)] + [(1, shape)] * 4 + [(2, shape)]


def test_a_tile_is_as_familiar_as_half_of_its_parts_are():
    predictions = TilePredictions(
        np.array([[1, 0], [0, 1], [0, 1], [0, 1]], np.float32),
        np.arange(8, dtype=np.float16).reshape(4, 2),
        np.array([0.5, 0.1, 0.2, 0.9], np.float32),
        np.array([True, True, False, False]),
    )
    merged = mean_of_parts(predictions, [1, 3])
    np.testing.assert_allclose(merged.probabilities, [[1, 0], [0, 1]])
    np.testing.assert_allclose(merged.features, [[0, 1], [4, 5]])
    np.testing.assert_allclose(merged.familiarity, [0.5, 0.2])
    assert merged.by_site.tolist() == [True, False]
