"""The networks: what NumPy runs is what Keras trains; padding and order change nothing; they learn what is there."""

import numpy as np
import pytest

from aggregate.slide_model.fit import Lesson, SlideRecipe, _padded, fit_network
from aggregate.slide_model.network import ops
from aggregate.slide_model.network.heads import HEADS, OneOfClasses, Ordered, find_head
from aggregate.slide_model.network.networks import (
    NETWORKS,
    GatedAttention,
    RuleFigures,
    first_weights,
    make_network,
    network_names,
)
from app.commands.words.slides import NETWORK_NAMES
from classifier.networks.framework import load_keras
from tests.aggregate.slide_model.features import DIMENSION, made_bags
from wsi.errors import ModelError, UsageError

ATTENDING = [name for name in network_names() if make_network(name).attends]


def _run(namespace, name, weights, bags, there):
    network = make_network(name)
    logits, attention = network.pool(namespace, weights, network.embed(namespace, weights, bags), there)
    return np.asarray(logits), np.asarray(attention)


@pytest.fixture
def case():
    rng = np.random.default_rng(3)
    return rng.normal(size=(2, 9, DIMENSION)).astype(np.float32), np.ones((2, 9), np.bool_)


def _weights(name, outputs=3):
    made = first_weights(make_network(name).shapes(DIMENSION, outputs), seed=5)
    rng = np.random.default_rng(6)
    return {key: (value + 0.1 * rng.normal(size=value.shape)).astype(np.float32) for key, value in made.items()}


@pytest.mark.parametrize("name", network_names())
def test_numpy_gives_what_keras_gives(name, case):
    bags, there = case
    ours, theirs = (_run(space, name, _weights(name), bags, there) for space in (ops, load_keras().ops))
    assert np.allclose(ours[0], theirs[0], atol=1e-5) and np.allclose(ours[1], theirs[1], atol=1e-6)
    assert ours[0].shape == (2, 3)


@pytest.mark.parametrize("name", ATTENDING)
def test_attention_sums_to_one_and_padding_counts_for_nothing(name, case):
    bags, there = case
    weights = _weights(name)
    logits, attention = _run(ops, name, weights, bags, there)
    assert np.allclose(attention.sum(axis=1), 1.0, atol=1e-5)
    padded = np.concatenate([bags, np.full((2, 4, DIMENSION), 7.0, np.float32)], axis=1)
    exists = np.concatenate([there, np.zeros((2, 4), np.bool_)], axis=1)
    again, spread = _run(ops, name, weights, padded, exists)
    assert np.allclose(again, logits, atol=1e-5) and np.allclose(spread[:, :9], attention, atol=1e-6)
    assert (spread[:, 9:] == 0).all()


@pytest.mark.parametrize("name", ATTENDING)
def test_the_order_of_instances_does_not_matter(name, case):
    bags, there = case
    order = np.random.default_rng(0).permutation(9)
    logits, attention = _run(ops, name, _weights(name), bags, there)
    again, moved = _run(ops, name, _weights(name), bags[:, order], there)
    assert np.allclose(again, logits, atol=1e-5) and np.allclose(moved, attention[:, order], atol=1e-6)


def test_class_branches_attend_by_class_and_the_others_once(case):
    bags, there = case
    assert _run(ops, "class-branches", _weights("class-branches"), bags, there)[1].shape == (2, 9, 3)
    assert _run(ops, "transformer", _weights("transformer"), bags, there)[1].shape == (2, 9, 1)


@pytest.mark.parametrize("name", ATTENDING)
def test_a_network_learns_which_instances_tell(name):
    shelf, labels = made_bags(60)
    recipe = SlideRecipe(
        network=name, epochs=30, min_steps=0, batch_bags=8, learning_rate=3e-3, parameters={"width": 32, "gate": 16}
    )
    weights = fit_network(recipe, Lesson(shelf, labels, 2), np.arange(40), np.arange(40, 50), seed=1)
    network, right, mass = make_network(name, recipe.parameters), 0, []
    tests, truth = made_bags(40, seed=9)
    for i in range(40):
        values = ((tests[i].features - weights["mean"]) / weights["spread"])[None]
        there = np.ones(values.shape[:2], np.bool_)
        logits, attention = network.pool(ops, weights, network.embed(ops, weights, values), there)
        right += int(logits[0].argmax() == truth[i])
        if truth[i]:
            mass.append(attention[0, :2, -1].sum() / (2 / len(attention[0])))
    assert right >= 36
    assert np.median(mass) > 2  # at least twice what they would have by chance


def test_one_seed_gives_one_network_and_another_another():
    shelf, labels = made_bags(20)
    recipe = SlideRecipe(epochs=2, min_steps=0, parameters={"width": 8, "gate": 4})

    def trained(seed):
        return fit_network(recipe, Lesson(shelf, labels, 2), np.arange(14), np.arange(14, 20), seed)["embed"]

    assert np.array_equal(trained(1), trained(1)) and not np.array_equal(trained(1), trained(2))


def test_a_bag_larger_than_a_step_is_drawn_from(monkeypatch):
    monkeypatch.setattr("aggregate.slide_model.fit.MAX_STEP_INSTANCES", 8)
    seen = []

    def padded(bags, *standard):
        seen.append(len(bags) * max(len(values) for values, _ in bags))
        return _padded(bags, *standard)

    monkeypatch.setattr("aggregate.slide_model.fit._padded", padded)
    shelf, labels = made_bags(12)
    fit_network(SlideRecipe(epochs=1, min_steps=0), Lesson(shelf, labels, 2), np.arange(8), np.arange(8, 12), seed=0)
    assert seen and max(seen) <= 8


def test_an_ordered_head_gives_probabilities_of_ordered_classes():
    head = find_head("ordered")
    outputs = np.array([[4.0, -4.0], [-4.0, -5.0], [1.0, 2.0]])
    p = np.exp(head.read(outputs))
    assert head.outputs(3) == 2 and np.allclose(p.sum(axis=1), 1.0)
    assert p[0].argmax() == 1 and p[1].argmax() == 0
    assert (p >= 0).all()  # also where the second output contradicts the first
    losses = np.asarray(head.loss(load_keras().ops, outputs[:1].astype(np.float32), np.array([1]), 3))
    wrong = np.asarray(head.loss(load_keras().ops, outputs[:1].astype(np.float32), np.array([0]), 3))
    assert losses[0] == pytest.approx(2 * np.log1p(np.exp(-4.0)), rel=1e-4) and wrong[0] > 3


def test_an_ordered_head_learns():
    shelf, labels = made_bags(24)
    recipe = SlideRecipe(head="ordered", epochs=2, min_steps=0, parameters={"width": 8, "gate": 4})
    weights = fit_network(recipe, Lesson(shelf, labels, 2), np.arange(16), np.arange(16, 24), seed=0)
    assert weights["classify"].shape == (8, 1) and np.abs(weights["classify_bias"]).max() > 0
    with pytest.raises(UsageError, match="classes alone"):
        SlideRecipe(network="rule-figures", head="ordered")


def test_every_head_has_a_name_of_its_own_and_the_first_is_the_default():
    assert [head.name for head in HEADS] == ["classes", "ordered"]
    assert isinstance(HEADS[0], OneOfClasses) and isinstance(HEADS[1], Ordered)
    with pytest.raises(ModelError, match="no head"):
        find_head("survival")


def test_the_command_knows_every_network():
    assert network_names() == NETWORK_NAMES
    assert len({one.name for one in NETWORKS}) == len(NETWORKS) and RuleFigures in NETWORKS


@pytest.mark.parametrize("parameters", [{"depth": 3}, {"width": 0}, {"width": 10**9}, {"width": 1.5}, {"width": True}])
def test_parameters_that_are_none_are_refused(parameters):
    with pytest.raises(ModelError, match="parameters"):
        make_network(GatedAttention.name, parameters)
    with pytest.raises(ModelError, match="no slide network"):
        make_network("resnet", parameters)
