"""The training loop: tiles in, averaged weights out, a checkpoint after each epoch. Writes no model."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import TileSet, read_tile
from classifier.networks.build import build_network, network_weights, set_network_weights
from classifier.networks.fields import stack_fields
from classifier.networks.framework import load_keras, load_tensorflow
from classifier.progress import Progress, ProgressCallback, quiet
from classifier.training.augment import augment_tile
from classifier.training.balance import balanced_shares
from classifier.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from classifier.training.recipe import TrainConfig

READ_THREADS = 2
BATCHES_AHEAD = 6

Weights = Mapping[str, NDArray[np.float32]]
Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


def learning_rate_at(step: int, steps: int, warmup_steps: int, peak: float) -> float:
    """Linear warm-up, then half a cosine to zero (Loshchilov and Hutter 2017, arXiv:1608.03983)."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def training_batches(tiles: TileSet, config: TrainConfig, epoch: int) -> Iterator[Batch]:
    """One epoch of augmented batches, as the network takes them (crops of crop_px as stacked fields), and (b,) class
    indices.

    Order and augmentation follow from seed, epoch and tile alone, so a resumed training sees the same tiles.
    The last, incomplete batch is left out; the next epoch has another order.
    """
    order = _order(tiles, config, epoch)
    size = min(config.batch_size, len(tiles))
    starts = range(0, len(tiles) - size + 1, size)
    labels = tiles.labels

    def read(start: int) -> Batch:
        chosen = order[start : start + size]
        views = [_view(tiles, int(index), config, epoch) for index in chosen]
        return stack_fields(np.stack(views), config.network.fields), labels[chosen]

    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="tiles") as pool:
        ahead: deque[Future[Batch]] = deque()
        for start in starts:
            ahead.append(pool.submit(read, start))
            if len(ahead) > BATCHES_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def fit(
    tiles: TileSet,
    config: TrainConfig,
    start: Weights | None,
    checkpoint_path: Path,
    config_digest: str,
    progress: ProgressCallback = quiet,
) -> dict[str, NDArray[np.float32]]:
    """Trains from the weights `start`, or from nothing, and returns the averaged weights by path.

    Takes up `checkpoint_path` where it is of the same digest.
    """
    keras = load_keras()

    keras.utils.set_random_seed(config.seed)
    trainer = _Trainer(tiles, config, start or {})
    stored = read_checkpoint(checkpoint_path, config_digest)
    if stored is not None:
        trainer.restore(stored.arrays)
    began = time.monotonic()
    first = stored.epoch if stored is not None else 0
    for epoch in range(first, config.epochs):
        trainer.run_epoch(epoch, began, first, progress)
        write_checkpoint(checkpoint_path, Checkpoint(config_digest, epoch + 1, trainer.state()))
    return trainer.averaged_weights()


def _view(tiles: TileSet, index: int, config: TrainConfig, epoch: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng([config.seed, epoch, index])
    pixels = read_tile(tiles.records[index], config.tile, whole=config.whole_tiles)
    return augment_tile(pixels, config.crop_px, config.augmentation, rng)


def _order(tiles: TileSet, config: TrainConfig, epoch: int) -> NDArray[np.int64]:
    """(n,) tiles of one epoch: each once, or drawn by `balanced_shares`."""
    rng = np.random.default_rng([config.seed, epoch])
    if not config.balanced:
        return rng.permutation(len(tiles))
    return rng.choice(len(tiles), len(tiles), p=balanced_shares(tiles))


class _Trainer:
    """Network, AdamW and the moving average of the weights (Polyak and Juditsky 1992), as one state."""

    def __init__(self, tiles: TileSet, config: TrainConfig, start: Weights) -> None:
        keras = load_keras()

        self._tiles, self._config = tiles, config
        self._network = build_network(config.network, len(tiles.classes), config.crop_px)
        set_network_weights(self._network, {**network_weights(self._network), **start})
        for layer in self._network.layers if config.frozen_normalisation else ():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        self._optimizer = keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay)
        self._optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self._optimizer.build(self._network.trainable_variables)
        self._average = [np.asarray(variable) for variable in self._network.variables]
        self._steps_per_epoch = max(1, len(tiles) // min(config.batch_size, len(tiles)))
        self._step = _training_step(self._network, self._optimizer, len(tiles.classes), config.label_smoothing)

    def run_epoch(self, epoch: int, began: float, first_epoch: int, progress: ProgressCallback) -> None:
        config, steps = self._config, self._steps_per_epoch
        loss_sum = correct = seen = 0.0
        for step, (pixels, labels) in enumerate(training_batches(self._tiles, config, epoch)):
            done = epoch * steps + step
            self._optimizer.learning_rate.assign(
                learning_rate_at(done, config.epochs * steps, round(config.warmup_epochs * steps), config.learning_rate)
            )
            loss, hits = self._step(pixels, labels)
            self._follow(done)
            loss_sum, correct, seen = loss_sum + float(loss) * len(labels), correct + float(hits), seen + len(labels)
            pace = (time.monotonic() - began) / (done + 1 - first_epoch * steps)
            text = f"epoch {epoch + 1}/{config.epochs}  step {step + 1}/{steps}  loss {loss_sum / seen:.3f}  "
            progress(
                Progress(
                    f"{text}training accuracy {correct / seen:.3f}",
                    (done + 1) / (config.epochs * steps),
                    pace * (config.epochs * steps - done - 1),
                )
            )

    def state(self) -> list[NDArray[np.generic]]:
        live = [np.asarray(variable) for variable in (*self._network.variables, *self._optimizer.variables)]
        return [*live, *self._average]

    def restore(self, arrays: Any) -> None:
        variables = [*self._network.variables, *self._optimizer.variables]
        for variable, array in zip(variables, arrays, strict=False):
            variable.assign(array)
        self._average = list(arrays[len(variables) :])

    def averaged_weights(self) -> dict[str, NDArray[np.float32]]:
        for variable, average in zip(self._network.variables, self._average, strict=True):
            variable.assign(average)
        return network_weights(self._network)

    def _follow(self, step: int) -> None:
        # A short memory at first, or the average would keep the random start for long.
        decay = min(self._config.ema_decay, (1 + step) / (10 + step))
        for i, variable in enumerate(self._network.variables):
            if self._average[i].dtype == np.float32:
                self._average[i] = decay * self._average[i] + np.float32(1 - decay) * np.asarray(variable)


def _training_step(network: Any, optimizer: Any, classes: int, label_smoothing: float) -> Callable[..., Any]:
    tf = load_tensorflow()

    @tf.function(reduce_retracing=True)
    def step(pixels: Any, labels: Any) -> Any:
        targets = tf.one_hot(labels, classes) * (1 - label_smoothing) + label_smoothing / classes
        with tf.GradientTape() as tape:
            logits, _, _ = network(pixels, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss, tf.reduce_sum(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))

    return step
