"""What a training starts from: the published ImageNet weights, or another model, with or without its last layer."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classifier.model_folder.arrays import unpack_arrays
from classifier.model_folder.files import read_card, read_folder
from classifier.networks import imagenet
from classifier.networks.build import build_network, network_weights, set_network_weights
from classifier.networks.efficientnet_lite import EfficientNetLite
from classifier.networks.torch_weights import read_torch_weights
from classifier.training.base import EFFICIENTNET, read_base
from classifier.training.recipe import fine_tuning
from classifier.training.request import TrainRequest
from classifier.training.train import train
from tests.classifier.tiles import TINY, tiny_model, tiny_tiles
from wsi.errors import ModelDigestError, ModelNotFoundError

has_imagenet = pytest.mark.skipif(
    importlib.util.find_spec(imagenet.PACKAGE) is None, reason="the package with the ImageNet weights is not installed"
)


@has_imagenet
def test_the_published_weights_know_a_cat_a_cup_and_a_rocket():
    import cv2
    import keras
    from skimage import data

    shape = EfficientNetLite(stages=7, fields=(1,))
    pixels = keras.Input((224, 224, 3), dtype="uint8")
    trunk = keras.Model(pixels, shape.trunk(pixels))
    set_network_weights(trunk, imagenet.imagenet_weights(shape))
    pictures = [data.chelsea()[:, 75:375], data.coffee()[:, 100:500], data.rocket()[:, 100:527]]
    tiles = np.stack([cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA) for picture in pictures])
    maps = np.asarray(trunk(tiles, training=False))
    # The head, which our networks leave out.
    published = read_torch_weights(imagenet._content())
    head = maps @ published["_conv_head.weight"][:, :, 0, 0].T
    mean, spread = published["_bn1.running_mean"], np.sqrt(published["_bn1.running_var"] + 1e-3)
    head = np.clip((head - mean) / spread * published["_bn1.weight"] + published["_bn1.bias"], 0, 6)
    scores = head.mean(axis=(1, 2)) @ published["_fc.weight"].T + published["_fc.bias"]
    egyptian_cat, cup, missile = 285, 968, 657
    best = np.argsort(-scores, axis=1)[:, :3]
    assert egyptian_cat in best[0] and cup in best[1] and missile in best[2]


@has_imagenet
def test_a_cut_network_starts_from_the_same_weights():
    base = read_base(EFFICIENTNET)
    network = build_network(base.network, classes=3, size_px=224)
    start = network_weights(network) | base.weights_for(("a", "b", "c"))
    set_network_weights(network, start)
    assert {path for path in start if path not in base.weights} == {"logits/kernel", "logits/bias"}


def test_weights_that_are_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelNotFoundError, match="not installed") as found:
        read_base(EFFICIENTNET)
    assert "pulmoscope[transfer]" in found.value.hint


@has_imagenet
def test_weights_that_are_not_the_published_ones(monkeypatch):
    monkeypatch.setattr(imagenet, "SHA256", "0" * 64)
    with pytest.raises(ModelDigestError):
        read_base(EFFICIENTNET)


def test_a_model_gives_its_last_layer_only_to_the_same_classes():
    base = read_base(tiny_model())
    card = read_card(tiny_model())
    assert base.name == f"tiny-model {card.digest}" and base.tile == card.tile
    assert set(base.weights_for(card.classes)) == set(base.weights)
    assert not any(path.startswith("logits") for path in base.weights_for(("checks", "waves")))


def test_a_model_trained_from_another(tmp_path):
    base = read_base(tiny_model())
    config = replace(TINY, base=base.name, network=base.network, epochs=1, learning_rate=1e-6, ema_decay=0.0)
    card = train(TrainRequest(tiny_tiles(), tmp_path / "next", config, base=base))
    assert card.training["recipe"]["base"] == base.name
    contents = [read_folder(folder).contents["weights.npz"] for folder in (tiny_model(), tmp_path / "next")]
    before, after = (unpack_arrays(content, "weights.npz") for content in contents)
    # So small a learning rate moves nothing far: what comes out is what went in.
    np.testing.assert_allclose(after["stem_conv/kernel"], before["stem_conv/kernel"], atol=1e-3)
    assert not np.array_equal(after["stem_conv/kernel"], before["stem_conv/kernel"])


@pytest.mark.parametrize(("tiles", "epochs"), [(100_000, 10), (320, 24), (20, 240)])
def test_few_tiles_are_shown_more_often(tiles, epochs):
    assert fine_tuning("x", EfficientNetLite()).for_tiles(tiles).epochs == epochs


def test_a_tapped_base_is_read_by_a_linear_classifier_and_not_changed():
    request = TrainRequest.from_options(Path("tiles.csv"), Path("out"), base="lung-v2")
    assert request.recipe.probe and request.recipe.epochs == 0 and request.recipe.balanced
    assert request.recipe.tissues == request.base.tissues != ()
    assert not TrainRequest.from_options(Path("tiles.csv"), Path("out"), base="lung-v1").recipe.probe
