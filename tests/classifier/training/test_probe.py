"""The linear classifier that a training may begin with: the network then says what it says."""

from dataclasses import replace

import numpy as np
import pytest

from classifier.dataset.tile_list import read_tile, read_tile_set
from classifier.networks.build import build_network, network_weights, set_network_weights
from classifier.networks.efficientnet_lite import EfficientNetLite
from classifier.networks.framework import load_keras
from classifier.networks.residual_cnn import ResidualCnn
from classifier.training.fit import fit
from classifier.training.probe import fit_softmax, probe
from classifier.training.recipe import TrainConfig
from tests.classifier.tiles import write_tiles
from tiler.spec import TileSpec
from wsi.errors import UsageError

SHAPE = EfficientNetLite(stages=2, dropout=0.0, fields=(1,), taps=(2,), embedding=8)
CONFIG = TrainConfig(
    background="checks", tile=TileSpec(64, 1.0), crop_px=64, network=SHAPE, balanced=True, whole_tiles=True, probe=True
)


def test_a_separable_problem_is_separated_and_shares_count():
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (400, 5)).astype(np.float32)
    labels = (features[:, 2] > 0).astype(int)
    kernel, bias = fit_softmax(features, labels, 2, 1e3)
    assert ((features @ kernel + bias).argmax(axis=1) == labels).mean() > 0.95
    only_ones = fit_softmax(features, labels, 2, 1e3, np.where(labels == 1, 1.0, 1e-6))
    assert ((features @ only_ones[0] + only_ones[1]).argmax(axis=1) == 1).mean() > 0.95


def test_the_network_begins_as_the_linear_classifier(tmp_path):
    tiles = read_tile_set(write_tiles(tmp_path, groups=4, tiles_a_group=3, val_groups=0))
    # Unpretrained features tell these tiles apart for most beginnings, not for all.
    load_keras().utils.set_random_seed(3)
    start = network_weights(build_network(SHAPE, 3, 64))
    found = probe({path: array for path, array in start.items() if not path.startswith("logits")}, tiles, CONFIG)
    assert set(found) == set(start)
    network = build_network(SHAPE, 3, 64)
    set_network_weights(network, found)
    pixels = np.stack([read_tile(record, CONFIG.tile) for record in tiles.records])
    logits, features, _ = (np.asarray(output) for output in network(pixels))
    assert features.shape == (len(tiles), 8)
    assert (logits.argmax(axis=1) == tiles.labels).mean() > 0.8
    # The embedding is centred on what it was fitted on, and the last layer reads off it alone.
    np.testing.assert_allclose(features @ found["logits/kernel"] + found["logits/bias"], logits, atol=1e-3)


@pytest.mark.parametrize("shape", [ResidualCnn(), EfficientNetLite(), replace(SHAPE, fields=(2, 1))], ids=str)
def test_other_networks_cannot_be_probed(shape, tmp_path):
    with pytest.raises(UsageError, match="tapped"):
        probe({}, read_tile_set(write_tiles(tmp_path)), replace(CONFIG, network=shape))


def test_normalisation_that_is_frozen_keeps_its_statistics(tmp_path):
    tiles = read_tile_set(write_tiles(tmp_path, groups=2, tiles_a_group=3, val_groups=0))
    start = network_weights(build_network(SHAPE, 3, 64))
    trained = replace(CONFIG, epochs=1, batch_size=6, learning_rate=1e-2, frozen_normalisation=True, priors={})
    frozen = fit(tiles, trained, start, tmp_path / "a.npz", "a")
    free = fit(tiles, replace(trained, frozen_normalisation=False), start, tmp_path / "b.npz", "b")
    moved = [path for path in start if path.endswith(("moving_mean", "gamma")) and (frozen[path] != start[path]).any()]
    assert moved == [] and (free["stem_bn/moving_mean"] != start["stem_bn/moving_mean"]).any()
    assert (frozen["stem_conv/kernel"] != start["stem_conv/kernel"]).any()
