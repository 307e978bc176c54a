"""The network is what its numbers say, and absurd numbers are refused before anything is built."""

import numpy as np
import pytest

from classifier.architecture import (
    Block,
    ResidualCnn,
    build_network,
    network_weights,
    set_network_weights,
)
from wsi.errors import ModelError

SMALL = ResidualCnn(8, (Block(8, 1), Block(16, 2)))


def test_shapes_of_input_and_outputs():
    network = build_network(SMALL, classes=3, size_px=64)
    tiles = np.zeros((2, 64, 64, 3), np.uint8)
    logits, features = network(tiles)
    assert logits.shape == (2, 3)
    assert features.shape == (2, SMALL.features)


def test_the_default_has_about_half_a_million_parameters():
    network = build_network(ResidualCnn(), classes=3, size_px=224)
    assert 500_000 < network.count_params() < 700_000
    kernels = sum(array.size for path, array in network_weights(network).items() if "conv/kernel" in path)
    assert kernels == ResidualCnn().convolution_parameters


def test_the_logits_are_a_linear_map_of_the_features():
    network = build_network(SMALL, classes=3, size_px=64)
    tiles = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    logits, features = (np.asarray(output) for output in network(tiles, training=False))
    weights = network_weights(network)
    np.testing.assert_allclose(features @ weights["logits/kernel"] + weights["logits/bias"], logits, atol=1e-5)


def test_weights_survive_a_round_trip():
    first, second = (build_network(SMALL, classes=3, size_px=64) for _ in range(2))
    set_network_weights(second, network_weights(first))
    tiles = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(first(tiles)[0], second(tiles)[0])


@pytest.mark.parametrize("change", ["missing", "extra", "shape", "dtype", "nan"])
def test_weights_that_do_not_fit_are_refused(change):
    network = build_network(SMALL, classes=3, size_px=64)
    weights = network_weights(network)
    kernel = weights["logits/kernel"]
    if change == "missing":
        del weights["logits/kernel"]
    else:
        weights["logits/kernel"] = {
            "extra": kernel,
            "shape": kernel[:, :2],
            "dtype": kernel.astype(np.float64),
            "nan": np.full_like(kernel, np.nan),
        }[change]
    if change == "extra":
        weights["payload"] = kernel
    with pytest.raises(ModelError):
        set_network_weights(network, weights)


@pytest.mark.parametrize(
    "parameters",
    [
        {"stem_width": 10**9, "blocks": [[8, 1]], "dropout": 0.0},
        {"stem_width": 8, "blocks": [[8, 1]] * 1000, "dropout": 0.0},
        {"stem_width": 512, "blocks": [[512, 1]] * 16, "dropout": 0.0},
        {"stem_width": 8, "blocks": [[8, 7]], "dropout": 0.0},
        {"stem_width": 8, "blocks": [], "dropout": 0.0},
        {"stem_width": 8.5, "blocks": [[8, 1]], "dropout": 0.0},
        {"stem_width": True, "blocks": [[8, 1]], "dropout": 0.0},
        {"stem_width": 8, "blocks": [[8]], "dropout": 0.0},
        {"stem_width": 8, "blocks": "many", "dropout": 0.0},
        {"stem_width": 8, "blocks": [[8, 1]], "dropout": float("nan")},
        {"stem_width": 8, "blocks": [[8, 1]]},
        {},
    ],
)
def test_hostile_parameters_are_refused(parameters):
    with pytest.raises(ModelError):
        ResidualCnn.from_dict(parameters)


@pytest.mark.parametrize(("size_px", "classes"), [(8, 3), (4096, 3), (64, 1), (64, 10**6)])
def test_sizes_that_do_not_fit_the_network_are_refused(size_px, classes):
    with pytest.raises(ModelError):
        build_network(SMALL, classes, size_px)


def test_parameters_survive_a_round_trip():
    assert ResidualCnn.from_dict(SMALL.to_dict()) == SMALL
