"""What a model learned from, kept as features: written, read back, and found by the network that gave them."""

import numpy as np
import pytest

from classifier.model_folder.arrays import pack_arrays, unpack_arrays
from classifier.model_folder.card import WEIGHTS_FILE
from classifier.model_folder.files import read_folder
from classifier.model_folder.find import DEFAULT_MODEL, FAST_MODEL, find_model
from classifier.training.packaged.replay.head import BIAS, KERNEL, Learned, fit_last_layer
from classifier.training.packaged.replay.stored import (
    FOLDER,
    Replay,
    body_digest,
    find_replay,
    read_replay,
    replay_bytes,
    write_replay,
)
from classifier.training.recipe import TrainConfig
from wsi.errors import ModelError


def small():
    rng = np.random.default_rng(3)
    return Replay(
        ("dots", "stripes"),
        rng.normal(size=(6, 3)).astype(np.float16).astype(np.float32),
        np.array([0, 1, 0, 1, 0, 1]),
        np.array(["north", "north", "south", "south", "north", "north"]),
        np.array(["a", "b", "c", "c", "a", "d"]),
        np.array([False, False, False, False, True, True]),
    )


def weights_of(name):
    return unpack_arrays(read_folder(find_model(name)).contents[WEIGHTS_FILE], WEIGHTS_FILE)


def test_what_is_written_is_read_back():
    made, read = small(), read_replay(replay_bytes(small()))
    np.testing.assert_array_equal(read.features, made.features)
    assert read.classes == made.classes and read.labels.tolist() == made.labels.tolist()
    assert read.sites.tolist() == made.sites.tolist() and read.held.tolist() == made.held.tolist()
    assert len(set(read.groups.tolist())) == 4 and read.groups[0] == read.groups[4]
    assert len(read.part(held=True)) == 2 and read.names()[1][0] == "stripes"


def test_it_is_found_by_the_network_below_the_last_layer(tmp_path):
    weights = {"body/kernel": np.ones(3, np.float32), "logits/kernel": np.zeros(2, np.float32)}
    write_replay(small(), weights, tmp_path)
    retrained = {**weights, "logits/kernel": np.ones(2, np.float32)}
    other = {**weights, "body/kernel": np.zeros(3, np.float32)}
    assert find_replay(retrained, tmp_path) is not None and find_replay(other, tmp_path) is None
    assert body_digest(weights) == body_digest(retrained) != body_digest(other)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: {**arrays, "label": arrays["label"][:3]},
        lambda arrays: {**arrays, "label": np.full(6, 9, np.uint8)},
        lambda arrays: {**arrays, "site": np.full(6, 9, np.uint16)},
        lambda arrays: {**arrays, "features": np.full((6, 3), np.nan, np.float16)},
        lambda arrays: {name: values for name, values in arrays.items() if name != "held"},
    ],
    ids=["short", "class", "site", "nan", "missing"],
)
def test_what_was_not_written_so_is_refused(spoil):
    content = pack_arrays(spoil(unpack_arrays(replay_bytes(small()), "replay.npz")))
    with pytest.raises(ModelError):
        read_replay(content)


def test_the_packaged_features_are_small_and_of_the_default_model_alone():
    replay = find_replay(weights_of(DEFAULT_MODEL))
    assert replay is not None and replay.classes == read_folder(find_model(DEFAULT_MODEL)).card.outputs
    assert find_replay(weights_of(FAST_MODEL)) is None
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 5_000_000


def test_without_new_tiles_nearly_the_same_classifier_comes_out_again():
    weights = weights_of(DEFAULT_MODEL)
    replay = find_replay(weights)
    config = TrainConfig.from_dict(read_folder(find_model(DEFAULT_MODEL)).card.training["recipe"])
    again = fit_last_layer(replay, Learned(replay.features[:0], []), config)
    held = replay.part(held=True)
    then = (held.features @ weights[KERNEL] + weights[BIAS]).argmax(axis=1)
    now = (held.features @ again[KERNEL] + again[BIAS]).argmax(axis=1)
    # Two of the six views: 0.945 are told as before, 0.744 rightly and not 0.755.
    assert (then == now).mean() > 0.93
    assert (now == held.labels).mean() > (then == held.labels).mean() - 0.02


def test_a_class_that_the_base_does_not_know_is_refused():
    strange = Learned(np.zeros((1, 3), np.float32), [("checks", "", "x")])
    with pytest.raises(ModelError, match="knows no checks"):
        fit_last_layer(small(), strange, TrainConfig())
