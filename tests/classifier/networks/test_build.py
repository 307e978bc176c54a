"""The network is what its numbers say, and absurd numbers are refused before anything is built."""

import numpy as np
import pytest

from classifier.networks.build import build_network, network_weights, set_network_weights
from classifier.networks.catalog import NETWORKS, network_class, read_architecture, write_architecture
from classifier.networks.efficientnet_lite import EfficientNetLite
from classifier.networks.fields import stack_fields
from classifier.networks.residual_cnn import Block, ResidualCnn
from classifier.networks.shape import features_of
from classifier.training.base import EFFICIENTNET
from wsi.errors import ModelError

SMALL = ResidualCnn(8, (Block(8, 1), Block(16, 2)))
SHAPES = [SMALL, ResidualCnn(8, (Block(8, 1), Block(16, 2)), fields=(2, 1)), EfficientNetLite(stages=2)]
TAPPED = EfficientNetLite(stages=5, fields=(1,), taps=(4, 5), embedding=12)
SHAPES.append(TAPPED)
TILES = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_of_input_and_outputs(shape):
    network = build_network(shape, classes=3, size_px=64)
    logits, features, activation = network(stack_fields(TILES, shape.fields))
    assert logits.shape == (4, 3)
    assert features.shape == (4, features_of(shape))
    map_px = 64 // max(shape.fields) // shape.trunk_stride
    assert activation.shape == (4, map_px, map_px, 3)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_mean_of_the_activation_map_is_the_logits(shape):
    network = build_network(shape, classes=3, size_px=64)
    logits, _, activation = (np.asarray(output) for output in network(stack_fields(TILES, shape.fields)))
    np.testing.assert_allclose(activation.mean(axis=(1, 2)), logits, atol=1e-4)


def test_a_field_is_the_tiles_centre_averaged():
    stacked = stack_fields(TILES, (2, 1))
    assert stacked.shape == (4, 32, 32, 6)
    averaged = TILES.reshape(4, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    assert np.abs(stacked[..., :3] - averaged).max() <= 0.5
    np.testing.assert_array_equal(stacked[..., 3:], TILES[:, 16:48, 16:48])


def test_a_tile_at_one_magnification_is_not_copied():
    assert stack_fields(TILES, (1,)) is TILES


def test_the_default_has_about_half_a_million_parameters():
    network = build_network(ResidualCnn(), classes=3, size_px=224)
    assert 500_000 < network.count_params() < 700_000
    kernels = sum(array.size for path, array in network_weights(network).items() if "conv/kernel" in path)
    assert kernels == ResidualCnn().convolution_parameters


def test_the_logits_are_a_linear_map_of_the_features():
    network = build_network(SMALL, classes=3, size_px=64)
    logits, features, _ = (np.asarray(output) for output in network(TILES, training=False))
    weights = network_weights(network)
    np.testing.assert_allclose(features @ weights["logits/kernel"] + weights["logits/bias"], logits, atol=1e-5)


def test_weights_survive_a_round_trip():
    first, second = (build_network(SMALL, classes=3, size_px=64) for _ in range(2))
    set_network_weights(second, network_weights(first))
    np.testing.assert_array_equal(first(TILES)[0], second(TILES)[0])


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
        {"stem_width": 8, "blocks": [[8, 1]], "dropout": 0.0, "fields": [1, 2]},
        {"stem_width": 8, "blocks": [[8, 1]], "dropout": 0.0, "fields": [10**6]},
        {"stem_width": 8, "blocks": [[8, 1]], "dropout": 0.0, "fields": [4, 3, 2, 1]},
        {"stem_width": 8, "blocks": [[8, 1]], "dropout": 0.0, "fields": []},
    ],
)
def test_hostile_parameters_are_refused(parameters):
    with pytest.raises(ModelError):
        ResidualCnn.from_dict(parameters)


@pytest.mark.parametrize(("size_px", "classes"), [(8, 3), (4096, 3), (64, 1), (64, 10**6)])
def test_sizes_that_do_not_fit_the_network_are_refused(size_px, classes):
    with pytest.raises(ModelError):
        build_network(SMALL, classes, size_px)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_card_brings_the_network_back(shape):
    assert read_architecture(write_architecture(shape)) == shape


@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"name": "residual-cnn"},
        {"name": "a-pickle", "parameters": {}},
        {"name": EFFICIENTNET, "parameters": {"stages": 99, "dropout": 0.0, "fields": [1]}},
        {"name": EFFICIENTNET, "parameters": {"stages": 4, "dropout": 0.0}},
        {"name": EFFICIENTNET, "parameters": {"stages": 4, "dropout": 0.0, "fields": "all"}},
    ],
)
def test_hostile_architectures_are_refused(architecture):
    with pytest.raises(ModelError):
        read_architecture(architecture)


def test_every_network_is_found_by_the_name_that_it_writes():
    assert [network_class(name).name for name in NETWORKS] == list(NETWORKS)


def test_the_whole_efficientnet_has_the_published_size():
    # The head, a convolution to 1,280 channels and the classifier, is not ours.
    network = build_network(EfficientNetLite(stages=7, fields=(1,)), classes=2, size_px=224)
    head = 320 * 1280 + 4 * 1280
    published_without_classifier = 3_413_024
    assert network.count_params() - (320 * 2 + 2) + head == published_without_classifier


def test_a_tapped_network_takes_the_wide_maps_and_has_no_last_projection():
    network = build_network(TAPPED, classes=3, size_px=64)
    assert network.get_layer("embedding").input.shape[-1] == TAPPED.tapped_features == 480 + 672
    assert "block10_project_conv" not in {layer.name for layer in network.layers}
    assert features_of(TAPPED) == 12
    assert read_architecture(write_architecture(TAPPED)) == TAPPED


@pytest.mark.parametrize(
    "numbers",
    [
        {"taps": (4, 5), "embedding": 0},
        {"taps": (), "embedding": 12},
        {"taps": (5, 4), "embedding": 12},
        {"taps": (4,), "embedding": 12},
        {"taps": (3, 5), "embedding": 12},  # of two strides
        {"taps": (4, 5), "embedding": 5000},
        {"taps": (4, 4, 5), "embedding": 12},
    ],
    ids=str,
)
def test_taps_that_make_no_network_are_refused(numbers):
    with pytest.raises(ModelError):
        EfficientNetLite(stages=5, fields=(1,), **numbers)
