"""One slide network trained on the bags of a fold, in Keras. Weights out as plain arrays; nothing is written.

Memory is bounded whatever the slides: bags are read from a shelf of bounded size, a step holds MAX_STEP_INSTANCES
instances of MAX_STEP_BYTES at most, and of a larger bag each epoch draws as many anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.slide_model.bags import MIB, Bag, Shelf
from aggregate.slide_model.folds import class_weights
from aggregate.slide_model.network.heads import OneOfClasses, find_head
from aggregate.slide_model.network.networks import SlideNetwork, first_weights, make_network
from classifier.networks.framework import load_keras, load_tensorflow
from wsi.errors import UsageError

MAX_STEP_INSTANCES = 1 << 16
MAX_STEP_BYTES = 256 * MIB
# A loss that falls by less between epochs makes a network surer, and no better.
_LEAST_FALL = 1e-3
Weights = dict[str, NDArray[np.float32]]
Told = Callable[[int, int, float], None]
"""Called with (epochs done, epochs at most, loss on the slides that stop the training)."""


@dataclass(frozen=True)
class SlideRecipe:
    """How slide models are trained: every number. `stop_share` of a fold's learning patients stop the training, once
    their loss has not fallen for `patience` epochs; the weights are those of its lowest. With few slides there are more
    epochs, until there are `min_steps` steps, and as many times more patience: attention that has one bag in ten to go
    by lies still for hundreds of steps before it finds what tells (measured: docs/slides.md)."""

    network: str = "gated-attention"
    parameters: dict[str, int] = field(default_factory=dict)
    head: str = "classes"
    folds: int = 5
    epochs: int = 100
    min_steps: int = 1500
    patience: int = 15
    stop_share: float = 0.2
    batch_bags: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    dropout: float = 0.25
    class_weighted: bool = True
    seed: int = 7

    def __post_init__(self) -> None:
        bounds = {
            "folds": (2, 20),
            "epochs": (1, 1000),
            "min_steps": (0, 100_000),
            "patience": (1, 1000),
            "stop_share": (0.05, 0.5),
            "batch_bags": (1, 256),
            "learning_rate": (1e-6, 1.0),
            "dropout": (0.0, 0.9),
            "seed": (0, 2**31 - 1),
        }
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name} {getattr(self, name)} is outside {low:g} to {high:g}")
        if self.head != OneOfClasses.name and not make_network(self.network, self.parameters).attends:
            raise UsageError(f"the network {self.network} has the head {OneOfClasses.name} alone")

    def for_bags(self, bags: int) -> SlideRecipe:
        """This recipe for so many bags to learn from."""
        steps = max(1, bags // self.batch_bags)
        longer = max(1.0, self.min_steps / (steps * self.epochs))
        return replace(
            self,
            epochs=min(1000, math.ceil(self.epochs * longer)),
            patience=min(1000, math.ceil(self.patience * longer)),
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Lesson:
    """What one network learns from: bags by index, class indices (n,) of all of them, how many classes there are."""

    shelf: Shelf
    labels: NDArray[np.int64]
    classes: int


def instances_of(bag: Bag, network: SlideNetwork) -> NDArray[np.floating]:
    """(n, d): what a network sees of a slide, features of tiles or the rule's figures."""
    if network.attends:
        return bag.features
    assert bag.figures is not None
    return bag.figures[None]


def fit_network(
    recipe: SlideRecipe,
    lesson: Lesson,
    learn: NDArray[np.integer],
    stop: NDArray[np.integer],
    seed: int,
    told: Told = lambda done, epochs, loss: None,
) -> Weights:
    """Weights by name, ``mean`` and ``spread`` of the instances (d,) among them. `learn` and `stop` are indices."""
    recipe = recipe.for_bags(len(learn))
    network = make_network(recipe.network, recipe.parameters)
    mean, spread = _standard(network, lesson.shelf, learn)
    if not network.attends:
        return {"mean": mean, "spread": spread, **_linear(network, lesson, np.concatenate([learn, stop]), mean, spread)}
    load_keras().utils.set_random_seed(seed)
    trainer = _Trainer(recipe, network, lesson, (mean, spread), seed)
    best, best_loss, counted, since = trainer.weights(), np.inf, np.inf, 0
    for epoch in range(recipe.epochs):
        trainer.run_epoch(learn, epoch)
        loss = trainer.loss(stop if len(stop) else learn)
        told(epoch + 1, recipe.epochs, loss)
        since = 0 if loss < counted - _LEAST_FALL else since + 1
        counted = min(counted, loss) if since == 0 else counted
        if loss < best_loss:
            best, best_loss = trainer.weights(), loss
        if since >= recipe.patience:
            break
    return {"mean": mean, "spread": spread, **best}


def _standard(network: SlideNetwork, shelf: Shelf, learn: NDArray[np.integer]) -> tuple[Any, Any]:
    """Mean and spread (d,) over the instances of the bags, one bag counting like another."""
    sums = squares = 0.0
    for index in learn.tolist():
        values = instances_of(shelf[index], network)
        sums = sums + values.mean(axis=0, dtype=np.float64)
        squares = squares + np.square(values, dtype=np.float64).mean(axis=0)
    mean = np.asarray(sums / len(learn))
    spread = np.sqrt(np.maximum(np.asarray(squares / len(learn)) - mean**2, 0.0))
    return mean.astype(np.float32), np.where(spread > 1e-6, spread, 1.0).astype(np.float32)


def _linear(
    network: SlideNetwork, lesson: Lesson, learn: NDArray[np.integer], mean: Any, spread: Any
) -> dict[str, NDArray[np.float32]]:
    """Weights of a linear model, which needs no steps: logistic regression with a ridge."""
    from sklearn.linear_model import LogisticRegression

    figures = np.concatenate([instances_of(lesson.shelf[i], network) for i in learn.tolist()])
    fitted = LogisticRegression(C=0.3, max_iter=2000).fit((figures - mean) / spread, lesson.labels[learn])
    weights = np.zeros((figures.shape[1], lesson.classes), np.float32)
    bias = np.full(lesson.classes, -10.0, np.float32)
    if len(fitted.classes_) == 2:
        weights[:, fitted.classes_], bias[fitted.classes_] = 0.0, 0.0
        weights[:, fitted.classes_[1]], bias[fitted.classes_[1]] = fitted.coef_[0], fitted.intercept_[0]
    else:
        weights[:, fitted.classes_], bias[fitted.classes_] = fitted.coef_.T, fitted.intercept_
    return {"classify": weights, "classify_bias": bias}


class _Trainer:
    """A network's variables, AdamW, and the two steps over them."""

    def __init__(
        self, recipe: SlideRecipe, network: SlideNetwork, lesson: Lesson, standard: tuple[Any, Any], seed: int
    ) -> None:
        keras = load_keras()
        self._recipe, self._lesson, self._seed, self._standard = recipe, lesson, seed, standard
        self._network, self._head = network, find_head(recipe.head)
        dimension = len(standard[0])
        shapes = network.shapes(dimension, self._head.outputs(lesson.classes))
        begin = first_weights(shapes, seed)
        self._variables = {name: keras.Variable(value, name=name) for name, value in begin.items()}
        self._optimizer = keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay)
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "scale"])
        self._optimizer.build(list(self._variables.values()))
        self._drop = keras.layers.Dropout(recipe.dropout, seed=seed)
        weigh = recipe.class_weighted
        self._weights = class_weights(lesson.labels, lesson.classes) if weigh else np.ones(lesson.classes, np.float32)
        self._step, self._judge = self._steps(dimension)

    def run_epoch(self, learn: NDArray[np.integer], epoch: int) -> None:
        rng = np.random.default_rng([self._seed, epoch])
        for bags, there, labels in self._batches(rng.permutation(learn), rng):
            self._step(bags, there, labels)

    def loss(self, indices: NDArray[np.integer]) -> float:
        """Mean weighted loss without dropout. Of bags that are too large the same instances are taken each time."""
        rng, total, count = np.random.default_rng(self._seed), 0.0, 0
        for bags, there, labels in self._batches(indices, rng):
            total, count = total + float(self._judge(bags, there, labels)), count + len(labels)
        return total / count

    def weights(self) -> Weights:
        return {name: np.array(variable, np.float32) for name, variable in self._variables.items()}

    def _batches(self, order: NDArray[np.integer], rng: np.random.Generator) -> Iterator[tuple[Any, Any, Any]]:
        """Padded bags (b, n, d) float32, which instances exist (b, n), labels (b,)."""
        mean, spread = self._standard
        most = max(1, min(MAX_STEP_INSTANCES, MAX_STEP_BYTES // (4 * len(mean))))
        waiting: list[tuple[NDArray[np.floating], int]] = []
        for index in order.tolist():
            values = instances_of(self._lesson.shelf[index], self._network)
            if len(values) > most:
                values = values[np.sort(rng.choice(len(values), most, replace=False))]
            longest = max([len(values), *(len(bag) for bag, _ in waiting)])
            if waiting and (len(waiting) == self._recipe.batch_bags or longest * (len(waiting) + 1) > most):
                yield _padded(waiting, mean, spread)
                waiting = []
            waiting.append((values, int(self._lesson.labels[index])))
        if waiting:
            yield _padded(waiting, mean, spread)

    def _steps(self, dimension: int) -> tuple[Any, Any]:
        tf, keras = load_tensorflow(), load_keras()
        ops, classes, weigh = keras.ops, self._lesson.classes, tf.constant(self._weights)
        signature = [
            tf.TensorSpec((None, None, dimension), tf.float32),
            tf.TensorSpec((None, None), tf.bool),
            tf.TensorSpec((None,), tf.int64),
        ]

        def losses(bags: Any, there: Any, labels: Any, drop: Callable[[Any], Any]) -> Any:
            embedded = drop(self._network.embed(ops, self._variables, bags))
            outputs, _ = self._network.pool(ops, self._variables, embedded, there, drop)
            return self._head.loss(ops, outputs, labels, classes) * tf.gather(weigh, labels)

        @tf.function(input_signature=signature)
        def step(bags: Any, there: Any, labels: Any) -> None:
            variables = list(self._variables.values())
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(losses(bags, there, labels, lambda x: self._drop(x, training=True)))
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            self._optimizer.apply_gradients(zip(gradients, variables, strict=True))

        @tf.function(input_signature=signature)
        def judge(bags: Any, there: Any, labels: Any) -> Any:
            return tf.reduce_sum(losses(bags, there, labels, lambda x: x))

        return step, judge


def _padded(
    bags: Sequence[tuple[NDArray[np.floating], int]], mean: NDArray[np.float32], spread: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    longest = max(len(values) for values, _ in bags)
    padded = np.zeros((len(bags), longest, len(mean)), np.float32)
    there = np.zeros((len(bags), longest), np.bool_)
    for i, (values, _) in enumerate(bags):
        padded[i, : len(values)] = (values.astype(np.float32) - mean) / spread
        there[i, : len(values)] = True
    return padded, there, np.array([label for _, label in bags], np.int64)
