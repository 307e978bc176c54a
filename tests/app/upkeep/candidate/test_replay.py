"""A candidate of lung-v2 without any of its tiles: what it learned from is replayed as features."""

import hashlib

import numpy as np
import pytest

from app.upkeep.candidate.retrain import RetrainRequest, retrain
from app.upkeep.learning.learning_set import LearningSet
from classifier.dataset.predict import as_shown, forward_tiles
from classifier.dataset.tile_list import read_tile_set
from classifier.model import load_model
from classifier.model_folder.files import read_card
from classifier.model_folder.find import DEFAULT_MODEL, FAST_MODEL, find_model
from tests.app.upkeep.candidate.foreign import png, region
from wsi.errors import UsageError

SIDE = 192


def blotches(rng):
    """Blue-grey spots on rose: of no tissue, and the same for anybody who looks."""
    y, x = np.mgrid[:SIDE, :SIDE]
    spots = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 90) for a, b in rng.integers(0, SIDE, (40, 2)))
    pixels = np.array([228.0, 180, 205]) - spots[..., None] * np.array([90.0, 60, 20])
    return np.clip(pixels + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def learning(tmp_path_factory):
    """Twelve slides of blotches, signed as necrosis."""
    folder, rng = tmp_path_factory.mktemp("replay") / "learning", np.random.default_rng(5)
    with LearningSet(folder).writing() as writing:
        for number in range(12):
            pictures = [png(blotches(rng)) for _ in range(4)]
            one = region(f"blotch-{number}", "necrosis", pictures)
            one = type(one)(**{**vars(one), "size_px": SIDE, "mpp": 0.7})
            writing.learn(one, {hashlib.sha256(picture).hexdigest(): picture for picture in pictures})
        writing.list_tiles()
    return folder


@pytest.fixture(scope="module")
def candidate(learning, tmp_path_factory):
    out = tmp_path_factory.mktemp("candidate") / "candidate"
    retrain(RetrainRequest(DEFAULT_MODEL, learning, None, out))
    return out


def shown(model, learning):
    tiles = read_tile_set(learning / "tiles.csv", fewest_classes=1).of_split("test")
    logits, features = forward_tiles(model, as_shown(model, tiles))
    return [model.card.outputs[i] for i in logits.argmax(axis=1)], features


def test_it_learns_without_the_tiles_of_its_base(learning, candidate):
    (before, features), (after, same) = (shown(load_model(one), learning) for one in (DEFAULT_MODEL, str(candidate)))
    assert "necrosis" not in before and set(after) == {"necrosis"}
    np.testing.assert_array_equal(features, same)


def test_it_forgets_nothing(candidate):
    told = read_card(candidate).metrics["hold_out"]
    assert told["tiles"] == 722 and told["right"] > 0.73
    assert read_card(candidate).metrics["further"]["replayed_features"] > 9000


def test_int8_and_float32_say_the_same(learning, candidate):
    models = [load_model(str(candidate), runtime=runtime) for runtime in ("litert-int8", "tensorflow")]
    assert shown(models[0], learning)[0] == shown(models[1], learning)[0]


def test_a_candidate_of_a_candidate_finds_the_same_features(learning, candidate, tmp_path):
    card = retrain(RetrainRequest(str(candidate), learning, None, tmp_path / "again"))
    assert card.files == read_card(candidate).files  # the same set, the same features: the same last layer


def test_a_base_whose_features_are_not_kept_asks_for_tiles(learning, tmp_path):
    with pytest.raises(UsageError, match="is not kept"):
        retrain(RetrainRequest(FAST_MODEL, learning, None, tmp_path / "out"))


def test_the_lists_of_limits_do_not_grow(learning, candidate, tmp_path):
    first, base = read_card(candidate), read_card(find_model(DEFAULT_MODEL))
    assert set(base.limits) < set(first.limits) and len(first.limits) == len(set(first.limits))
