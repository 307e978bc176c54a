"""A checked network is tried in a process of its own: what it costs and gives is known before anything else runs it."""

import numpy as np
import pytest

from classifier.networks.imported import ImportedNetwork
from classifier.networks.onnx_file.check import check_onnx
from classifier.runtimes import onnx_trial
from classifier.runtimes.onnx_session import OnnxSession, pool, prepare
from classifier.runtimes.onnx_trial import TrialLimits, limits_for, probe_tiles, try_network
from tests.classifier.onnx_files import (
    FEATURES,
    SIZE_PX,
    TensorProto,
    classifier,
    encoder,
    ints,
    model,
    node,
    onnx,
    weights,
    with_nodes,
)
from wsi.errors import ModelError

PLAIN = ImportedNetwork(1)
SMALL = TrialLimits(memory_gb=1.0, cpu_seconds=6.0, seconds=120.0)


def test_a_good_network_is_known_after_its_trial():
    found = try_network(encoder(), PLAIN, SIZE_PX, SMALL)
    assert (found.axes, found.features, found.rows_sum_to_one) == (2, FEATURES, False)
    assert 0 <= found.seconds_a_tile < 10


def test_probabilities_are_told_from_logits():
    scores = ImportedNetwork(1, output="scores")
    assert try_network(classifier("probabilities"), scores, SIZE_PX, SMALL).rows_sum_to_one
    assert not try_network(classifier(), scores, SIZE_PX, SMALL).rows_sum_to_one


def computed_bomb():
    """A size that no constant tells: 2^9 multiplied with itself until it is 2^36."""
    return with_nodes(
        node("Mul", ["side", "side"], ["s2"]),
        node("Mul", ["s2", "s2"], ["s4"]),
        node("Concat", ["s4", "one"], ["shape"], axis=0),
        node("Expand", ["core", "shape"], ["huge"]),
        node("ReduceSum", ["huge", "first"], ["features"], keepdims=1),
        initialisers=[ints("side", 1 << 9), ints("one", 1), ints("first", 0)],
    )


def endless_work():
    """Little memory, and hours of multiplying."""
    chain = [node("MatMul", ["big", f"big{i}" if i else "big"], [f"big{i + 1}"]) for i in range(2000)]
    return with_nodes(
        node("ConstantOfShape", ["side"], ["ones"], value=onnx.numpy_helper.from_array(np.array([1e-4], np.float32))),
        node("ReduceMean", ["core"], ["mean"], keepdims=0),
        node("Add", ["ones", "mean"], ["big"]),
        *chain,
        node("ReduceSum", ["big2000", "axis"], ["features"], keepdims=0),
        initialisers=[ints("side", 3000, 3000), ints("axis", 1)],
    )


HOSTILE = {
    "a size that is computed": (computed_bomb(), "asks for more than 1 GB"),
    "hours of work": (endless_work(), "takes more than 6 s of CPU"),
    "no numbers": (
        with_nodes(
            node("Abs", ["core"], ["a"]),
            node("Neg", ["a"], ["minus"]),
            node("Sub", ["minus", "one"], ["below"]),
            node("Log", ["below"], ["features"]),
            initialisers=[onnx.numpy_helper.from_array(np.float32(1.0), "one")],
        ),
        "no finite numbers",
    ),
    "a tile that hangs on its neighbours": (
        with_nodes(node("ReduceMean", ["core"], ["mean"], axes=[0]), node("Sub", ["core", "mean"], ["features"])),
        "depends on the tiles beside it",
    ),
    "the same for everything": (
        with_nodes(
            node("Mul", ["core", "zero"], ["features"]),
            initialisers=[onnx.numpy_helper.from_array(np.float32(0.0), "zero")],
        ),
        "the same for every tile",
    ),
    "an output that is text": (
        with_nodes(node("Cast", ["core"], ["features"], to=TensorProto.STRING)),
        "no row of numbers|does not take the network",
    ),
    "an output that is no row a tile": (
        with_nodes(node("ReduceSum", ["core"], ["features"], keepdims=0)),
        "no row of numbers a tile",
    ),
    "weights that do not fit": (
        with_nodes(node("Gemm", ["core", "w9"], ["features"]), initialisers=[weights("w9", 7, 5)]),
        "ONNX Runtime does not take the network|does not run",
    ),
    "an operator that this version has not": (
        with_nodes(node("Swish", ["core"], ["features"])),
        "ONNX Runtime does not take the network",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_only_running_tells_is_refused_in_one_line(kind):
    content, why = HOSTILE[kind]
    check_onnx(content)  # nothing in the file tells it
    with pytest.raises(ModelError, match=why) as caught:
        try_network(content, PLAIN, SIZE_PX, SMALL)
    assert "\n" not in str(caught.value)


def test_a_network_that_changes_its_mind_is_refused():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 4, 5)).astype(np.float32)
    with pytest.raises(ModelError, match="something else each time"):
        onnx_trial._check_output(first, second, first[:1])


def test_a_large_file_may_take_more_memory_unless_told_otherwise():
    assert limits_for(b"").memory_gb == 4.0 and limits_for(b"x" * (1 << 20)).memory_gb == 4.0 + 4 / 1024
    assert limits_for(b"x" * (1 << 20), 2.0).memory_gb == 2.0


def test_the_answer_of_the_process_is_not_believed(monkeypatch):
    monkeypatch.setattr(onnx_trial, "_asked", lambda *_: {"features": "many"})
    with pytest.raises(ModelError, match="no answer that can be read"):
        try_network(encoder(), PLAIN, SIZE_PX, SMALL)


def test_without_onnx_runtime_the_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"not installed; pip install -e '\.\[onnx\]'"):
        try_network(encoder(), PLAIN, SIZE_PX, SMALL)


def test_pixels_are_normalised_as_makers_do():
    tiles = probe_tiles(SIZE_PX)
    network = check_onnx(encoder())
    shape = ImportedNetwork(FEATURES, mean=(0.7, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    expected = (tiles / 255 - np.array(shape.mean)) / np.array(shape.std)
    np.testing.assert_allclose(prepare(tiles, network, shape), expected.transpose(0, 3, 1, 2), atol=1e-5)


def test_uint8_goes_in_as_it_is():
    content = model(
        [
            node("Cast", ["pixels"], ["f"], to=TensorProto.FLOAT),
            node("ReduceMean", ["f"], ["features"], axes=[1, 2], keepdims=0),
        ],
        pixels=("b", SIZE_PX, SIZE_PX, 3),
        element=TensorProto.UINT8,
    ).SerializeToString()
    tiles = probe_tiles(SIZE_PX)
    found = OnnxSession(content, check_onnx(content), PLAIN).run(tiles)
    np.testing.assert_allclose(found, tiles.mean(axis=(1, 2)), rtol=1e-4)


def test_a_network_that_takes_one_tile_at_a_time_gets_them_so():
    nodes = [node("ReduceMean", ["pixels"], ["features"], axes=[2, 3], keepdims=0)]
    one = model(nodes, pixels=(1, 3, SIZE_PX, SIZE_PX)).SerializeToString()
    several = model(nodes).SerializeToString()
    tiles = probe_tiles(SIZE_PX)
    found, expected = (OnnxSession(content, check_onnx(content), PLAIN).run(tiles) for content in (one, several))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_tokens_and_maps_are_pooled_as_asked():
    tokens = np.arange(2 * 5 * 3, dtype=np.float32).reshape(2, 5, 3)

    def pooled(how, array=tokens, prefix=2):
        return pool(array, ImportedNetwork(3, pool=how, prefix_tokens=prefix), 2, channels_first=True)

    np.testing.assert_array_equal(pooled("cls"), tokens[:, 0])
    np.testing.assert_array_equal(pooled("mean"), tokens[:, 2:].mean(axis=1))
    np.testing.assert_array_equal(pooled("cls+mean"), np.hstack([tokens[:, 0], tokens[:, 2:].mean(axis=1)]))
    maps = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    np.testing.assert_array_equal(pooled("mean", maps), maps.mean(axis=(2, 3)))
    with pytest.raises(ModelError, match="--pool cls, mean"):
        pooled("none")
    with pytest.raises(ModelError, match="--pool none"):
        pooled("cls", tokens[:, 0])
