"""A map of evidence lies where its pattern is, adds up to the lead, and turns with the tile."""

import numpy as np
import pytest

from classifier.explain import evidence_map, explain
from classifier.model import TileModel, load_model
from classifier.model_folder.card import ModelCard
from classifier.networks.catalog import write_architecture
from classifier.networks.residual_cnn import Block, ResidualCnn
from tests.classifier.tiles import CLASSES, SIZE_PX, pattern, tiny_model
from tiler.spec import TileSpec
from wsi.errors import ModelError

STRIDE_PX = 8
NETWORK = ResidualCnn(8, (Block(8, 1), Block(16, 2)), dropout=0.0)
CARD = ModelCard(
    name="known", version="1", classes=("red", "green", "blue"), background="blue", tile=TileSpec(SIZE_PX, 1.0),
    architecture=write_architecture(NETWORK), temperature=1.0, familiarity_threshold=0.5, false_alarm_rate=0.02,
    training={}, metrics={}, intended_use="tests", limits=(), never_shown=(),
)  # fmt: skip


class ColourRuntime:
    """Each class's map is its own colour's brightness, seen in windows that lie as "same" strided convolutions do."""

    name = "known"

    def activation_map(self, stacked):
        padded = np.pad(stacked / 255.0, ((0, 0), (0, STRIDE_PX), (0, STRIDE_PX), (0, 0)))
        starts = range(0, SIZE_PX, STRIDE_PX)
        # A window of 16 px from the cell's own corner on is centred (8 - 1) / 2 + 0.5 px after the cell's centre.
        return np.stack(
            [np.stack([padded[:, r : r + 16, c : c + 16].mean((1, 2)) for c in starts], 1) for r in starts], 1
        ).astype(np.float32)

    def forward(self, stacked):
        return self.activation_map(stacked).mean((1, 2)), np.zeros((len(stacked), 16), np.float32)


class Unasked:
    def of(self, features):
        return np.ones(len(features), np.float32)


@pytest.fixture(scope="module")
def known():
    assert NETWORK.trunk_stride == STRIDE_PX
    return TileModel(CARD, ColourRuntime(), Unasked())


def spot(x, y, side=8, colour=0):
    tile = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    tile[y : y + side, x : x + side, colour] = 255
    return tile


@pytest.mark.parametrize("corner", [(28, 28), (16, 40), (41, 13), (20, 20), (44, 30)])
def test_the_evidence_lies_on_the_planted_spot(known, corner):
    evidence = evidence_map(known, spot(*corner), 0, 1)
    middles = np.arange(SIZE_PX) + 0.5
    centre = [float((evidence.sum(axis=axis) * middles).sum() / evidence.sum()) for axis in (0, 1)]
    assert np.abs(np.array(centre) - (np.array(corner) + 4)).max() <= 1.0
    row, column = np.unravel_index(evidence.argmax(), evidence.shape)
    assert abs(column - corner[0] - 4) <= 4 and abs(row - corner[1] - 4) <= 4


def test_what_speaks_for_the_rival_is_below_zero(known):
    tile = spot(8, 8) + spot(48, 48, colour=1)
    evidence = evidence_map(known, tile, 0, 1)
    assert evidence[12, 12] > 0.05 and evidence[52, 52] < -0.05 and abs(evidence[12, 52]) < 1e-6


def test_it_turns_with_the_tile(known):
    tile = np.random.default_rng(0).integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    upright = evidence_map(known, tile, 0, 2)
    for turns, mirror in ((1, False), (2, True), (3, True)):
        turned = np.rot90(tile, turns)[:, :: -1 if mirror else 1]
        expected = np.rot90(upright, turns)[:, :: -1 if mirror else 1]
        np.testing.assert_allclose(evidence_map(known, np.ascontiguousarray(turned), 0, 2), expected, atol=1e-5)


def test_an_explanation_names_the_two_leading_classes(known):
    found = explain(known, spot(20, 20, side=24, colour=1) + spot(0, 0, side=12, colour=2))
    assert (found.called, found.rival) == ("green", "blue")
    assert found.evidence.shape == (SIZE_PX, SIZE_PX) and found.evidence.dtype == np.float32
    assert sum(found.probabilities) == pytest.approx(1.0, abs=1e-5)


def test_a_trained_model_points_at_the_corner_that_holds_its_pattern():
    model, rng, half = load_model(tiny_model()), np.random.default_rng(4), SIZE_PX // 2
    stripes, checks = CLASSES.index("stripes"), CLASSES.index("checks")
    for corner in np.ndindex(2, 2):
        tile = pattern("checks", rng)
        place = tuple(slice(i * half, (i + 1) * half) for i in corner)
        tile[place] = pattern("stripes", rng)[place]
        evidence = evidence_map(model, tile, stripes, checks)
        quarters = {c: evidence[tuple(slice(i * half, (i + 1) * half) for i in c)].mean() for c in np.ndindex(2, 2)}
        assert max(quarters, key=quarters.get) == corner


def test_the_mean_of_the_map_is_the_lead_in_logits():
    model = load_model(tiny_model(), runtime="tensorflow")
    tile = pattern("dots", np.random.default_rng(5))
    evidence = evidence_map(model, tile, 1, 0)
    turned = np.stack([np.rot90(side, turns) for side in (tile, tile[:, ::-1]) for turns in range(4)])
    logits, _ = model.forward(turned)
    assert evidence.mean() == pytest.approx((logits[:, 1] - logits[:, 0]).mean(), rel=0.1)


def test_a_tile_of_another_size_is_refused(known):
    with pytest.raises(ModelError, match="needs uint8 tiles"):
        explain(known, np.zeros((32, 32, 3), np.uint8))
