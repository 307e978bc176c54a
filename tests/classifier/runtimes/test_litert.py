"""The int8 network: a tile's figures are its own, whatever goes through the network with it."""

import numpy as np
import pytest

from classifier.model import load_model


@pytest.mark.parametrize("name", ["lung-v1", "lung-v2"])
def test_a_tile_gives_the_same_to_the_last_bit_alone_and_among_others(name):
    model = load_model(name)
    side = model.card.tile.size_px
    tiles = np.random.default_rng(1).integers(0, 256, (11, side, side, 3), np.uint8)
    logits, features = model.forward(tiles)
    for index in (0, 3, 4, 10):
        alone = model.forward(tiles[index : index + 1])
        np.testing.assert_array_equal(alone[0][0], logits[index])
        np.testing.assert_array_equal(alone[1][0], features[index])
    assert len(model.forward(tiles[:0])[0]) == 0
